package lower

import (
	"fmt"

	"basalt/runtime"
)

// placement says for each register whether a rank holds its share of the columns (true) or all of
// them, as Megatron-LM splits a transformer (Shoeybi et al., arXiv:1909.08053): the projections
// into attention and into the gated layer by their rows, those out of them by their columns,
// followed by a sum over the ranks.
type placement struct {
	ranks   int
	sharded []bool
	heads   map[runtime.Reg]runtime.Heads // of registers that hold query, key and value heads
}

func placeOnRanks(p *runtime.Program, ranks int) (placement, error) {
	pl := placement{
		ranks: ranks, sharded: make([]bool, len(p.Values)),
		heads: make(map[runtime.Reg]runtime.Heads),
	}
	for i := range p.Ops {
		pl.findHeads(&p.Ops[i])
	}
	for i := range p.Ops {
		if err := pl.op(p, i); err != nil {
			return pl, fmt.Errorf("operation %d (%s): %w", i, p.Ops[i].Kind, err)
		}
	}
	return pl, nil
}

func (pl *placement) findHeads(op *runtime.Op) {
	switch a := op.Attr.(type) {
	case runtime.QKNormAttr:
		pl.heads[op.In[0]] = a.Heads
	case runtime.RoPEAttr:
		pl.heads[op.In[0]] = a.Heads
	case runtime.AttentionAttr:
		pl.heads[op.In[0]] = a.Heads
	}
}

func (pl *placement) op(p *runtime.Program, i int) error {
	op := &p.Ops[i]
	in := len(op.In) > 0 && pl.sharded[op.In[0]]
	switch op.Kind {
	case runtime.OpQKNorm, runtime.OpRoPE, runtime.OpAttention, runtime.OpSwiGLU,
		runtime.OpSampleRows:
		pl.sharded[op.Out[0]] = in
	case runtime.OpLinear:
		if !in && pl.ranks > 1 {
			return pl.split(p, op)
		}
	default:
		if in {
			return fmt.Errorf("it needs whole rows, and its input is split over ranks")
		}
	}
	return nil
}

// split decides whether a projection is split by its rows: when only attention or the gated layer
// read it.
func (pl *placement) split(p *runtime.Program, op *runtime.Op) error {
	out := op.Out[0]
	for i := range p.Ops {
		reader := &p.Ops[i]
		for _, r := range reader.In {
			if r != out {
				continue
			}
			switch reader.Kind {
			case runtime.OpQKNorm, runtime.OpRoPE, runtime.OpAttention, runtime.OpSwiGLU:
				pl.sharded[out] = true
			default:
				return nil
			}
		}
	}
	if h, ok := pl.heads[out]; ok {
		return pl.checkHeads(h)
	}
	for _, w := range op.Weights {
		if w.Shape[0]%pl.ranks != 0 {
			return fmt.Errorf("weight %q has %d rows, no multiple of %d ranks", w.Name, w.Shape[0],
				pl.ranks)
		}
	}
	return nil
}

func (pl *placement) checkHeads(h runtime.Heads) error {
	if h.Query%pl.ranks != 0 || h.KV%pl.ranks != 0 && pl.ranks%h.KV != 0 {
		return fmt.Errorf("%d query and %d key-value heads cannot be split: the ranks must divide "+
			"the query heads, and divide or be a multiple of the key-value heads", h.Query, h.KV)
	}
	return nil
}

// local is a rank's share of heads. Where there are more ranks than key-value heads, several ranks
// hold the same one.
func (pl *placement) local(h runtime.Heads) runtime.Heads {
	return runtime.Heads{Query: h.Query / pl.ranks, KV: max(h.KV/pl.ranks, 1), Dim: h.Dim}
}

// parts says how the matrices of a projection are split. of is the number of the weight among the
// fused ones: query, key, value.
func (pl *placement) parts(op *runtime.Op, ws []*runtime.Weight) []part {
	var list []part
	h, isHeads := pl.heads[op.Out[0]]
	for i, w := range ws {
		q := part{name: w.Parts[0], rows: w.Shape[0], cols: 1}
		if len(w.Shape) > 1 {
			q.cols = w.Shape[1]
		}
		switch {
		case pl.ranks == 1:
		case pl.sharded[op.Out[0]]:
			q.byRows = true
			if isHeads && i > 0 && h.KV < pl.ranks {
				q.rowRanks = pl.ranks / h.KV
			}
		case pl.sharded[op.In[0]]:
			q.byCols = len(w.Shape) > 1
		}
		list = append(list, q)
	}
	return list
}

// groups is one group of all ranks.
func (pl *placement) groups() [][]int {
	g := make([]int, pl.ranks)
	for i := range g {
		g[i] = i
	}
	return [][]int{g}
}
