package hloeval

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"basalt/neuron/hlo"
)

// ErrCollective reports ranks that did not meet: one failed, was late, or ran another graph.
var ErrCollective = errors.New("the ranks of a collective did not meet")

// Comm is one rank's end of a group of ranks that run the same modules in the same order. It
// belongs to one goroutine.
type Comm struct {
	g    *group
	rank int
}

type group struct {
	mu      sync.Mutex
	size    int
	timeout time.Duration
	broken  error
	meeting *meeting
}

// meeting is one collective instruction: ranks put their parts and wait for all others.
type meeting struct {
	what  string
	parts [][]float32
	here  int
	full  chan struct{}
}

// NewComms joins n ranks. A rank that waits longer than the timeout breaks the group for good.
func NewComms(n int, timeout time.Duration) []*Comm {
	g := &group{size: n, timeout: timeout}
	comms := make([]*Comm, n)
	for i := range comms {
		comms[i] = &Comm{g: g, rank: i}
	}
	return comms
}

// Rank is the number of this rank.
func (c *Comm) Rank() int { return c.rank }

// Break fails every meeting from now on.
func (c *Comm) Break(err error) {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	c.g.fail(err)
}

func (g *group) fail(err error) {
	if g.broken == nil {
		g.broken = fmt.Errorf("%w: %w", ErrCollective, err)
		if m := g.meeting; m != nil {
			close(m.full)
		}
	}
}

// exchange gives every rank's data, by rank. The slices are read-only.
func (c *Comm) exchange(what string, data []float32) ([][]float32, error) {
	m, err := c.join(what, data)
	if err != nil {
		return nil, err
	}
	select {
	case <-m.full:
	case <-time.After(c.g.timeout):
		c.Break(fmt.Errorf("rank %d waited for %q for %v", c.rank, what, c.g.timeout))
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	return m.parts, c.g.broken
}

func (c *Comm) join(what string, data []float32) (*meeting, error) {
	g := c.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken != nil {
		return nil, g.broken
	}
	if g.meeting == nil {
		g.meeting = &meeting{
			what: what, parts: make([][]float32, g.size), full: make(chan struct{}),
		}
	}
	m := g.meeting
	if m.what != what || m.parts[c.rank] != nil {
		g.fail(fmt.Errorf("rank %d is at %q, others at %q", c.rank, what, m.what))
		return nil, g.broken
	}
	m.parts[c.rank] = data
	if m.here++; m.here == g.size {
		g.meeting = nil
		close(m.full)
	}
	return m, nil
}

func collective(in *hlo.Instruction, x Value, comm *Comm) (Value, error) {
	rank, parts := 0, [][]float32{x.F}
	if x.F == nil {
		return Value{}, fmt.Errorf("the evaluator has no %s of %s", in.Op, x.Shape)
	}
	if comm != nil {
		var err error
		rank = comm.rank
		if parts, err = comm.exchange(in.Name+" "+x.Shape.String(), x.F); err != nil {
			return Value{}, err
		}
	}
	for _, g := range in.Groups {
		if slices.Contains(g, rank) {
			return combine(in, x.Shape, g, parts)
		}
	}
	return Value{}, fmt.Errorf("%w: rank %d is in none of the groups %v", ErrCollective, rank,
		in.Groups)
}

// combine adds or concatenates the parts of the ranks of one group, in the group's order.
func combine(in *hlo.Instruction, s hlo.Shape, g []int, parts [][]float32) (Value, error) {
	var members []Value
	for _, rank := range g {
		if rank >= len(parts) {
			return Value{}, fmt.Errorf("%w: rank %d of %d", ErrCollective, rank, len(parts))
		}
		members = append(members, Value{Shape: s, F: parts[rank]})
	}
	if in.Op == hlo.OpAllGather {
		return concatenate(in, members)
	}
	if op := rootOp(in.Called[0]); op != hlo.OpAdd {
		return Value{}, fmt.Errorf("the evaluator cannot reduce %s by %q", s, op)
	}
	out := Make(s)
	for i := range out.F {
		var sum float64
		for _, m := range members {
			sum += float64(m.F[i])
		}
		out.F[i] = float32(sum)
	}
	round(s.DType, out.F)
	return out, nil
}
