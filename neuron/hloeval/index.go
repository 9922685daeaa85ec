package hloeval

import (
	"fmt"
	"slices"

	"basalt/neuron/hlo"
)

// indexed reads vectors of indices: for each batch element the offset of its window.
type indexed struct {
	offsets []int
}

// windows finds where in an array of axes dims each index vector points. size is the window's
// extent along each axis; a window that leaves the array is an error.
func windows(dims, size []int, indices Value, vector int, axes []int) (indexed, error) {
	step, idx := strides(dims), indices
	if vector < indices.Shape.Rank() {
		perm := append(split(indices.Shape.Rank(), []int{vector}), vector)
		idx = permute(indices, perm)
	}
	n := len(axes)
	w := indexed{offsets: make([]int, len(idx.I)/n)}
	for i := range w.offsets {
		for j, axis := range axes {
			at := int(idx.I[i*n+j])
			if at < 0 || at > dims[axis]-size[axis] {
				return w, fmt.Errorf("%w: index %d of axis %d, which has %d", ErrRange, at, axis,
					dims[axis])
			}
			w.offsets[i] += at * step[axis]
		}
	}
	return w, nil
}

func gather(in *hlo.Instruction, ops []Value) (Value, error) {
	x, g := ops[0], in.Gather
	w, err := windows(x.Shape.Dims, g.Sizes, ops[1], g.IndexVector, g.StartMap)
	if err != nil {
		return Value{}, err
	}
	// The result as [batch..., window...]; then its axes go where the offsets say.
	flat := hlo.Shape{DType: x.Shape.DType}
	batchAxes := split(in.Shape.Rank(), g.Offset)
	for _, d := range slices.Concat(batchAxes, g.Offset) {
		flat.Dims = append(flat.Dims, in.Shape.Dims[d])
	}
	out := Make(flat)
	n := 1
	for _, s := range g.Sizes {
		n *= s
	}
	for i, offset := range w.offsets {
		if out.F != nil {
			copyStrided(out.F[i*n:(i+1)*n], x.F, g.Sizes, strides(x.Shape.Dims), offset)
		} else {
			copyStrided(out.I[i*n:(i+1)*n], x.I, g.Sizes, strides(x.Shape.Dims), offset)
		}
	}
	return permute(out, invert(slices.Concat(batchAxes, g.Offset))), nil
}

func invert(perm []int) []int {
	out := make([]int, len(perm))
	for i, d := range perm {
		out[d] = i
	}
	return out
}

// scatter overwrites windows; of windows that overlap the last one wins.
func scatter(in *hlo.Instruction, ops []Value) (Value, error) {
	x, u, n := ops[0], ops[2], in.Scatter
	if rootOp(in.Called[0]) != hlo.OpCopy || in.Called[0].Root.Operands[0].Param != 1 {
		return Value{}, fmt.Errorf("the evaluator scatters by %q only", "assign")
	}
	size := make([]int, x.Shape.Rank())
	window := split(x.Shape.Rank(), n.Inserted)
	for i, axis := range window {
		size[axis] = u.Shape.Dims[n.UpdateWindow[i]]
	}
	for _, axis := range n.Inserted {
		size[axis] = 1
	}
	w, err := windows(x.Shape.Dims, size, ops[1], n.IndexVector, n.ToOperand)
	if err != nil {
		return Value{}, err
	}
	u = permute(u, append(split(u.Shape.Rank(), n.UpdateWindow), n.UpdateWindow...))
	out := Value{Shape: x.Shape, F: slices.Clone(x.F), I: slices.Clone(x.I)}
	for i, offset := range w.offsets {
		if out.F != nil {
			putStrided(out.F, u.F[i*len(u.F)/len(w.offsets):], size, strides(x.Shape.Dims), offset)
		} else {
			putStrided(out.I, u.I[i*len(u.I)/len(w.offsets):], size, strides(x.Shape.Dims), offset)
		}
	}
	return out, nil
}

// putStrided writes a window of the given extent; it is the inverse of copyStrided.
func putStrided[T any](dst, src []T, size, step []int, offset int) {
	if len(size) == 0 {
		dst[offset] = src[0]
		return
	}
	inner := 1
	for _, s := range size[1:] {
		inner *= s
	}
	for i := range size[0] {
		putStrided(dst, src[i*inner:], size[1:], step[1:], offset+i*step[0])
	}
}
