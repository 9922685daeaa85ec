package lower

import (
	"fmt"

	"basalt/neuron/hlo"
	"basalt/runtime"
)

// masked is what a score of a position that may not be seen becomes: its weight is exactly 0.
const masked = -1e30

// CacheName is the tensor of the keys or values of a layer.
func CacheName(layer int, values bool) string {
	if values {
		return fmt.Sprintf("layers.%d.cache.v", layer)
	}
	return fmt.Sprintf("layers.%d.cache.k", layer)
}

// attention appends keys and values to the cache in place, gathers the blocks of the tables and
// attends over them.
func (l *lowering) attention(op *runtime.Op) {
	a := op.Attr.(runtime.AttentionAttr)
	h := l.heads(op.In[0], a.Heads)
	keys := l.gather(l.append(a.Layer, false, h[1]), h[1])
	values := l.gather(l.append(a.Layer, true, h[2]), h[2])
	visible, valid := l.masks(a.Window)
	var out *hlo.Instruction
	if l.r.bucket.Kind == Prefill {
		out = l.attendPrefill(h[0], keys, values, visible, valid, a.Scale)
	} else {
		out = l.attendDecode(h[0], keys, values, visible, valid, a.Scale)
	}
	l.set(op.Out[0], out)
}

// append writes x [T, heads, dim] to its slots of a layer's cache and gives the cache.
func (l *lowering) append(layer int, values bool, x *hlo.Instruction) *hlo.Instruction {
	b, shape := l.b, l.o.kvShape(l.r.p)
	t := Tensor{Name: CacheName(layer, values), Shape: shape, Role: Cache}
	cache := l.input(t)
	width := shape.Dims[2]
	slots := l.control("slots", l.tokens)
	flat := b.Reshape(cache, shape.Dims[0]*shape.Dims[1], width)
	flat = b.SetRows(flat, slots, b.Convert(b.Reshape(x, l.tokens, width), l.o.KV))
	full := b.Reshape(flat, shape.Dims...)
	name := t.Name
	if l.o.Scope == LayerScope {
		name = local(name, l.layer)
	}
	l.outs = append(l.outs, output{port: name, tensor: t, value: full, alias: cache})
	return full
}

// gather reads the blocks of the tables: [C, heads, dim] for prefill, [S, C, heads, dim] for
// decode, C being the bucket's context. like has the heads.
func (l *lowering) gather(cache, like *hlo.Instruction) *hlo.Instruction {
	blocks := l.r.bucket.Context / l.o.BlockSize
	heads, dim := like.Shape.Dims[1], like.Shape.Dims[2]
	if l.r.bucket.Kind == Prefill {
		x := l.b.Rows(cache, l.control("tables", blocks))
		return l.b.Reshape(x, l.r.bucket.Context, heads, dim)
	}
	x := l.b.Rows(cache, l.control("tables", l.tokens, blocks))
	return l.b.Reshape(x, l.tokens, l.r.bucket.Context, heads, dim)
}

// masks gives, once for each window, which positions of the context each token sees, [T, C], and
// which hold something at all: [C] for prefill, [T, C] for decode.
func (l *lowering) masks(window int) (visible, valid *hlo.Instruction) {
	key := fmt.Sprintf("visible %d", window)
	if _, ok := l.shared[key]; !ok {
		l.shared[key] = l.visible(window)
	}
	if l.r.bucket.Kind == Decode && window == 0 {
		return l.shared[key], l.shared[key]
	}
	if _, ok := l.shared["valid"]; !ok {
		l.shared["valid"] = l.valid()
	}
	return l.shared[key], l.shared["valid"]
}

func (l *lowering) visible(window int) *hlo.Instruction {
	b, positions := l.b, l.control("positions", l.tokens)
	shape := hlo.Of(hlo.S32, l.tokens, l.r.bucket.Context)
	at := b.Iota(shape, 1)
	self := l.spread(positions, at, 0)
	mask := b.Compare("LE", at, self)
	if window > 0 && window < l.r.bucket.Context {
		mask = b.Binary(hlo.OpAnd, mask,
			b.Compare("GT", at, b.Sub(self, b.Fill(shape, float64(window)))))
	}
	return mask
}

func (l *lowering) valid() *hlo.Instruction {
	b, positions := l.b, l.control("positions", l.tokens)
	if l.r.bucket.Kind == Decode {
		visible, _ := l.masks(0)
		return visible
	}
	at := b.Iota(hlo.Of(hlo.S32, l.r.bucket.Context), 0)
	last := b.ReduceMax(positions, 0)
	return b.Compare("LE", at, b.Broadcast(last, at.Shape.Dims))
}

// weigh turns scores into softmax weights and their sums over the last axis. Scores of positions
// that are not visible count as nothing.
func (l *lowering) weigh(scores, visible *hlo.Instruction, scale float32) (p,
	sum *hlo.Instruction,
) {
	b, rank := l.b, scores.Shape.Rank()
	scores = b.Mul(scores, b.Fill(scores.Shape, float64(scale)))
	scores = b.Select(visible, scores, b.Fill(scores.Shape, masked))
	lead := make([]int, rank-1)
	for i := range lead {
		lead[i] = i
	}
	p = b.Unary(hlo.OpExp, b.Sub(scores, l.spread(b.ReduceMax(scores, rank-1), scores, lead...)))
	return p, b.ReduceSum(p, rank-1)
}

// attendPrefill: q [T, H, D] over keys and values [C, G, D] of one sequence -> [T, H D].
func (l *lowering) attendPrefill(q, keys, values, visible, valid *hlo.Instruction,
	scale float32,
) *hlo.Instruction {
	b, t, heads, dim := l.b, l.tokens, q.Shape.Dims[1], q.Shape.Dims[2]
	g := keys.Shape.Dims[1]
	q = b.Reshape(q, t, g, heads/g, dim)
	scores := l.dot(q, keys, 0, hlo.DotDims{
		LHSBatch: []int{1}, RHSBatch: []int{1}, LHSContract: []int{3}, RHSContract: []int{2},
	}) // [G, T, H/G, C]
	p, sum := l.weigh(scores, l.spread(visible, scores, 1, 3), scale)
	values = b.Select(l.spread(valid, values, 0), values, b.Fill(values.Shape, 0))
	out := l.dot(p, values, 1, hlo.DotDims{
		LHSBatch: []int{0}, RHSBatch: []int{1}, LHSContract: []int{3}, RHSContract: []int{0},
	}) // [G, T, H/G, D]
	out = b.Div(out, l.spread(sum, out, 0, 1, 2))
	return b.Reshape(b.Transpose(out, 1, 0, 2, 3), t, heads*dim)
}

// attendDecode: q [S, H, D] over keys and values [S, C, G, D] -> [S, H D].
func (l *lowering) attendDecode(q, keys, values, visible, valid *hlo.Instruction,
	scale float32,
) *hlo.Instruction {
	b, s, heads, dim := l.b, l.tokens, q.Shape.Dims[1], q.Shape.Dims[2]
	g := keys.Shape.Dims[2]
	q = b.Reshape(q, s, g, heads/g, dim)
	scores := l.dot(q, keys, 2, hlo.DotDims{
		LHSBatch: []int{0, 1}, RHSBatch: []int{0, 2}, LHSContract: []int{3}, RHSContract: []int{3},
	}) // [S, G, H/G, C]
	p, sum := l.weigh(scores, l.spread(visible, scores, 0, 3), scale)
	values = b.Select(l.spread(valid, values, 0, 1), values, b.Fill(values.Shape, 0))
	out := l.dot(p, values, 2, hlo.DotDims{
		LHSBatch: []int{0, 1}, RHSBatch: []int{0, 2}, LHSContract: []int{3}, RHSContract: []int{1},
	}) // [S, G, H/G, D]
	return b.Reshape(b.Div(out, l.spread(sum, out, 0, 1, 2)), s, heads*dim)
}
