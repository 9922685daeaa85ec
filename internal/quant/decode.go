package quant

import (
	"encoding/binary"

	"basalt/internal/half"
)

func f16at(b []byte, i int) float32 {
	return half.FromF16(binary.LittleEndian.Uint16(b[i:]))
}

// Q8_0: f16 scale, 32 signed bytes.
func decodeQ8_0(dst []float32, b []byte) {
	d := f16at(b, 0)
	for i, q := range b[2:34] {
		dst[i] = d * float32(int8(q))
	}
}

// Q4_0: f16 scale, 16 bytes; low nibbles are values 0..15, high nibbles 16..31, offset 8.
func decodeQ4_0(dst []float32, b []byte) {
	d := f16at(b, 0)
	for i, q := range b[2:18] {
		dst[i] = d * float32(int(q&15)-8)
		dst[i+16] = d * float32(int(q>>4)-8)
	}
}

// scaleMinK4 unpacks the j-th pair of 6-bit scale and minimum of a K-quant's 12 scale bytes.
func scaleMinK4(s []byte, j int) (scale, minimum float32) {
	if j < 4 {
		return float32(s[j] & 63), float32(s[j+4] & 63)
	}
	return float32(s[j+4]&15 | s[j-4]>>6<<4), float32(s[j+4]>>4 | s[j]>>6<<4)
}

// affine is scale*q - minimum; the conversions keep the compiler from fusing the product into the
// difference, which would give other bits on some machines.
func affine(scale float32, q byte, minimum float32) float32 {
	return float32(scale*float32(q)) - float32(minimum)
}

// Q4_K: f16 d and dmin, 12 bytes of scales, 128 bytes of nibbles; 8 sub-blocks of 32.
func decodeQ4_K(dst []float32, b []byte) {
	d, dmin, scales, q := f16at(b, 0), f16at(b, 2), b[4:16], b[16:144]
	for j := 0; j < 8; j += 2 {
		s1, m1 := scaleMinK4(scales, j)
		s2, m2 := scaleMinK4(scales, j+1)
		for i, v := range q[16*j : 16*j+32] {
			dst[32*j+i] = affine(d*s1, v&15, dmin*m1)
			dst[32*j+32+i] = affine(d*s2, v>>4, dmin*m2)
		}
	}
}

// Q5_K: as Q4_K with 32 bytes of fifth bits before the nibbles; bit j of byte i belongs to
// sub-block j.
func decodeQ5_K(dst []float32, b []byte) {
	d, dmin, scales, high, q := f16at(b, 0), f16at(b, 2), b[4:16], b[16:48], b[48:176]
	for j := 0; j < 8; j += 2 {
		s1, m1 := scaleMinK4(scales, j)
		s2, m2 := scaleMinK4(scales, j+1)
		for i, v := range q[16*j : 16*j+32] {
			h1, h2 := high[i]>>j&1, high[i]>>(j+1)&1
			dst[32*j+i] = affine(d*s1, v&15|h1<<4, dmin*m1)
			dst[32*j+32+i] = affine(d*s2, v>>4|h2<<4, dmin*m2)
		}
	}
}

// Q6_K: 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed scales, f16 d; offset 32.
func decodeQ6_K(dst []float32, b []byte) {
	d := f16at(b, 208)
	for n := range 2 {
		low, high, scales := b[64*n:64*n+64], b[128+32*n:160+32*n], b[192+8*n:200+8*n]
		y := dst[128*n : 128*n+128]
		for i := range 32 {
			h := high[i]
			for k := range 4 {
				nibble := low[i+32*(k&1)] >> (4 * (k >> 1)) & 15
				v := int(nibble|h>>(2*k)&3<<4) - 32
				y[32*k+i] = d * float32(int8(scales[2*k+i/16])) * float32(v)
			}
		}
	}
}
