package hloeval

import (
	"fmt"

	"basalt/neuron/hlo"
)

// strides are the distances between neighbours along each axis of a row-major array.
func strides(dims []int) []int {
	s, n := make([]int, len(dims)), 1
	for i := len(dims) - 1; i >= 0; i-- {
		s[i] = n
		n *= dims[i]
	}
	return s
}

// copyStrided fills dst, of the given axes, from src with a distance for each axis.
func copyStrided[T any](dst, src []T, dims, step []int, offset int) {
	if len(dims) == 0 {
		dst[0] = src[offset]
		return
	}
	last := len(dims) - 1
	n, inner := dims[last], step[last]
	at := make([]int, last)
	for to := 0; to < len(dst); to += n {
		switch row := dst[to : to+n]; inner {
		case 0:
			for i := range row {
				row[i] = src[offset]
			}
		case 1:
			copy(row, src[offset:])
		default:
			for i := range row {
				row[i] = src[offset+i*inner]
			}
		}
		for i := last - 1; i >= 0; i-- {
			at[i]++
			offset += step[i]
			if at[i] < dims[i] {
				break
			}
			offset -= dims[i] * step[i]
			at[i] = 0
		}
	}
}

// view is an array of shape s whose elements lie in x at the given distances.
func view(s hlo.Shape, x Value, step []int, offset int) Value {
	out := Make(s)
	if out.F != nil {
		copyStrided(out.F, x.F, s.Dims, step, offset)
	} else {
		copyStrided(out.I, x.I, s.Dims, step, offset)
	}
	return out
}

func iota(in *hlo.Instruction, _ []Value) (Value, error) {
	along := in.Dims[0]
	n := in.Shape.Dims[along]
	row := Make(hlo.Of(in.Shape.DType, n))
	for i := range n {
		if row.F != nil {
			row.F[i] = float32(i)
		} else {
			row.I[i] = int32(i)
		}
	}
	round(in.Shape.DType, row.F)
	step := make([]int, in.Shape.Rank())
	step[along] = 1
	return view(in.Shape, row, step, 0), nil
}

func broadcast(in *hlo.Instruction, ops []Value) (Value, error) {
	step := make([]int, in.Shape.Rank())
	for i, s := range strides(ops[0].Shape.Dims) {
		step[in.Dims[i]] = s
	}
	return view(in.Shape, ops[0], step, 0), nil
}

func transpose(in *hlo.Instruction, ops []Value) (Value, error) {
	return permute(ops[0], in.Dims), nil
}

// permute makes axis i of the result axis perm[i] of x.
func permute(x Value, perm []int) Value {
	from := strides(x.Shape.Dims)
	s, step := hlo.Shape{DType: x.Shape.DType}, make([]int, len(perm))
	inOrder := true
	for i, d := range perm {
		s.Dims = append(s.Dims, x.Shape.Dims[d])
		step[i] = from[d]
		inOrder = inOrder && i == d
	}
	if inOrder {
		return x
	}
	return view(s, x, step, 0)
}

func slice(in *hlo.Instruction, ops []Value) (Value, error) {
	step, offset := strides(ops[0].Shape.Dims), 0
	for i, s := range in.Slices {
		offset += s.Start * step[i]
		step[i] *= s.Stride
	}
	return view(in.Shape, ops[0], step, offset), nil
}

func concatenate(in *hlo.Instruction, ops []Value) (Value, error) {
	out, along := Make(in.Shape), in.Dims[0]
	inner := strides(in.Shape.Dims)[along]
	width, at := in.Shape.Dims[along]*inner, 0
	for _, x := range ops {
		n := x.Shape.Dims[along] * inner
		for i := 0; i*n < x.Shape.Elems(); i++ {
			to := i*width + at
			if out.F != nil {
				copy(out.F[to:to+n], x.F[i*n:])
			} else {
				copy(out.I[to:to+n], x.I[i*n:])
			}
		}
		at += n
	}
	return out, nil
}

// split gives the axes that are in the list, and those that are not, in order.
func split(rank int, list []int) (rest []int) {
	in := make([]bool, rank)
	for _, d := range list {
		in[d] = true
	}
	for i := range rank {
		if !in[i] {
			rest = append(rest, i)
		}
	}
	return rest
}

// rootOp is what a computation of two scalars does, "" when it is more than one operation.
func rootOp(c *hlo.Computation) hlo.Opcode {
	if len(c.Instrs) == 3 && c.Root == c.Instrs[2] {
		return c.Root.Op
	}
	return ""
}

func reduce(in *hlo.Instruction, ops []Value) (Value, error) {
	x := ops[0]
	rest := split(x.Shape.Rank(), in.Dims)
	x = permute(x, append(rest, in.Dims...))
	out := Make(in.Shape)
	op := rootOp(in.Called[0])
	n := x.Shape.Elems() / max(in.Shape.Elems(), 1)
	var ok bool
	for i := range in.Shape.Elems() {
		if out.F != nil {
			out.F[i], ok = foldFloats(op, ops[1].F[0], x.F[i*n:(i+1)*n])
		} else {
			out.I[i], ok = foldInts(op, ops[1].I[0], x.I[i*n:(i+1)*n])
		}
		if !ok {
			return out, fmt.Errorf("the evaluator cannot reduce %s by %q", x.Shape, op)
		}
	}
	round(in.Shape.DType, out.F)
	return out, nil
}

func foldFloats(op hlo.Opcode, start float32, xs []float32) (float32, bool) {
	sum, best := float64(start), start
	for _, v := range xs {
		switch op {
		case hlo.OpAdd:
			sum += float64(v)
		case hlo.OpMaximum:
			best = max(best, v)
		case hlo.OpMinimum:
			best = min(best, v)
		default:
			return 0, false
		}
	}
	if op == hlo.OpAdd {
		return float32(sum), true
	}
	return best, true
}

func foldInts(op hlo.Opcode, start int32, xs []int32) (int32, bool) {
	for _, v := range xs {
		switch op {
		case hlo.OpAdd:
			start += v
		case hlo.OpMaximum:
			start = max(start, v)
		case hlo.OpMinimum:
			start = min(start, v)
		default:
			return 0, false
		}
	}
	return start, true
}
