// Package quant decodes and encodes the block formats of GGUF files.
//
// A row of K values is stored as K/BlockSize blocks; each block carries its own scales, so rows are
// independent and can be permuted or sliced whole. Layouts are those of the GGUF specification
// (ggml's block_q8_0, block_q4_0, block_q4_K, block_q5_K, block_q6_K, block_mxfp4), little-endian
// throughout.
// Decoding here is the exact reference: value = scale * integer (- minimum) in float32, the order
// in which ggml's own dequantisation computes it. Devices have their own fast paths.
//
// Encoding is plain rounding as ggml's for Q8_0 and Q4_0 (encode.go), a search for the best scales
// for K-quants (encodek.go) and, in the same format, for Q4_0 (search.go). Relative error of
// normally distributed weights, root of mean squares: Q8_0 0.53 %, Q6_K 1.69 %, Q5_K 3.44 %,
// Q4_K 6.98 %, Q4_0 8.09 % with searched scales and 8.60 % without.
package quant
