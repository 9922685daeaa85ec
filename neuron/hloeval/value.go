package hloeval

import (
	"encoding/binary"
	"fmt"

	"basalt/internal/half"
	"basalt/neuron/hlo"
)

// Value is an array, or a tuple of arrays. F holds floating point numbers, I the bits of s32 and
// u32 and the truth of pred (0 or 1).
type Value struct {
	Shape hlo.Shape
	F     []float32
	I     []int32
	Tuple []Value
}

// Make allocates an array of zeros.
func Make(s hlo.Shape) Value {
	v := Value{Shape: s}
	if s.DType.IsFloat() {
		v.F = make([]float32, s.Elems())
	} else {
		v.I = make([]int32, s.Elems())
	}
	return v
}

// Ints is an s32 array.
func Ints(xs []int32, dims ...int) Value { return Value{Shape: hlo.Of(hlo.S32, dims...), I: xs} }

// Floats is an array of floating point numbers, rounded to type d in place.
func Floats(d hlo.DType, xs []float32, dims ...int) Value {
	round(d, xs)
	return Value{Shape: hlo.Of(d, dims...), F: xs}
}

// round gives every number the precision of d.
func round(d hlo.DType, xs []float32) {
	switch d {
	case hlo.BF16:
		for i, x := range xs {
			xs[i] = half.FromBF16(half.ToBF16(x))
		}
	case hlo.F8E4M3FN:
		for i, x := range xs {
			xs[i] = hlo.FromF8(hlo.ToF8(x))
		}
	}
}

// FromBytes reads an array from the memory of a tensor; len(data) must be s.Bytes().
func FromBytes(s hlo.Shape, data []byte) (Value, error) {
	if s.IsTuple() || len(data) != s.Bytes() {
		return Value{}, fmt.Errorf("%d bytes do not hold %s", len(data), s)
	}
	v := Make(s)
	switch {
	case s.DType.IsFloat():
		hlo.DecodeFloats(v.F, s.DType, data)
	case s.DType == hlo.Pred:
		for i, b := range data {
			v.I[i] = int32(b & 1)
		}
	default:
		for i := range v.I {
			v.I[i] = int32(binary.LittleEndian.Uint32(data[4*i:]))
		}
	}
	return v, nil
}

// PutBytes writes the array to the memory of a tensor.
func (v Value) PutBytes(data []byte) {
	switch {
	case v.Shape.DType.IsFloat():
		hlo.EncodeFloats(data, v.Shape.DType, v.F)
	case v.Shape.DType == hlo.Pred:
		for i, x := range v.I {
			data[i] = byte(x)
		}
	default:
		for i, x := range v.I {
			binary.LittleEndian.PutUint32(data[4*i:], uint32(x))
		}
	}
}
