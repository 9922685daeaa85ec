package hlo

import "math"

// MaxF8 is the greatest f8e4m3fn number. The format has no infinities; 0x7f and 0xff are NaN (OCP
// 8-bit floating point specification, E4M3; Micikevicius et al., arXiv:2209.05433).
const MaxF8 = 448

// FromF8 widens an f8e4m3fn number.
func FromF8(b uint8) float32 {
	exp, man := int(b>>3&15), float64(b&7)
	var v float64
	switch {
	case b&0x7f == 0x7f:
		return float32(math.NaN())
	case exp == 0:
		v = math.Ldexp(man, -9)
	default:
		v = math.Ldexp(8+man, exp-10)
	}
	if b >= 0x80 {
		v = -v
	}
	return float32(v)
}

// ToF8 rounds to the nearest f8e4m3fn number, ties to even. As in XLA, what rounds beyond MaxF8 is
// NaN.
func ToF8(f float32) uint8 {
	sign := uint8(math.Float32bits(f) >> 24 & 0x80)
	x := math.Abs(float64(f))
	if !(x < 464) { // halfway between 448 and the next step, which would round to 512
		if x == 464 {
			return sign | 0x7e
		}
		return sign | 0x7f
	}
	_, exp := math.Frexp(x) // x = m * 2^exp with m in [0.5, 1)
	step := max(exp-4, -9)
	n := math.RoundToEven(math.Ldexp(x, -step))
	if n == 16 { // rounded up to the next power of two
		n, step = 8, step+1
	}
	if n < 8 { // below the least normal number
		return sign | uint8(n)
	}
	return sign | uint8(step+10)<<3 | uint8(n-8)
}
