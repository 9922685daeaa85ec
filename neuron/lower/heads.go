package lower

import (
	"fmt"
	"hash/fnv"

	"basalt/neuron/hlo"
	"basalt/runtime"
)

// qkNorm normalises each query and each key head.
func (l *lowering) qkNorm(op *runtime.Op) {
	a := op.Attr.(runtime.QKNormAttr)
	h := l.heads(op.In[0], a.Heads)
	for i, w := range op.Weights {
		h[i] = l.norm(h[i], w, a.Eps)
	}
	l.regs[op.Out[0]] = value{heads: h}
}

// rope rotates the query and key heads by angles from tables over all positions, which the host
// computes in float64: an angle in float32 is off by more than the cache's precision from some
// thousand positions on.
func (l *lowering) rope(op *runtime.Op) {
	a := op.Attr.(runtime.RoPEAttr)
	h := l.heads(op.In[0], a.Heads)
	cos, sin := l.angles(&a, false), l.angles(&a, true)
	for i := range 2 {
		h[i] = l.rotate(h[i], &a, cos, sin)
	}
	l.regs[op.Out[0]] = value{heads: h}
}

// angles gathers the step's rows of a table, [T, half].
func (l *lowering) angles(a *runtime.RoPEAttr, sine bool) *hlo.Instruction {
	name := ropeName(a, sine)
	key := "angles " + name
	if x, ok := l.shared[key]; ok {
		return x
	}
	table := l.input(Tensor{
		Name: name, Shape: hlo.Of(hlo.F32, l.o.MaxContext, len(a.InvFreq)), Role: Table,
		Rope: &RopeTable{Attr: *a, Sine: sine},
	})
	l.shared[key] = l.b.Rows(table, l.control("positions", l.tokens))
	return l.shared[key]
}

// ropeName tells tables of different angles apart.
func ropeName(a *runtime.RoPEAttr, sine bool) string {
	h := fnv.New64a()
	fmt.Fprintln(h, a.InvFreq, a.Scale)
	if a.NTK != nil {
		fmt.Fprintln(h, *a.NTK)
	}
	if sine {
		return fmt.Sprintf("rope.%016x.sin", h.Sum64())
	}
	return fmt.Sprintf("rope.%016x.cos", h.Sum64())
}

// rotate turns pairs of x [T, heads, dim]: the first 2*half numbers of each head.
func (l *lowering) rotate(x *hlo.Instruction, a *runtime.RoPEAttr,
	cos, sin *hlo.Instruction,
) *hlo.Instruction {
	b, d := l.b, x.Shape.Dims
	half := len(a.InvFreq)
	turned := b.Slice(x, 2, 0, 2*half)
	var u, v *hlo.Instruction
	if a.Interleaved {
		pairs := b.Reshape(turned, d[0], d[1], half, 2)
		u = b.Reshape(b.Slice(pairs, 3, 0, 1), d[0], d[1], half)
		v = b.Reshape(b.Slice(pairs, 3, 1, 2), d[0], d[1], half)
	} else {
		u, v = b.Slice(turned, 2, 0, half), b.Slice(turned, 2, half, 2*half)
	}
	c, s := l.spread(cos, u, 0, 2), l.spread(sin, u, 0, 2)
	p, q := b.Sub(b.Mul(u, c), b.Mul(v, s)), b.Add(b.Mul(u, s), b.Mul(v, c))
	if a.Interleaved {
		p, q = b.Reshape(p, d[0], d[1], half, 1), b.Reshape(q, d[0], d[1], half, 1)
		turned = b.Reshape(b.Concat(3, p, q), d[0], d[1], 2*half)
	} else {
		turned = b.Concat(2, p, q)
	}
	if 2*half == d[2] {
		return turned
	}
	return b.Concat(2, turned, b.Slice(x, 2, 2*half, d[2]))
}
