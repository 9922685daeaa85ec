package hloeval

import (
	"fmt"
	"sort"
	"strconv"

	"basalt/neuron/hlo"
)

// topK is the accelerator's selection: the k greatest of each row, from the greatest, the lower
// place first among equals.
func topK(in *hlo.Instruction, ops []Value) (Value, error) {
	k, err := strconv.Atoi(in.Config)
	if err != nil {
		return Value{}, err
	}
	x := ops[0]
	n := x.Shape.Dims[x.Shape.Rank()-1]
	values, places := Make(in.Shape.Tuple[0]), Make(in.Shape.Tuple[1])
	for i := 0; i*n < len(x.F); i++ {
		row := x.F[i*n : (i+1)*n]
		for j, at := range order(n, func(a, b int) bool { return row[a] > row[b] })[:k] {
			values.F[i*k+j], places.I[i*k+j] = row[at], int32(at)
		}
	}
	return Value{Shape: in.Shape, Tuple: []Value{values, places}}, nil
}

// order sorts 0..n-1 stably.
func order(n int, before func(a, b int) bool) []int {
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	sort.SliceStable(at, func(a, b int) bool { return before(at[a], at[b]) })
	return at
}

// sortRows sorts along the last axis by one comparison of the first operand.
func sortRows(in *hlo.Instruction, ops []Value) (Value, error) {
	root, key := in.Called[0].Root, ops[0]
	last := key.Shape.Rank() - 1
	if root.Op != hlo.OpCompare || root.Operands[0].Op != hlo.OpParameter ||
		root.Operands[0].Param != 0 || root.Operands[1].Op != hlo.OpParameter ||
		root.Operands[1].Param != 1 || in.Dims[0] != last || key.F == nil {
		return Value{}, fmt.Errorf("the evaluator cannot sort %s by this computation", key.Shape)
	}
	out := Value{Shape: in.Shape}
	for _, x := range ops {
		out.Tuple = append(out.Tuple, Make(x.Shape))
	}
	n := key.Shape.Dims[last]
	for from := 0; from < len(key.F); from += n {
		row := key.F[from : from+n]
		before := func(a, b int) bool { return holds(root.Direction, row[a], row[b]) }
		for i, at := range order(n, before) {
			for j, x := range ops {
				if x.F != nil {
					out.Tuple[j].F[from+i] = x.F[from+at]
				} else {
					out.Tuple[j].I[from+i] = x.I[from+at]
				}
			}
		}
	}
	if len(ops) == 1 {
		return out.Tuple[0], nil
	}
	return out, nil
}
