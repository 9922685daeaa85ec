package simulate

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"basalt/neuron/hloeval"
	"basalt/neuron/lower"
	"basalt/runtime"
)

// collectiveTimeout bounds how long one rank waits for another.
const collectiveTimeout = 10 * time.Minute

// Machine holds a bundle's tensors on each rank. It belongs to one goroutine.
type Machine struct {
	b        *lower.Bundle
	programs []*hloeval.Program
	ranks    []rank
	memory   []host // by routine
	// Trace, when set, is told every run of a graph, from the goroutine of its rank.
	Trace func(rank, graph int, args, outs []hloeval.Value)
}

type host struct{ controls, results [][]byte }

type rank struct {
	comm    *hloeval.Comm
	tensors map[string]hloeval.Value
}

// New loads the weights. Memory that nobody has written is NaN, as the fake runtime library has it,
// but for the cache, which is zero.
func New(b *lower.Bundle, c runtime.Checkpoint) (*Machine, error) {
	m := &Machine{b: b}
	for i := range b.Graphs {
		m.programs = append(m.programs, hloeval.New(b.Graphs[i].Module))
	}
	for i := range b.Routines {
		r := &b.Routines[i]
		m.memory = append(m.memory, host{m.buffers(b.Controls(r)), m.buffers(b.Results(r))})
	}
	comms := hloeval.NewComms(b.Options.TP, collectiveTimeout)
	for i := range b.Options.TP {
		r := rank{comm: comms[i], tensors: make(map[string]hloeval.Value)}
		for j := range b.Tensors {
			v, err := initial(&b.Tensors[j], c, i)
			if err != nil {
				return nil, err
			}
			r.tensors[b.Tensors[j].Name] = v
		}
		m.ranks = append(m.ranks, r)
	}
	return m, nil
}

func (m *Machine) buffers(names []string) [][]byte {
	var list [][]byte
	for _, name := range names {
		list = append(list, make([]byte, m.b.Tensor(name).Shape.Bytes()))
	}
	return list
}

// Memory gives the host's side of a routine, in the bundle's order of controls and results.
func (m *Machine) Memory(routine int) (controls, results [][]byte) {
	return m.memory[routine].controls, m.memory[routine].results
}

func initial(t *lower.Tensor, c runtime.Checkpoint, rank int) (hloeval.Value, error) {
	switch t.Role {
	case lower.Weight, lower.Scale, lower.Table:
		data := make([]byte, t.Shape.Bytes())
		err := t.Load(c, rank, func(offset int, chunk []byte) error {
			copy(data[offset:], chunk)
			return nil
		})
		if err != nil {
			return hloeval.Value{}, err
		}
		return hloeval.FromBytes(t.Shape, data)
	case lower.Cache:
		return hloeval.Make(t.Shape), nil
	}
	v := hloeval.Make(t.Shape)
	for i := range v.F {
		v.F[i] = float32(math.NaN())
	}
	for i := range v.I {
		v.I[i] = -1
	}
	return v, nil
}

// Tensor gives the contents of a tensor on a rank.
func (m *Machine) Tensor(rank int, name string) hloeval.Value { return m.ranks[rank].tensors[name] }

// Set replaces the contents of a tensor on a rank.
func (m *Machine) Set(rank int, name string, v hloeval.Value) { m.ranks[rank].tensors[name] = v }

// Run writes the controls of a routine, runs its graphs on all ranks and reads results of rank 0.
func (m *Machine) Run(routine int, read lower.Read) error {
	r := &m.b.Routines[routine]
	for i, name := range m.b.Controls(r) {
		v, err := hloeval.FromBytes(m.b.Tensor(name).Shape, m.memory[routine].controls[i])
		if err != nil {
			return fmt.Errorf("control %q: %w", name, err)
		}
		for j := range m.ranks {
			m.ranks[j].tensors[name] = v
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(m.ranks))
	for i := range m.ranks {
		wg.Go(func() {
			if errs[i] = m.runRank(i, r); errs[i] != nil {
				m.ranks[i].comm.Break(errs[i])
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, name := range m.b.Results(r) {
		if read.Reads(i) {
			m.ranks[0].tensors[name].PutBytes(m.memory[routine].results[i])
		}
	}
	return nil
}

func (m *Machine) runRank(i int, routine *lower.Routine) error {
	r := &m.ranks[i]
	for _, c := range routine.Calls {
		args := make([]hloeval.Value, len(c.Inputs))
		for j, name := range c.Inputs {
			args[j] = r.tensors[name]
		}
		outs, err := m.programs[c.Graph].Run(args, r.comm)
		if err != nil {
			return err
		}
		if m.Trace != nil {
			m.Trace(i, c.Graph, args, outs)
		}
		for j, name := range c.Outputs {
			r.tensors[name] = outs[j]
		}
	}
	return nil
}

// Close forgets the memory.
func (m *Machine) Close() error {
	m.ranks = nil
	return nil
}
