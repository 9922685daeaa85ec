package hloeval

import (
	"errors"
	"fmt"

	"basalt/neuron/hlo"
)

// ErrRange reports an index out of range.
var ErrRange = errors.New("index out of range")

// Program is a module that is ready to run. It is immutable and safe for concurrent use.
type Program struct {
	m    *hlo.Module
	last map[*hlo.Instruction]int // index of its last use in its computation
}

// New prepares a verified module.
func New(m *hlo.Module) *Program {
	p := &Program{m: m, last: make(map[*hlo.Instruction]int)}
	for _, c := range m.Computations {
		for i, in := range c.Instrs {
			for _, x := range in.Operands {
				p.last[x] = i
			}
		}
		p.last[c.Root] = len(c.Instrs)
	}
	return p
}

// Module is the module that runs.
func (p *Program) Module() *hlo.Module { return p.m }

// Run computes the entry. The arguments are not changed, and results may share their memory. comm
// joins the ranks of collective instructions; nil is a single rank.
func (p *Program) Run(args []Value, comm *Comm) ([]Value, error) {
	for i, in := range p.m.Inputs() {
		if i >= len(args) || !args[i].Shape.Equal(in.Shape) {
			return nil, fmt.Errorf("argument %d (%q) must be %s", i, in.Name, in.Shape)
		}
	}
	v, err := p.eval(p.m.Entry, args, comm)
	if err != nil {
		return nil, fmt.Errorf("graph %q: %w", p.m.Name, err)
	}
	if p.m.Entry.Root.Op == hlo.OpTuple {
		return v.Tuple, nil
	}
	return []Value{v}, nil
}

func (p *Program) eval(c *hlo.Computation, args []Value, comm *Comm) (Value, error) {
	values := make(map[*hlo.Instruction]Value, len(c.Instrs))
	for i, in := range c.Instrs {
		ops := make([]Value, len(in.Operands))
		for j, x := range in.Operands {
			ops[j] = values[x]
		}
		for _, x := range in.Operands {
			if p.last[x] == i {
				delete(values, x) // so that large intermediates do not pile up
			}
		}
		v, err := p.instruction(in, ops, args, comm)
		if err != nil {
			return Value{}, fmt.Errorf("instruction %q: %w", in.Name, err)
		}
		if v.Tuple == nil {
			v.Shape = in.Shape
		}
		values[in] = v
	}
	return values[c.Root], nil
}

func (p *Program) instruction(in *hlo.Instruction, ops, args []Value, comm *Comm) (Value, error) {
	switch in.Op {
	case hlo.OpParameter:
		return args[in.Param], nil
	case hlo.OpConstant:
		return Value{Shape: in.Shape, F: in.Literal.F, I: in.Literal.I}, nil
	case hlo.OpCopy, hlo.OpReshape:
		return ops[0], nil
	case hlo.OpTuple:
		return Value{Shape: in.Shape, Tuple: ops}, nil
	case hlo.OpGetTuple:
		return ops[0].Tuple[in.Index], nil
	case hlo.OpCall:
		return p.eval(in.Called[0], ops, comm)
	case hlo.OpAllReduce, hlo.OpAllGather:
		return collective(in, ops[0], comm)
	}
	if f, ok := kernels[in.Op]; ok {
		return f(in, ops)
	}
	return elementwise(in, ops)
}

// kernels are the instructions that move or combine elements.
var kernels = map[hlo.Opcode]func(*hlo.Instruction, []Value) (Value, error){
	hlo.OpIota: iota, hlo.OpBroadcast: broadcast, hlo.OpTranspose: transpose, hlo.OpSlice: slice,
	hlo.OpConcatenate: concatenate, hlo.OpReduce: reduce, hlo.OpDot: dot, hlo.OpGather: gather,
	hlo.OpScatter: scatter, hlo.OpSort: sortRows, hlo.OpCustomCall: topK,
}
