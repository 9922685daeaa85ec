package half

import "math"

// FromE4M3 widens one E4M3 value (OCP's FP8 without infinities: bias 7, greatest 448); the
// conversion is exact.
func FromE4M3(b uint8) float32 {
	if b&0x7f == 0x7f {
		return float32(math.NaN())
	}
	return math.Float32frombits(uint32(b)<<24&(1<<31)|uint32(b&0x7f)<<20) * 0x1p120
}

// ToE4M3 rounds f to the nearest E4M3 value, ties to even; what is beyond 448 is held there.
func ToE4M3(f float32) uint8 {
	sign := uint8(math.Float32bits(f) >> 24 & 0x80)
	a := float32(math.Abs(float64(f)))
	switch {
	case f != f:
		return sign | 0x7f
	case a >= 448:
		return sign | 0x7e
	case a < 0x1p-6: // subnormal: steps of 2^-9
		return sign | uint8(math.RoundToEven(float64(a)*0x1p9))
	}
	u := math.Float32bits(a)
	u += 1<<19 - 1 + u>>20&1
	return sign | uint8(u>>20-120<<3)
}

// FromE8M0 widens one E8M0 scale, 2^(b-127).
func FromE8M0(b uint8) float32 {
	switch b {
	case 0:
		return 0x1p-127
	case 0xff:
		return float32(math.NaN())
	}
	return math.Float32frombits(uint32(b) << 23)
}

// FromE2M1 widens one four-bit value: 0, 1/2, 1, 3/2, 2, 3, 4, 6 and their negatives.
func FromE2M1(b uint8) float32 {
	return math.Float32frombits(uint32(b)<<28&(1<<31)|uint32(b&7)<<22) * 0x1p126
}

// ToE2M1 rounds f to the nearest four-bit value, ties to even; what is beyond 6 is held there.
func ToE2M1(f float32) uint8 {
	var code uint8
	a := math.Abs(float64(f))
	// The middles between neighbours; one that ties goes to the even code.
	for i, middle := range [...]float64{0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5} {
		if a > middle || a == middle && i%2 == 1 {
			code = uint8(i + 1)
		}
	}
	return uint8(math.Float32bits(f)>>28&8) | code
}

// DecodeE4M3 widens len(dst) values of src.
func DecodeE4M3(dst []float32, src []byte) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = FromE4M3(src[i])
	}
}

// DecodeE8M0 widens len(dst) values of src.
func DecodeE8M0(dst []float32, src []byte) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = FromE8M0(src[i])
	}
}

// DecodeE2M1 widens len(dst) values, two of each byte of src, the low half first.
func DecodeE2M1(dst []float32, src []byte) {
	src = src[:(len(dst)+1)/2]
	for i := range dst {
		dst[i] = FromE2M1(src[i/2] >> (i % 2 * 4) & 15)
	}
}
