package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"basalt/internal/half"
)

// Encode rounds len(src) values, a whole number of blocks, into dst. Q8_0 and Q4_0 come out as from
// ggml's reference quantiser, bit by bit; the scales of K-quants are searched for (encodek.go).
func (f Format) Encode(dst []byte, src []float32) {
	checkBlocks(f, len(src))
	encode, values, size := f.encoder(), f.BlockSize(), f.BlockBytes()
	for ; len(src) > 0; src, dst = src[values:], dst[size:] {
		encode(dst[:size], src[:values])
	}
}

func (f Format) encoder() func(dst []byte, src []float32) {
	switch f {
	case Q8_0:
		return encodeQ8_0
	case Q4_0:
		return encodeQ4_0
	case Q4_K:
		return encodeQ4_K
	case Q5_K:
		return encodeQ5_K
	case Q6_K:
		return encodeQ6_K
	case MXFP4:
		return encodeMXFP4
	default:
		panic(fmt.Sprintf("BUG: unknown quantisation format %d", f))
	}
}

func checkBlocks(f Format, n int) {
	if n%f.BlockSize() != 0 {
		panic(fmt.Sprintf("BUG: cannot encode %d values of %s: blocks have %d", n, f,
			f.BlockSize()))
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
