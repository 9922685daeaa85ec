package quant

import (
	"math"

	"basalt/internal/half"
)

// A block of MXFP4 (OCP, "Microscaling Formats") is a scale in E8M0 and 32 values in E2M1, those of
// the first half in the low halves of the bytes.

func decodeMXFP4(dst []float32, b []byte) {
	scale := half.FromE8M0(b[0])
	for i, q := range b[1:17] {
		dst[i] = half.FromE2M1(q&15) * scale
		dst[i+16] = half.FromE2M1(q>>4) * scale
	}
}

// encodeMXFP4 takes the scale of the specification: the greatest power of two in the block, over
// that of the greatest value, 4.
func encodeMXFP4(dst []byte, src []float32) {
	var top float32
	for _, v := range src {
		top = max(top, float32(math.Abs(float64(v))))
	}
	exponent := 0
	if top > 0 {
		_, e := math.Frexp(float64(top)) // top is 2^(e-1) and up
		exponent = max(0, min(254, e-1-2+127))
	}
	dst[0] = byte(exponent)
	inverse := float32(math.Ldexp(1, 127-exponent))
	for i := range 16 {
		dst[1+i] = half.ToE2M1(src[i]*inverse) | half.ToE2M1(src[i+16]*inverse)<<4
	}
}
