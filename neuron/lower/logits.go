package lower

import (
	"basalt/neuron/hlo"
	"basalt/runtime"
)

// logits ends a step with four results: all scores [R, V], the TopK greatest with their ids, and
// the logarithm of the sum of exponentials of each row, which turns a score into a log-probability.
// The host reads the scores only where a row needs more than the selection.
func (l *lowering) logits(op *runtime.Op) {
	b, v := l.b, l.r.p.Vocab
	scores := l.scores(op)
	k := min(l.o.TopK, v)
	values, ids := b.TopK(scores, k, l.o.Portable)
	best := b.ReduceMax(scores, 1)
	e := b.Unary(hlo.OpExp, b.Sub(scores, l.spread(best, scores, 0)))
	lse := b.Add(best, b.Unary(hlo.OpLog, b.ReduceSum(e, 1)))
	for _, o := range []struct {
		name string
		x    *hlo.Instruction
	}{{"logits", scores}, {"top_values", values}, {"top_ids", ids}, {"lse", lse}} {
		t := Tensor{Name: ResultName(o.name, l.r.bucket), Shape: o.x.Shape, Role: Result}
		l.outs = append(l.outs, output{port: o.name, tensor: t, value: o.x})
	}
}

// scores is the product with the head. On several ranks each has its share of the vocabulary,
// padded to equal shares by rows of zeros, which are cut off when the shares are joined.
func (l *lowering) scores(op *runtime.Op) *hlo.Instruction {
	w, x := op.Weights[0], l.array(op.In[0])
	ranks := l.r.place.ranks
	if ranks == 1 {
		parts := l.tableParts(w)
		if len(parts) == 1 && l.o.Weights == l.o.Compute && l.tied(w) {
			return l.dot(x, l.input(parts[0]), 0, hlo.DotDims{
				LHSContract: []int{1}, RHSContract: []int{1},
			}) // the embedding table itself, as it lies
		}
		piece := part{name: w.Parts[0], rows: w.Shape[0], cols: w.Shape[1]}.piece(1)
		return l.product(x, headName(w.Name), []Piece{piece})
	}
	share := (w.Shape[0] + ranks - 1) / ranks
	q := part{name: w.Parts[0], rows: share * ranks, cols: w.Shape[1], byRows: true}
	y := l.b.AllGather(l.product(x, headName(w.Name), []Piece{q.piece(ranks)}), 1,
		l.r.place.groups())
	return l.b.Slice(y, 1, 0, w.Shape[0])
}

// tied says whether a head is the embedding table too.
func (l *lowering) tied(w *runtime.Weight) bool {
	for i := range l.r.p.Ops {
		if op := &l.r.p.Ops[i]; op.Kind == runtime.OpEmbed && op.Weights[0] == w {
			return true
		}
	}
	return false
}

// headName keeps the head apart from the embedding table where they are one weight of the
// checkpoint in two layouts.
func headName(weight string) string { return weight + ".head" }
