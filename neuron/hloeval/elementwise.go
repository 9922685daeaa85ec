package hloeval

import (
	"fmt"
	"math"

	"basalt/neuron/hlo"
)

func elementwise(in *hlo.Instruction, ops []Value) (Value, error) {
	out := Make(in.Shape)
	ok := true
	switch {
	case in.Op == hlo.OpConvert:
		convert(&out, ops[0])
	case in.Op == hlo.OpSelect:
		choose(&out, ops)
	case in.Op == hlo.OpCompare && ops[0].F != nil:
		compare(out.I, in.Direction, ops[0].F, ops[1].F)
	case in.Op == hlo.OpCompare && ops[0].Shape.DType == hlo.U32:
		compare(out.I, in.Direction, unsigned(ops[0].I), unsigned(ops[1].I))
	case in.Op == hlo.OpCompare:
		compare(out.I, in.Direction, ops[0].I, ops[1].I)
	case len(ops) == 1 && out.F != nil:
		ok = unaryFloats(out.F, in.Op, ops[0].F)
	case len(ops) == 2 && out.F != nil:
		ok = binaryFloats(out.F, in.Op, ops[0].F, ops[1].F)
	case len(ops) == 2:
		ok = binaryInts(out.I, in.Op, ops[0].I, ops[1].I, in.Shape.DType == hlo.U32)
	default:
		ok = false
	}
	if !ok {
		return out, fmt.Errorf("the evaluator has no %s of %s", in.Op, in.Shape)
	}
	round(in.Shape.DType, out.F)
	return out, nil
}

func unaryFloats(out []float32, op hlo.Opcode, x []float32) bool {
	var f func(float64) float64
	switch op {
	case hlo.OpNegate:
		f = func(v float64) float64 { return -v }
	case hlo.OpExp:
		f = math.Exp
	case hlo.OpLog:
		f = math.Log
	case hlo.OpRsqrt:
		f = func(v float64) float64 { return 1 / math.Sqrt(v) }
	case hlo.OpLogistic:
		f = func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	default:
		return false
	}
	for i, v := range x {
		out[i] = float32(f(float64(v)))
	}
	return true
}

func binaryFloats(out []float32, op hlo.Opcode, x, y []float32) bool {
	y = y[:len(x)]
	switch op {
	case hlo.OpAdd:
		for i, v := range x {
			out[i] = v + y[i]
		}
	case hlo.OpSubtract:
		for i, v := range x {
			out[i] = v - y[i]
		}
	case hlo.OpMultiply:
		for i, v := range x {
			out[i] = v * y[i]
		}
	case hlo.OpDivide:
		for i, v := range x {
			out[i] = v / y[i]
		}
	case hlo.OpMaximum:
		for i, v := range x {
			out[i] = max(v, y[i])
		}
	case hlo.OpMinimum:
		for i, v := range x {
			out[i] = min(v, y[i])
		}
	default:
		return false
	}
	return true
}

func binaryInts(out []int32, op hlo.Opcode, x, y []int32, isUnsigned bool) bool {
	for i, v := range x {
		w := y[i]
		less := v < w
		if isUnsigned {
			less = uint32(v) < uint32(w)
		}
		switch {
		case op == hlo.OpAdd:
			out[i] = v + w
		case op == hlo.OpSubtract:
			out[i] = v - w
		case op == hlo.OpMultiply:
			out[i] = v * w
		case op == hlo.OpAnd:
			out[i] = v & w
		case op == hlo.OpMaximum && less, op == hlo.OpMinimum && !less:
			out[i] = w
		case op == hlo.OpMaximum, op == hlo.OpMinimum:
			out[i] = v
		default:
			return false
		}
	}
	return true
}

func unsigned(x []int32) []uint32 {
	out := make([]uint32, len(x))
	for i, v := range x {
		out[i] = uint32(v)
	}
	return out
}

func compare[T int32 | uint32 | float32](out []int32, direction string, x, y []T) {
	for i, v := range x {
		if holds(direction, v, y[i]) {
			out[i] = 1
		}
	}
}

func holds[T int32 | uint32 | float32](direction string, v, w T) bool {
	switch direction {
	case "EQ":
		return v == w
	case "NE":
		return v != w
	case "LT":
		return v < w
	case "LE":
		return v <= w
	case "GT":
		return v > w
	}
	return v >= w
}

func choose(out *Value, ops []Value) {
	for i, p := range ops[0].I {
		from := ops[1]
		if p == 0 {
			from = ops[2]
		}
		if out.F != nil {
			out.F[i] = from.F[i]
		} else {
			out.I[i] = from.I[i]
		}
	}
}

// convert changes the type; floating point numbers become integers towards zero.
func convert(out *Value, x Value) {
	from, to := x.Shape.DType, out.Shape.DType
	switch {
	case x.F != nil && out.F != nil:
		copy(out.F, x.F)
	case x.F != nil && to == hlo.Pred:
		for i, v := range x.F {
			if v != 0 {
				out.I[i] = 1
			}
		}
	case x.F != nil:
		for i, v := range x.F {
			out.I[i] = int32(int64(v))
		}
	case out.F != nil:
		for i, v := range x.I {
			out.F[i] = float32(v)
			if from == hlo.U32 {
				out.F[i] = float32(uint32(v))
			}
		}
	default:
		for i, v := range x.I {
			if to == hlo.Pred && v != 0 {
				v = 1
			}
			out.I[i] = v
		}
	}
}
