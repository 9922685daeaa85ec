package hlo

import (
	"slices"
	"strconv"
)

// Binary records an elementwise operation of two equal shapes.
func (b *Builder) Binary(op Opcode, x, y *Instruction) *Instruction {
	return b.emit(&Instruction{Op: op, Operands: []*Instruction{x, y}})
}

// Unary records an elementwise operation.
func (b *Builder) Unary(op Opcode, x *Instruction) *Instruction {
	return b.emit(&Instruction{Op: op, Operands: []*Instruction{x}})
}

// Add is x + y; Sub, Mul and Div likewise.
func (b *Builder) Add(x, y *Instruction) *Instruction { return b.Binary(OpAdd, x, y) }

// Sub is x - y.
func (b *Builder) Sub(x, y *Instruction) *Instruction { return b.Binary(OpSubtract, x, y) }

// Mul is x * y.
func (b *Builder) Mul(x, y *Instruction) *Instruction { return b.Binary(OpMultiply, x, y) }

// Div is x / y.
func (b *Builder) Div(x, y *Instruction) *Instruction { return b.Binary(OpDivide, x, y) }

// Copy is x in memory of its own.
func (b *Builder) Copy(x *Instruction) *Instruction { return b.Unary(OpCopy, x) }

// Compare gives a pred: x DIRECTION y.
func (b *Builder) Compare(direction string, x, y *Instruction) *Instruction {
	return b.emit(&Instruction{
		Op: OpCompare, Direction: direction, Operands: []*Instruction{x, y},
	})
}

// Select takes x where p holds, else y.
func (b *Builder) Select(p, x, y *Instruction) *Instruction {
	return b.emit(&Instruction{Op: OpSelect, Operands: []*Instruction{p, x, y}})
}

// Convert changes the element type; a value of that type is returned as it is.
func (b *Builder) Convert(x *Instruction, d DType) *Instruction {
	if x.Shape.DType == d {
		return x
	}
	return b.emit(&Instruction{Op: OpConvert, Shape: Of(d), Operands: []*Instruction{x}})
}

// Broadcast repeats x to dims; axis i of x becomes axis along[i].
func (b *Builder) Broadcast(x *Instruction, dims []int, along ...int) *Instruction {
	if slices.Equal(x.Shape.Dims, dims) {
		return x
	}
	return b.emit(&Instruction{
		Op: OpBroadcast, Shape: Of(x.Shape.DType, dims...), Dims: along,
		Operands: []*Instruction{x},
	})
}

// Reshape keeps the row-major order of elements.
func (b *Builder) Reshape(x *Instruction, dims ...int) *Instruction {
	if slices.Equal(x.Shape.Dims, dims) {
		return x
	}
	return b.emit(&Instruction{
		Op: OpReshape, Shape: Of(x.Shape.DType, dims...), Operands: []*Instruction{x},
	})
}

// Transpose makes axis i of the result axis perm[i] of x.
func (b *Builder) Transpose(x *Instruction, perm ...int) *Instruction {
	return b.emit(&Instruction{Op: OpTranspose, Dims: perm, Operands: []*Instruction{x}})
}

// Slice keeps [start, limit) of one axis.
func (b *Builder) Slice(x *Instruction, along, start, limit int) *Instruction {
	if start == 0 && limit == x.Shape.Dims[along] {
		return x
	}
	in := &Instruction{Op: OpSlice, Operands: []*Instruction{x}}
	for i, d := range x.Shape.Dims {
		s := SliceDim{0, d, 1}
		if i == along {
			s = SliceDim{start, limit, 1}
		}
		in.Slices = append(in.Slices, s)
	}
	return b.emit(in)
}

// Concat lays arrays side by side along an axis.
func (b *Builder) Concat(along int, xs ...*Instruction) *Instruction {
	if len(xs) == 1 {
		return xs[0]
	}
	return b.emit(&Instruction{Op: OpConcatenate, Dims: []int{along}, Operands: xs})
}

// ReduceSum adds along axes.
func (b *Builder) ReduceSum(x *Instruction, dims ...int) *Instruction {
	return b.reduce(OpAdd, 0, x, dims)
}

// ReduceMax is the greatest along axes; floating point numbers are above -3e38.
func (b *Builder) ReduceMax(x *Instruction, dims ...int) *Instruction {
	if x.Shape.DType == S32 {
		return b.reduce(OpMaximum, -1<<31, x, dims)
	}
	return b.reduce(OpMaximum, -3e38, x, dims)
}

// ReduceMin is the least of s32 numbers along axes.
func (b *Builder) ReduceMin(x *Instruction, dims ...int) *Instruction {
	return b.reduce(OpMinimum, 1<<31-1, x, dims)
}

func (b *Builder) reduce(op Opcode, start float64, x *Instruction, dims []int) *Instruction {
	d := x.Shape.DType
	return b.emit(&Instruction{
		Op: OpReduce, Dims: dims, Operands: []*Instruction{x, b.Scalar(d, start)},
		Called: []*Computation{b.binary(op, d)},
	})
}

// DotGeneral multiplies and sums; the result has type out.
func (b *Builder) DotGeneral(x, y *Instruction, n DotDims, out DType) *Instruction {
	return b.emit(&Instruction{
		Op: OpDot, Shape: Of(out), Dot: n, Operands: []*Instruction{x, y},
	})
}

// Rows gathers rows of x [n, ...] by the s32 indices [i...]: -> [i..., ...]. Every index must be
// below n.
func (b *Builder) Rows(x, indices *Instruction) *Instruction {
	lead := indices.Shape.Rank()
	g := GatherDims{Collapsed: []int{0}, StartMap: []int{0}, IndexVector: lead}
	g.Sizes = append(g.Sizes, 1)
	for i, d := range x.Shape.Dims[1:] {
		g.Offset = append(g.Offset, lead+i)
		g.Sizes = append(g.Sizes, d)
	}
	return b.emit(&Instruction{Op: OpGather, Gather: g, Operands: []*Instruction{x, indices}})
}

// SetRows overwrites the rows of x [n, ...] that the s32 indices [i] name by updates [i, ...].
// Every index must be below n; of equal indices any may win.
func (b *Builder) SetRows(x, indices, updates *Instruction) *Instruction {
	n := ScatterDims{Inserted: []int{0}, ToOperand: []int{0}, IndexVector: 1}
	for i := range x.Shape.Rank() - 1 {
		n.UpdateWindow = append(n.UpdateWindow, 1+i)
	}
	return b.emit(&Instruction{
		Op: OpScatter, Scatter: n, Operands: []*Instruction{x, indices, updates},
		Called: []*Computation{b.assign(x.Shape.DType)},
	})
}

// AllReduceSum adds x over the ranks of a group.
func (b *Builder) AllReduceSum(x *Instruction, groups [][]int) *Instruction {
	return b.emit(&Instruction{
		Op: OpAllReduce, Groups: groups, Operands: []*Instruction{x},
		Called: []*Computation{b.binary(OpAdd, x.Shape.DType)},
	})
}

// AllGather lays the ranks' x side by side along an axis.
func (b *Builder) AllGather(x *Instruction, along int, groups [][]int) *Instruction {
	return b.emit(&Instruction{
		Op: OpAllGather, Dims: []int{along}, Groups: groups, Operands: []*Instruction{x},
	})
}

// TopK selects the k greatest of each row of x [r, n] and their places (u32), by the accelerator's
// custom call or, when portable is set, by a computation of standard operations in the place of
// that one instruction.
func (b *Builder) TopK(x *Instruction, k int, portable bool) (values, indices *Instruction) {
	in := &Instruction{
		Op: OpCustomCall, Target: TopKTarget, Config: strconv.Itoa(k), Operands: []*Instruction{x},
	}
	if portable {
		in = &Instruction{Op: OpCall, Operands: in.Operands}
		in.Called = []*Computation{b.portableTopK(x.Shape, k)}
	}
	top := b.emit(in)
	get := func(i int) *Instruction {
		return b.emit(&Instruction{Op: OpGetTuple, Index: i, Operands: []*Instruction{top}})
	}
	return get(0), get(1)
}

// portableTopK sorts rows with their places, stably and from the greatest, and keeps k.
func (b *Builder) portableTopK(s Shape, k int) *Computation {
	order := b.scalarComputation("greater_f32", []DType{F32, F32, S32, S32},
		func(add func(*Instruction) *Instruction, p []*Instruction) *Instruction {
			return add(&Instruction{Op: OpCompare, Direction: "GT", Operands: p[:2]})
		})
	last := s.Rank() - 1
	inner := &Builder{entry: &Computation{Name: "portable_top_k"}}
	x := inner.emit(&Instruction{Op: OpParameter, Shape: s})
	sorted := inner.emit(&Instruction{
		Op: OpSort, Dims: []int{last}, Stable: true, Called: []*Computation{order},
		Operands: []*Instruction{x, inner.Iota(s.With(S32), last)},
	})
	kept := &Instruction{Op: OpTuple}
	for i := range 2 {
		part := inner.emit(&Instruction{Op: OpGetTuple, Index: i, Operands: []*Instruction{sorted}})
		part = inner.Slice(part, last, 0, k)
		if i == 1 {
			part = inner.Convert(part, U32)
		}
		kept.Operands = append(kept.Operands, part)
	}
	inner.entry.Root = inner.emit(kept)
	b.order = append(b.order, inner.entry)
	return inner.entry
}
