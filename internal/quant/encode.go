package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"basalt/internal/half"
)

// Encode rounds len(src) values, a whole number of blocks, into dst, as ggml's reference quantiser
// does. Only Q8_0 and Q4_0 can be encoded; other formats panic.
func (f Format) Encode(dst []byte, src []float32) {
	encode := encodeQ8_0
	switch f {
	case Q8_0:
	case Q4_0:
		encode = encodeQ4_0
	default:
		panic(fmt.Sprintf("BUG: %s cannot be encoded", f))
	}
	if len(src)%32 != 0 {
		panic(fmt.Sprintf("BUG: cannot encode %d values of %s: blocks have 32", len(src), f))
	}
	for size := f.BlockBytes(); len(src) > 0; src, dst = src[32:], dst[size:] {
		encode(dst[:size], src[:32])
	}
}

// encodeQ8_0 scales the greatest magnitude to 127.
func encodeQ8_0(dst []byte, src []float32) {
	var top float32
	for _, v := range src {
		top = max(top, float32(math.Abs(float64(v))))
	}
	d := top / 127
	binary.LittleEndian.PutUint16(dst, half.ToF16(d))
	inverse := reciprocal(d)
	for i, v := range src {
		dst[2+i] = byte(int8(math.Round(float64(v * inverse))))
	}
}

// encodeQ4_0 scales the value of greatest magnitude to -8.
func encodeQ4_0(dst []byte, src []float32) {
	var top, extreme float32
	for _, v := range src {
		if a := float32(math.Abs(float64(v))); a > top {
			top, extreme = a, v
		}
	}
	d := extreme / -8
	binary.LittleEndian.PutUint16(dst, half.ToF16(d))
	inverse := reciprocal(d)
	nibble := func(v float32) byte { return byte(min(15, int8(float32(v*inverse)+8.5))) }
	for i := range 16 {
		dst[2+i] = nibble(src[i]) | nibble(src[i+16])<<4
	}
}

func reciprocal(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}
