package hlo

import (
	"fmt"
	"strconv"
)

// Builder records the entry computation of a module. Shapes are inferred as instructions are
// recorded; an impossible one is a defect of the caller and panics.
type Builder struct {
	name   string
	entry  *Computation
	called map[string]*Computation // by name
	order  []*Computation
	consts map[string]*Instruction
}

// NewBuilder starts a module.
func NewBuilder(name string) *Builder {
	return &Builder{
		name: name, entry: &Computation{Name: "main"}, called: make(map[string]*Computation),
		consts: make(map[string]*Instruction),
	}
}

// emit infers the shape of in and appends it.
func (b *Builder) emit(in *Instruction) *Instruction { return appendTo(b.entry, in) }

func appendTo(c *Computation, in *Instruction) *Instruction {
	shape, err := infer(in)
	if err != nil {
		panic(fmt.Sprintf("BUG: computation %q: %v", c.Name, err))
	}
	in.Shape = shape
	c.Instrs = append(c.Instrs, in)
	return in
}

// Param declares the next input.
func (b *Builder) Param(name string, s Shape) *Instruction {
	return b.emit(&Instruction{
		Op: OpParameter, Shape: s, Param: len(b.entry.Params()), InputName: name,
	})
}

// Output is a result of the module. Alias, when set, is the parameter NAME.must_alias_input whose
// memory it is written to.
type Output struct {
	Name  string
	Value *Instruction
	Alias *Instruction
}

// Build ends the recording with the results and verifies the module. A single result passes through
// a copy, several through a tuple; a bare parameter is copied, as the compiler asks.
func (b *Builder) Build(outs ...Output) (*Module, error) {
	root := &Instruction{Op: OpTuple}
	m := &Module{Name: b.name, Entry: b.entry}
	for i, o := range outs {
		v := o.Value
		if v.Op == OpParameter && len(outs) > 1 {
			v = b.Copy(v)
		}
		root.Operands = append(root.Operands, v)
		root.OutputNames = append(root.OutputNames, o.Name)
		if o.Alias != nil {
			m.Aliases = append(m.Aliases, Alias{Output: i, Param: o.Alias.Param})
		}
	}
	if len(outs) == 1 {
		root.Op = OpCopy
	}
	b.entry.Root = b.emit(root)
	m.Computations = append(b.order, b.entry)
	m.number()
	if err := Verify(m); err != nil {
		return nil, fmt.Errorf("cannot build graph %q: %w", b.name, err)
	}
	return m, nil
}

// number gives computations and instructions their ids and names.
func (m *Module) number() {
	id := 1
	for i, c := range m.Computations {
		c.ID = i + 1
		for _, in := range c.Instrs {
			in.ID = id
			in.Name = string(in.Op) + "." + strconv.Itoa(id)
			id++
		}
	}
}

// scalarComputation declares a computation of scalars once.
func (b *Builder) scalarComputation(name string, params []DType,
	body func(add func(*Instruction) *Instruction, p []*Instruction) *Instruction,
) *Computation {
	if c, ok := b.called[name]; ok {
		return c
	}
	c := &Computation{Name: name}
	var ps []*Instruction
	for i, d := range params {
		ps = append(ps, appendTo(c, &Instruction{Op: OpParameter, Shape: Of(d), Param: i}))
	}
	c.Root = body(func(in *Instruction) *Instruction { return appendTo(c, in) }, ps)
	b.called[name] = c
	b.order = append(b.order, c)
	return c
}

// binary is the computation op(a, b) of two scalars.
func (b *Builder) binary(op Opcode, d DType) *Computation {
	return b.scalarComputation(string(op)+"_"+d.String(), []DType{d, d},
		func(add func(*Instruction) *Instruction, p []*Instruction) *Instruction {
			return add(&Instruction{Op: op, Operands: p})
		})
}

// assign is the computation of a scatter that overwrites.
func (b *Builder) assign(d DType) *Computation {
	return b.scalarComputation("assign_"+d.String(), []DType{d, d},
		func(add func(*Instruction) *Instruction, p []*Instruction) *Instruction {
			return add(&Instruction{Op: OpCopy, Operands: p[1:]})
		})
}

// Constant records a literal.
func (b *Builder) Constant(l *Literal) *Instruction {
	return b.emit(&Instruction{Op: OpConstant, Literal: l})
}

// Scalar is a constant of type d, recorded once.
func (b *Builder) Scalar(d DType, v float64) *Instruction {
	key := fmt.Sprintf("%s %x", d, v)
	if in, ok := b.consts[key]; ok {
		return in
	}
	l := &Literal{Shape: Of(d)}
	if d.IsFloat() {
		l.F = []float32{float32(v)}
	} else {
		l.I = []int32{int32(v)}
	}
	b.consts[key] = b.Constant(l)
	return b.consts[key]
}

// Fill is an array of one value.
func (b *Builder) Fill(s Shape, v float64) *Instruction {
	return b.Broadcast(b.Scalar(s.DType, v), s.Dims)
}

// Iota counts 0, 1, ... along one axis.
func (b *Builder) Iota(s Shape, along int) *Instruction {
	return b.emit(&Instruction{Op: OpIota, Shape: s, Dims: []int{along}})
}
