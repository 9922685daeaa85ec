// Package half converts between float32 and the small floating point formats of
// model files.
//
// BF16 is the upper half of a float32 (8 exponent bits, 7 fraction bits). F16 is IEEE 754 binary16
// (5 exponent bits, 10 fraction bits). Conversions from float32 round to nearest, ties to even; NaN
// stays NaN; an F16 overflow becomes infinity. E4M3, E8M0 and E2M1 (small.go) are the numbers and
// scales of FP8, MXFP4 and NVFP4 weights. The slice forms take raw little-endian bytes, as they lie
// in a mapped file.
package half
