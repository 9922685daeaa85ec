package hlo

import (
	"fmt"
	"slices"
	"strings"
)

// DType is the type of an array's elements.
type DType uint8

// The element types that graphs use; the names are XLA's.
const (
	Pred DType = iota + 1
	S32
	U32
	F32
	BF16
	F8E4M3FN
)

// dtypes gives each type its name, its size in bytes and its number in XLA's PrimitiveType.
var dtypes = [...]struct {
	name  string
	bytes int
	proto uint64
}{
	Pred: {"pred", 1, 1}, S32: {"s32", 4, 4}, U32: {"u32", 4, 8}, F32: {"f32", 4, 11},
	BF16: {"bf16", 2, 16}, F8E4M3FN: {"f8e4m3fn", 1, 20},
}

const protoTuple = 13

func (d DType) valid() bool { return d >= Pred && d <= F8E4M3FN }

// String is the type's name, such as "bf16".
func (d DType) String() string {
	if !d.valid() {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Size is the number of bytes of one element.
func (d DType) Size() int {
	if !d.valid() {
		panic(fmt.Sprintf("BUG: no such element type: %d", uint8(d)))
	}
	return dtypes[d].bytes
}

// IsFloat says whether elements are floating point numbers.
func (d DType) IsFloat() bool { return d == F32 || d == BF16 || d == F8E4M3FN }

// ParseDType finds a type by its name.
func ParseDType(name string) (DType, error) {
	for d := Pred; d <= F8E4M3FN; d++ {
		if d.String() == name {
			return d, nil
		}
	}
	return 0, fmt.Errorf("unknown element type %q; known are pred, s32, u32, f32, bf16, f8e4m3fn",
		name)
}

// Shape is an array's type and size, row-major, or a tuple of arrays.
type Shape struct {
	DType DType
	Dims  []int
	Tuple []Shape // not nil for a tuple
}

// Of makes an array shape.
func Of(d DType, dims ...int) Shape { return Shape{DType: d, Dims: dims} }

// TupleOf makes a tuple shape.
func TupleOf(elems ...Shape) Shape { return Shape{Tuple: elems} }

// IsTuple says whether s is a tuple.
func (s Shape) IsTuple() bool { return s.Tuple != nil }

// Rank is the number of axes.
func (s Shape) Rank() int { return len(s.Dims) }

// Elems is the number of elements: the product of the axes.
func (s Shape) Elems() int {
	n := 1
	for _, d := range s.Dims {
		n *= d
	}
	return n
}

// Bytes is the size of an array in memory.
func (s Shape) Bytes() int { return s.Elems() * s.DType.Size() }

// Equal compares types and axes.
func (s Shape) Equal(t Shape) bool {
	return s.DType == t.DType && slices.Equal(s.Dims, t.Dims) && s.IsTuple() == t.IsTuple() &&
		slices.EqualFunc(s.Tuple, t.Tuple, Shape.Equal)
}

// With gives the same axes with another element type.
func (s Shape) With(d DType) Shape { return Shape{DType: d, Dims: s.Dims} }

// String is XLA's notation, such as "f32[2,64]".
func (s Shape) String() string {
	if s.IsTuple() {
		var parts []string
		for _, t := range s.Tuple {
			parts = append(parts, t.String())
		}
		return "(" + strings.Join(parts, ", ") + ")"
	}
	return s.DType.String() + strings.ReplaceAll(fmt.Sprint(s.Dims), " ", ",")
}

// maxElems bounds the elements of an array, so that byte counts fit 64 bits with room.
const maxElems = 1 << 40

// check refuses shapes whose sizes are not positive or whose product is absurd.
func (s Shape) check() error {
	if s.IsTuple() {
		for _, t := range s.Tuple {
			if t.IsTuple() {
				return fmt.Errorf("tuple %s holds a tuple", s)
			}
			if err := t.check(); err != nil {
				return err
			}
		}
		return nil
	}
	if !s.DType.valid() {
		return fmt.Errorf("element type %d is unknown", uint8(s.DType))
	}
	n := 1
	for _, d := range s.Dims {
		if d <= 0 || d > maxElems/n {
			return fmt.Errorf("shape %s has an axis of %d; axes are positive and their product at "+
				"most %d", s, d, int64(maxElems))
		}
		n *= d
	}
	return nil
}
