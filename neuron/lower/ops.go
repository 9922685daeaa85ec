package lower

import (
	"fmt"

	"basalt/neuron/hlo"
	"basalt/runtime"
)

// spread repeats x along the axes of y that it lacks; axis i of x is axis along[i] of y.
func (l *lowering) spread(x, y *hlo.Instruction, along ...int) *hlo.Instruction {
	return l.b.Broadcast(x, y.Shape.Dims, along...)
}

func (l *lowering) vector(w *runtime.Weight) *hlo.Instruction {
	return l.input(vectorTensor(w.Name, []Piece{part{
		name: w.Parts[0], rows: w.Shape[0],
		cols: 1,
	}.piece(1)}))
}

func vectorTensor(name string, pieces []Piece) Tensor {
	n := 0
	for _, p := range pieces {
		n += p.Rows
	}
	return Tensor{
		Name: name, Shape: hlo.Of(hlo.F32, n), Role: Weight, Source: &Source{
			Groups: [][]Piece{pieces},
		},
	}
}

// norm is x / sqrt(mean(x^2) + eps) * w over the last axis.
func (l *lowering) norm(x *hlo.Instruction, w *runtime.Weight, eps float32) *hlo.Instruction {
	b, rank := l.b, x.Shape.Rank()
	n := x.Shape.Dims[rank-1]
	mean := b.ReduceSum(b.Mul(x, x), rank-1)
	mean = b.Mul(mean, b.Fill(mean.Shape, 1/float64(n)))
	scale := b.Unary(hlo.OpRsqrt, b.Add(mean, b.Fill(mean.Shape, float64(eps))))
	lead := make([]int, rank-1)
	for i := range lead {
		lead[i] = i
	}
	return b.Mul(b.Mul(x, l.spread(scale, x, lead...)), l.spread(l.vector(w), x, rank-1))
}

// embed gathers the table's rows. A table that is split has a gather for each part; a row outside
// its part counts as zero.
func (l *lowering) embed(op *runtime.Op) {
	w := op.Weights[0]
	ids := l.control("ids", l.tokens)
	parts := l.tableParts(w)
	if len(parts) == 1 {
		l.set(op.Out[0], l.b.Convert(l.b.Rows(l.input(parts[0]), ids), hlo.F32))
		return
	}
	var sum *hlo.Instruction
	at := 0
	for _, t := range parts {
		b, n := l.b, t.Shape.Dims[0]
		here := b.Sub(ids, b.Fill(ids.Shape, float64(at)))
		inside := b.Binary(hlo.OpAnd, b.Compare("GE", here, b.Fill(here.Shape, 0)),
			b.Compare("LT", here, b.Fill(here.Shape, float64(n))))
		here = b.Select(inside, here, b.Fill(here.Shape, 0))
		x := b.Convert(b.Rows(l.input(t), here), hlo.F32)
		x = b.Select(l.spread(inside, x, 0), x, b.Fill(x.Shape, 0))
		if sum == nil {
			sum = x
		} else {
			sum = b.Add(sum, x)
		}
		at += n
	}
	l.set(op.Out[0], sum)
}

// tableParts is an embedding table as the checkpoint stores it, [vocab, hidden], in as many tensors
// as its size asks for.
func (l *lowering) tableParts(w *runtime.Weight) []Tensor {
	rows, cols := w.Shape[0], w.Shape[1]
	fit := l.fitting(cols * l.o.Compute.Size())
	var list []Tensor
	for at := 0; at < rows; at += fit {
		n := min(fit, rows-at)
		list = append(list, Tensor{
			Name: numbered(w.Name, len(list)), Shape: hlo.Of(l.o.Compute, n, cols), Role: Weight,
			Source: &Source{Groups: [][]Piece{{part{
				name: w.Parts[0], rows: n, cols: cols, rowAt: at,
			}.piece(1)}}},
		})
	}
	return list
}

// fitting is how many things of the given size one tensor takes.
func (l *lowering) fitting(bytes int) int { return max((l.o.maxTensor()-1)/bytes, 1) }

// numbered is the name of the i-th tensor of a weight that is split.
func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s.%d", name, i)
}

// operand gives x the type of matrix products.
func (l *lowering) operand(x *hlo.Instruction) *hlo.Instruction {
	return l.b.Convert(x, l.o.Compute)
}

// matrix is a weight as the accelerator reads it, [in, out], with its scales if it has any.
func (l *lowering) matrix(name string, pieces []Piece) (w, scale *hlo.Instruction) {
	in, out := pieces[0].Cols, 0
	for _, p := range pieces {
		out += p.Rows
	}
	src := &Source{Groups: [][]Piece{pieces}, Transposed: true}
	t := Tensor{Name: name, Shape: hlo.Of(l.o.Weights, in, out), Role: Weight, Source: src}
	w = l.operand(l.input(t))
	if l.o.Weights == hlo.F8E4M3FN {
		scale = l.input(Tensor{
			Name: name + ".scale", Shape: hlo.Of(hlo.F32, out), Role: Scale, Source: src,
		})
	}
	return w, scale
}

// product is x [R, in] times the joined pieces, [R, out] in float32. Pieces that do not fit one
// tensor are cut along their rows.
func (l *lowering) product(x *hlo.Instruction, name string, pieces []Piece) *hlo.Instruction {
	var ys []*hlo.Instruction
	for i, list := range cutRows(pieces, l.fitting(pieces[0].Cols*l.o.Weights.Size())) {
		w, scale := l.matrix(numbered(name, i), list)
		y := l.dot(x, w, 0, hlo.DotDims{LHSContract: []int{1}, RHSContract: []int{0}})
		if scale != nil {
			y = l.b.Mul(y, l.spread(scale, y, 1))
		}
		ys = append(ys, y)
	}
	return l.b.Concat(1, ys...)
}

// cutRows deals pieces into lists of at most fit rows.
func cutRows(pieces []Piece, fit int) [][]Piece {
	lists, room := [][]Piece{nil}, fit
	for _, p := range pieces {
		for p.Rows > 0 {
			if room == 0 {
				lists, room = append(lists, nil), fit
			}
			q := p
			q.Rows = min(p.Rows, room)
			lists[len(lists)-1] = append(lists[len(lists)-1], q)
			p.RowAt, p.Rows, room = p.RowAt+q.Rows, p.Rows-q.Rows, room-q.Rows
		}
	}
	return lists
}

// linear is a fused projection. The sum over ranks comes before the bias, which is added once.
func (l *lowering) linear(op *runtime.Op) {
	pl := &l.r.place
	var pieces []Piece
	var names []string
	for i, q := range pl.parts(op, op.Weights) {
		pieces = append(pieces, q.piece(pl.ranks))
		names = append(names, op.Weights[i].Name)
	}
	y := l.product(l.array(op.In[0]), joined(names), pieces)
	if pl.sharded[op.In[0]] {
		y = l.b.AllReduceSum(y, pl.groups())
	}
	if bias := l.bias(op); bias != nil {
		y = l.b.Add(y, l.spread(bias, y, 1))
	}
	l.set(op.Out[0], y)
}

// bias joins the biases of a projection; a weight without one has zeros.
func (l *lowering) bias(op *runtime.Op) *hlo.Instruction {
	pl := &l.r.place
	var parts []*hlo.Instruction
	found := false
	for i, q := range pl.parts(op, op.Weights) {
		width := q.piece(pl.ranks).Rows
		if op.Biases == nil || op.Biases[i] == nil {
			parts = append(parts, l.b.Fill(hlo.Of(hlo.F32, width), 0))
			continue
		}
		found = true
		q.name, q.cols, q.byCols = op.Biases[i].Parts[0], 1, false
		parts = append(parts, l.input(vectorTensor(op.Biases[i].Name, []Piece{q.piece(pl.ranks)})))
	}
	if !found {
		return nil
	}
	return l.b.Concat(0, parts...)
}

// swiGLU is silu(x[:n]) * x[n:].
func (l *lowering) swiGLU(x *hlo.Instruction) *hlo.Instruction {
	last := x.Shape.Rank() - 1
	n := x.Shape.Dims[last] / 2
	gate, up := l.b.Slice(x, last, 0, n), l.b.Slice(x, last, n, 2*n)
	return l.b.Mul(l.b.Mul(gate, l.b.Unary(hlo.OpLogistic, gate)), up)
}

// sampleRows keeps the rows that will be sampled: of a decode step all.
func (l *lowering) sampleRows(op *runtime.Op) {
	x := l.array(op.In[0])
	if l.r.bucket.Kind == Prefill {
		x = l.b.Rows(x, l.control("rows", l.rows))
	}
	l.set(op.Out[0], x)
}
