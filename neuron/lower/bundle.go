package lower

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"basalt/neuron/hlo"
	"basalt/runtime"
)

// Graph is one unit of compilation.
type Graph struct {
	Name   string
	Module *hlo.Module
	HLO    []byte // its encoding
	Hash   string // SHA-256 of HLO, in hexadecimal
}

// Call runs one graph; Inputs and Outputs name the tensor behind each of its ports.
type Call struct {
	Graph           int
	Inputs, Outputs []string
}

// Routine is what one run of a bucket does.
type Routine struct {
	Bucket Bucket
	Calls  []Call
}

// Bundle is everything that a device needs to run a program.
type Bundle struct {
	Options  Options
	Graphs   []Graph
	Routines []Routine
	Tensors  []Tensor // in order of first use; names are unique
	byName   map[string]int
}

// Tensor finds a tensor by its name.
func (b *Bundle) Tensor(name string) *Tensor { return &b.Tensors[b.byName[name]] }

// Program lowers p for every bucket. Graphs that come out equal are one.
func Program(p *runtime.Program, o Options, buckets []Bucket) (*Bundle, error) {
	if err := o.Check(p); err != nil {
		return nil, fmt.Errorf("cannot lower %q: %w", p.Name, err)
	}
	place, err := placeOnRanks(p, o.TP)
	if err != nil {
		return nil, fmt.Errorf("cannot lower %q for %d ranks: %w", p.Name, o.TP, err)
	}
	b := &Bundle{Options: o, byName: make(map[string]int)}
	hashes := make(map[string]int)
	for _, bucket := range buckets {
		if err := bucket.check(&o); err != nil {
			return nil, fmt.Errorf("cannot lower %q: %w", p.Name, err)
		}
		r := routine{p: p, place: place, bucket: bucket, out: b, hashes: hashes}
		if err := r.run(); err != nil {
			return nil, fmt.Errorf("cannot lower %q for %s: %w", p.Name, bucket, err)
		}
	}
	return b, nil
}

// add declares a tensor once. The same name with another shape is a defect.
func (b *Bundle) add(t Tensor) {
	if i, ok := b.byName[t.Name]; ok {
		if !b.Tensors[i].Shape.Equal(t.Shape) {
			panic(fmt.Sprintf("BUG: tensor %q is %s and %s", t.Name, b.Tensors[i].Shape, t.Shape))
		}
		return
	}
	b.byName[t.Name] = len(b.Tensors)
	b.Tensors = append(b.Tensors, t)
}

// routine lowers the program for one bucket.
type routine struct {
	p      *runtime.Program
	place  placement
	bucket Bucket
	out    *Bundle
	hashes map[string]int
	calls  []Call
	free   []Tensor // state tensors that no later graph reads
	states int
	held   map[runtime.Reg]Tensor // values between graphs
}

// segment is a run of operations that become one graph.
type segment struct{ from, to int }

func (r *routine) segments() []segment {
	if r.out.Options.Scope == ModelScope {
		return []segment{{0, len(r.p.Ops)}}
	}
	var list []segment
	for i, op := range r.p.Ops {
		if i == 0 || op.Layer != r.p.Ops[i-1].Layer {
			list = append(list, segment{i, i})
		}
		list[len(list)-1].to = i + 1
	}
	return list
}

func (r *routine) run() error {
	r.held = make(map[runtime.Reg]Tensor)
	last := lastReads(r.p)
	for i, s := range r.segments() {
		if err := r.segment(i, s, last); err != nil {
			return err
		}
	}
	r.out.Routines = append(r.out.Routines, Routine{Bucket: r.bucket, Calls: r.calls})
	return nil
}

// lastReads gives for each register the index of the last operation that reads it, -1 for none.
func lastReads(p *runtime.Program) []int {
	last := make([]int, len(p.Values))
	for i := range last {
		last[i] = -1
	}
	for i, op := range p.Ops {
		for _, r := range op.In {
			last[r] = i
		}
	}
	return last
}

// segment lowers one graph. Registers that live on become state tensors, in memory that holds none
// of the graph's inputs.
func (r *routine) segment(index int, s segment, last []int) error {
	l := newLowering(r, s)
	for i := s.from; i < s.to; i++ {
		l.op(&r.p.Ops[i])
	}
	outs := l.outs
	for reg := range r.p.Values {
		v, made := l.regs[runtime.Reg(reg)]
		if !made || v.given || last[reg] < s.to {
			continue
		}
		t := r.state(l, runtime.Reg(reg))
		outs = append(outs, output{
			port: fmt.Sprintf("out%d", len(outs)), tensor: t,
			value: l.full(v),
		})
	}
	for reg := range r.p.Values {
		if t, ok := r.held[runtime.Reg(reg)]; ok && last[reg] < s.to {
			r.free = append(r.free, t)
			delete(r.held, runtime.Reg(reg))
		}
	}
	return r.finish(index, l, outs)
}

// state gives a register that lives on a tensor, a free one of its size where there is one.
func (r *routine) state(l *lowering, reg runtime.Reg) Tensor {
	shape := l.full(l.regs[reg]).Shape
	for i, t := range r.free {
		if t.Shape.Equal(shape) {
			r.free = append(r.free[:i], r.free[i+1:]...)
			r.held[reg] = t
			return t
		}
	}
	t := Tensor{
		Name: fmt.Sprintf("state.%s.%d", r.bucket, r.states), Shape: shape, Role: State,
	}
	r.states++
	r.held[reg] = t
	return t
}

// finish builds the module and records its call.
func (r *routine) finish(index int, l *lowering, outs []output) error {
	call := Call{}
	var results []hlo.Output
	for _, o := range outs {
		results = append(results, hlo.Output{Name: o.port, Value: o.value, Alias: o.alias})
		call.Outputs = append(call.Outputs, o.tensor.Name)
	}
	m, err := l.b.Build(results...)
	if err != nil {
		return err
	}
	for _, t := range l.inputs {
		r.out.add(t)
		call.Inputs = append(call.Inputs, t.Name)
	}
	for _, o := range outs {
		r.out.add(o.tensor)
	}
	call.Graph = r.graph(index, m)
	r.calls = append(r.calls, call)
	return nil
}

// graph finds an equal graph, or adds this one.
func (r *routine) graph(index int, m *hlo.Module) int {
	data := hlo.Encode(m)
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	if i, ok := r.hashes[hash]; ok {
		return i
	}
	name := r.bucket.String()
	if r.out.Options.Scope == LayerScope {
		name += fmt.Sprintf("-g%d", index)
	}
	r.hashes[hash] = len(r.out.Graphs)
	r.out.Graphs = append(r.out.Graphs, Graph{Name: name, Module: m, HLO: data, Hash: hash})
	return len(r.out.Graphs) - 1
}
