package half

import (
	"encoding/binary"
	"math"
)

// FromBF16 widens one BF16 value; the conversion is exact.
func FromBF16(b uint16) float32 {
	return math.Float32frombits(uint32(b) << 16)
}

// ToBF16 rounds f to the nearest BF16 value, ties to even.
func ToBF16(f float32) uint16 {
	u := math.Float32bits(f)
	if f != f {
		return uint16(u>>16) | 0x40
	}
	return uint16((u + 0x7fff + (u>>16)&1) >> 16)
}

// FromF16 widens one binary16 value; the conversion is exact.
func FromF16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h & 0x3ff)
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// ToF16 rounds f to the nearest binary16 value, ties to even; beyond 65504 it gives infinity.
func ToF16(f float32) uint16 {
	u := math.Float32bits(f)
	sign := uint16(u>>16) & 0x8000
	u &= 0x7fffffff
	switch {
	case u > 0x7f800000:
		return sign | 0x7e00
	case u >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case u < 0x38800000: // below the smallest normal: add 0.5 so that the fraction lands in place
		g := math.Float32frombits(u) + 0.5
		return sign | uint16(math.Float32bits(g)-0x3f000000)
	}
	u += 0xfff + (u>>13)&1
	return sign | uint16((u-0x38000000)>>13)
}

// DecodeBF16 widens len(dst) little-endian BF16 values of src.
func DecodeBF16(dst []float32, src []byte) {
	src = src[:2*len(dst)]
	for i := range dst {
		dst[i] = FromBF16(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

// DecodeF16 widens len(dst) little-endian binary16 values of src.
func DecodeF16(dst []float32, src []byte) {
	src = src[:2*len(dst)]
	for i := range dst {
		dst[i] = FromF16(binary.LittleEndian.Uint16(src[2*i:]))
	}
}
