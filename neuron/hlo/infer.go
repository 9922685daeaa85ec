package hlo

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// infer gives the shape that an instruction must have. Instructions whose shape is part of their
// meaning (parameter, constant, iota, broadcast, reshape, convert) keep it when it is possible.
func infer(in *Instruction) (Shape, error) {
	rule, ok := rules[in.Op]
	if !ok {
		return Shape{}, fmt.Errorf("opcode %q is unknown", in.Op)
	}
	if rule.operands >= 0 && len(in.Operands) != rule.operands {
		return Shape{}, fmt.Errorf("%s takes %d operands, not %d", in.Op, rule.operands,
			len(in.Operands))
	}
	tuples := in.Op == OpGetTuple || in.Op == OpCall
	for _, x := range in.Operands {
		if x.Shape.IsTuple() && !tuples {
			return Shape{}, fmt.Errorf("%s takes arrays, not %s", in.Op, x.Shape)
		}
	}
	return rule.infer(in)
}

// rules gives each opcode its number of operands (-1: any) and its inference.
var rules = map[Opcode]struct {
	operands int
	infer    func(*Instruction) (Shape, error)
}{
	OpParameter: {0, given}, OpConstant: {0, inferConstant}, OpIota: {0, inferIota},
	OpAdd: {2, sameNumbers}, OpSubtract: {2, sameNumbers}, OpMultiply: {2, sameNumbers},
	OpDivide: {2, sameFloats}, OpMaximum: {2, sameNumbers}, OpMinimum: {2, sameNumbers},
	OpAnd: {2, samePreds}, OpNegate: {1, sameNumbers}, OpExp: {1, sameFloats},
	OpLog: {1, sameFloats}, OpRsqrt: {1, sameFloats}, OpLogistic: {1, sameFloats},
	OpConvert: {1, inferConvert}, OpCopy: {1, first}, OpCompare: {2, inferCompare},
	OpSelect: {3, inferSelect}, OpBroadcast: {1, inferBroadcast}, OpReshape: {1, inferReshape},
	OpTranspose: {1, inferTranspose}, OpSlice: {1, inferSlice},
	OpConcatenate: {-1, inferConcatenate}, OpReduce: {2, inferReduce}, OpDot: {2, inferDot},
	OpGather: {2, inferGather}, OpScatter: {3, inferScatter}, OpSort: {-1, inferSort},
	OpCall: {-1, inferCall}, OpCustomCall: {1, inferTopK}, OpTuple: {-1, inferTuple},
	OpGetTuple: {1, inferGetTuple}, OpAllReduce: {1, inferAllReduce},
	OpAllGather: {1, inferAllGather},
}

func given(in *Instruction) (Shape, error) {
	if in.Shape.IsTuple() {
		return Shape{}, fmt.Errorf("%s has the shape %s; it must be an array", in.Op, in.Shape)
	}
	return in.Shape, in.Shape.check()
}

func first(in *Instruction) (Shape, error) { return in.Operands[0].Shape, nil }

func inferConstant(in *Instruction) (Shape, error) {
	l := in.Literal
	if l == nil || l.Shape.IsTuple() {
		return Shape{}, errors.New("constant has no array")
	}
	if err := l.Shape.check(); err != nil {
		return Shape{}, err
	}
	n, f, i := l.Shape.Elems(), len(l.F), len(l.I)
	if l.Shape.DType.IsFloat() && (f != n || i != 0) ||
		!l.Shape.DType.IsFloat() && (i != n || f != 0) {
		return Shape{}, fmt.Errorf("constant of shape %s has %d and %d values", l.Shape, f, i)
	}
	return l.Shape, nil
}

func inferIota(in *Instruction) (Shape, error) {
	if len(in.Dims) != 1 || !axis(in.Dims[0], in.Shape) || in.Shape.DType == Pred {
		return Shape{}, fmt.Errorf("iota counts along %v of %s", in.Dims, in.Shape)
	}
	return given(in)
}

// axis says whether d is an axis of s.
func axis(d int, s Shape) bool { return d >= 0 && d < s.Rank() }

// same holds for elementwise operations.
func same(in *Instruction) (Shape, error) {
	s := in.Operands[0].Shape
	for _, x := range in.Operands[1:] {
		if !x.Shape.Equal(s) {
			return Shape{}, fmt.Errorf("%s takes equal shapes, not %s and %s", in.Op, s, x.Shape)
		}
	}
	return s, nil
}

func sameNumbers(in *Instruction) (Shape, error) {
	if d := in.Operands[0].Shape.DType; d == Pred || d == F8E4M3FN {
		return Shape{}, fmt.Errorf("%s takes no %s", in.Op, d)
	}
	return same(in)
}

func sameFloats(in *Instruction) (Shape, error) {
	if d := in.Operands[0].Shape.DType; d != F32 && d != BF16 {
		return Shape{}, fmt.Errorf("%s takes f32 or bf16, not %s", in.Op, d)
	}
	return same(in)
}

func samePreds(in *Instruction) (Shape, error) {
	if d := in.Operands[0].Shape.DType; d != Pred {
		return Shape{}, fmt.Errorf("%s takes pred, not %s", in.Op, d)
	}
	return same(in)
}

func inferConvert(in *Instruction) (Shape, error) {
	if !in.Shape.DType.valid() {
		return Shape{}, fmt.Errorf("convert to element type %d", uint8(in.Shape.DType))
	}
	return in.Operands[0].Shape.With(in.Shape.DType), nil
}

func inferCompare(in *Instruction) (Shape, error) {
	if !slices.Contains([]string{"EQ", "NE", "LT", "LE", "GT", "GE"}, in.Direction) {
		return Shape{}, fmt.Errorf("compare has the direction %q", in.Direction)
	}
	s, err := same(in)
	return s.With(Pred), err
}

func inferSelect(in *Instruction) (Shape, error) {
	p, a, b := in.Operands[0].Shape, in.Operands[1].Shape, in.Operands[2].Shape
	if !p.Equal(a.With(Pred)) || !a.Equal(b) {
		return Shape{}, fmt.Errorf("select takes a pred and two arrays of one shape, not %s, %s, "+
			"%s", p, a, b)
	}
	return a, nil
}

func inferTuple(in *Instruction) (Shape, error) {
	s := Shape{Tuple: []Shape{}}
	for _, x := range in.Operands {
		s.Tuple = append(s.Tuple, x.Shape)
	}
	return s, nil
}

func inferGetTuple(in *Instruction) (Shape, error) {
	s := in.Operands[0].Shape
	if in.Index < 0 || in.Index >= len(s.Tuple) {
		return Shape{}, fmt.Errorf("element %d of %s", in.Index, s)
	}
	return s.Tuple[in.Index], nil
}

func inferCall(in *Instruction) (Shape, error) {
	if len(in.Called) != 1 {
		return Shape{}, fmt.Errorf("call names %d computations", len(in.Called))
	}
	return callShape(in.Called[0], in.Operands)
}

// callShape checks arguments against a computation's parameters.
func callShape(c *Computation, args []*Instruction) (Shape, error) {
	params := c.Params()
	if len(params) != len(args) || c.Root == nil {
		return Shape{}, fmt.Errorf("computation %q takes %d parameters, not %d", c.Name,
			len(params), len(args))
	}
	for i, p := range params {
		if !p.Shape.Equal(args[i].Shape) {
			return Shape{}, fmt.Errorf("parameter %d of computation %q is %s, not %s", i, c.Name,
				p.Shape, args[i].Shape)
		}
	}
	return c.Root.Shape, nil
}

func inferTopK(in *Instruction) (Shape, error) {
	if in.Target != TopKTarget {
		return Shape{}, fmt.Errorf("custom call %q is unknown; %q is known", in.Target, TopKTarget)
	}
	k, err := strconv.Atoi(in.Config)
	s := in.Operands[0].Shape
	if err != nil || s.DType != F32 || s.Rank() == 0 || k < 1 || k > s.Dims[s.Rank()-1] {
		return Shape{}, fmt.Errorf("%s of %s with k = %q", TopKTarget, s, in.Config)
	}
	dims := slices.Clone(s.Dims)
	dims[s.Rank()-1] = k
	return TupleOf(Of(F32, dims...), Of(U32, dims...)), nil
}

func (in *Instruction) groupSize() (int, error) {
	if len(in.Groups) == 0 || len(in.Groups[0]) == 0 {
		return 0, fmt.Errorf("%s has no groups of ranks", in.Op)
	}
	seen := map[int]bool{}
	for _, g := range in.Groups {
		for _, rank := range g {
			if len(g) != len(in.Groups[0]) || rank < 0 || seen[rank] {
				return 0, fmt.Errorf("%s has the groups %v", in.Op, in.Groups)
			}
			seen[rank] = true
		}
	}
	return len(in.Groups[0]), nil
}

func inferAllReduce(in *Instruction) (Shape, error) {
	if _, err := in.groupSize(); err != nil {
		return Shape{}, err
	}
	s := in.Operands[0].Shape
	return s, checkReducer(in, s.DType)
}

func inferAllGather(in *Instruction) (Shape, error) {
	n, err := in.groupSize()
	s := in.Operands[0].Shape
	if err != nil {
		return Shape{}, err
	}
	if len(in.Dims) != 1 || !axis(in.Dims[0], s) {
		return Shape{}, fmt.Errorf("all-gather along %v of %s", in.Dims, s)
	}
	dims := slices.Clone(s.Dims)
	dims[in.Dims[0]] *= n
	return Of(s.DType, dims...), nil
}
