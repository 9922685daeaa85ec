package runtime

import (
	"encoding/binary"
	"fmt"
	"math"

	"basalt/internal/half"
	"basalt/internal/quant"
)

// DType is the storage format of a tensor's values.
type DType uint8

// The formats that checkpoints hold. Block formats (Q..., MXFP4) run along a tensor's last axis.
// The formats from F8_E4M3 on are plain numbers of eight and four bits (OCP, "Microscaling
// Formats", 5.3); a matrix of them has its scales beside it (Tensor.Scales).
const (
	F32 DType = iota + 1
	F16
	BF16
	Q8_0
	Q4_0
	Q4_K
	Q5_K
	Q6_K
	MXFP4
	F8_E4M3
	F8_E8M0
	F4_E2M1
	// INT8 is no checkpoint's format: a cache keeps each head of a position as signed bytes and one
	// F32 scale, the greatest magnitude divided by 127.
	INT8
)

// ParseDType finds a format by its name, in any case.
func ParseDType(name string) (DType, error) {
	for d := F32; d <= F4_E2M1; d++ {
		if equalFold(name, d.String()) {
			return d, nil
		}
	}
	const known = "F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K, MXFP4, F8_E4M3, F8_E8M0, " +
		"F4_E2M1"
	return 0, fmt.Errorf("unknown data type %q; known are %s", name, known)
}

func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i]&^0x20 != b[i]&^0x20 {
			return false
		}
	}
	return true
}

// String is the format's name, such as "BF16" or "Q4_K".
func (d DType) String() string {
	switch d {
	case F32:
		return "F32"
	case F16:
		return "F16"
	case BF16:
		return "BF16"
	case F8_E4M3:
		return "F8_E4M3"
	case F8_E8M0:
		return "F8_E8M0"
	case F4_E2M1:
		return "F4_E2M1"
	case INT8:
		return "INT8"
	}
	if f, ok := d.Quant(); ok {
		return f.String()
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// Quant is the block format behind d; false for plain numbers.
func (d DType) Quant() (quant.Format, bool) {
	if d < Q8_0 || d > MXFP4 {
		return 0, false
	}
	return quant.Format(d - Q8_0), true
}

// Lossy says that values were rounded to eight bits or fewer: to round them again costs anew.
func (d DType) Lossy() bool { return d >= Q8_0 }

// BlockSize is the number of values that are stored together: 1 for plain numbers of whole bytes.
func (d DType) BlockSize() int {
	if f, ok := d.Quant(); ok {
		return f.BlockSize()
	}
	if d == F4_E2M1 {
		return 2
	}
	return 1
}

// BlockBytes is the size of one block (or one plain number) in bytes.
func (d DType) BlockBytes() int {
	switch d {
	case F32:
		return 4
	case F16, BF16:
		return 2
	case F8_E4M3, F8_E8M0, F4_E2M1:
		return 1
	}
	f, ok := d.Quant()
	if !ok {
		panic(fmt.Sprintf("BUG: no such data type: %d", uint8(d)))
	}
	return f.BlockBytes()
}

// RowBytes is the size of n consecutive values; n must be a multiple of BlockSize.
func (d DType) RowBytes(n int) int { return n / d.BlockSize() * d.BlockBytes() }

// CacheBytes is what a cache needs for one head of dim numbers.
func (d DType) CacheBytes(dim int) int {
	if d == INT8 {
		return dim + 4
	}
	return d.RowBytes(dim)
}

// Decode widens len(dst) values, whole blocks, without scales beside them, from src, which holds at
// least RowBytes(len(dst)) bytes.
func (d DType) Decode(dst []float32, src []byte) {
	switch d {
	case F32:
		src = src[:4*len(dst)]
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		half.DecodeF16(dst, src)
	case BF16:
		half.DecodeBF16(dst, src)
	case F8_E4M3:
		half.DecodeE4M3(dst, src)
	case F8_E8M0:
		half.DecodeE8M0(dst, src)
	case F4_E2M1:
		half.DecodeE2M1(dst, src)
	default:
		f, ok := d.Quant()
		if !ok {
			panic(fmt.Sprintf("BUG: cannot decode data type %d", uint8(d)))
		}
		f.Decode(dst, src)
	}
}
