package runtime

// Embed looks up the step's token ids in table [vocab, hidden].
func (b *Builder) Embed(table *Weight) Reg {
	if len(table.Shape) != 2 || table.Shape[0] != b.p.Vocab {
		b.fail("Embed needs a table of %d rows, %q has shape %v", b.p.Vocab, table.Name,
			table.Shape)
		return b.value(TokenRows, 1)
	}
	out := b.value(TokenRows, table.Shape[1])
	b.op(Op{Kind: OpEmbed, Out: []Reg{out}, Weights: []*Weight{table}})
	return out
}

// RMSNorm normalises each row of x and scales it by w.
func (b *Builder) RMSNorm(x Reg, w *Weight, eps float32) Reg {
	v := b.in(x)
	b.wantShape(OpRMSNorm, w, v.Width)
	out := b.value(v.Rows, v.Width)
	b.op(Op{
		Kind: OpRMSNorm, In: []Reg{x}, Out: []Reg{out}, Weights: []*Weight{w},
		Attr: NormAttr{Eps: eps},
	})
	return out
}

// AddRMSNorm adds x to the residual stream and normalises the sum.
func (b *Builder) AddRMSNorm(x, residual Reg, w *Weight, eps float32) (normed, sum Reg) {
	v := b.in(x)
	b.wantShape(OpAddRMSNorm, w, v.Width)
	b.wantWidth(OpAddRMSNorm, residual, v.Width)
	if b.in(residual).Rows != v.Rows {
		b.fail("AddRMSNorm adds registers %d and %d of different rows", x, residual)
	}
	normed, sum = b.value(v.Rows, v.Width), b.value(v.Rows, v.Width)
	b.op(Op{
		Kind: OpAddRMSNorm, In: []Reg{x, residual}, Out: []Reg{normed, sum},
		Weights: []*Weight{w}, Attr: NormAttr{Eps: eps},
	})
	return normed, sum
}

// Linear multiplies x by each weight [n_i, k]; the outputs lie side by side.
func (b *Builder) Linear(x Reg, ws ...*Weight) Reg { return b.LinearBias(x, ws, nil) }

// LinearBias is Linear with a bias for each weight; biases is nil or parallel to ws, with nil where
// a weight has none.
func (b *Builder) LinearBias(x Reg, ws, biases []*Weight) Reg {
	v, width := b.in(x), 0
	if biases != nil && len(biases) != len(ws) {
		b.fail("Linear has %d weights and %d biases", len(ws), len(biases))
		return b.value(v.Rows, 1)
	}
	for i, w := range ws {
		b.wantShape(OpLinear, w, w.Shape[0], v.Width)
		if biases != nil && biases[i] != nil {
			b.wantShape(OpLinear, biases[i], w.Shape[0])
		}
		width += w.Shape[0]
	}
	out := b.value(v.Rows, width)
	b.op(Op{Kind: OpLinear, In: []Reg{x}, Out: []Reg{out}, Weights: ws, Biases: biases})
	return out
}

// QKNorm normalises each query head by wq [D] and each key head by wk [D].
func (b *Builder) QKNorm(qkv Reg, wq, wk *Weight, h Heads, eps float32) Reg {
	b.wantHeads(OpQKNorm, qkv, h)
	b.wantShape(OpQKNorm, wq, h.Dim)
	b.wantShape(OpQKNorm, wk, h.Dim)
	out := b.value(TokenRows, h.Width())
	b.op(Op{
		Kind: OpQKNorm, In: []Reg{qkv}, Out: []Reg{out},
		Weights: []*Weight{wq, wk}, Attr: QKNormAttr{Heads: h, Eps: eps},
	})
	return out
}

// RoPE rotates the query and key heads by their positions.
func (b *Builder) RoPE(qkv Reg, a RoPEAttr) Reg {
	b.wantHeads(OpRoPE, qkv, a.Heads)
	if n := len(a.InvFreq); n == 0 || 2*n > a.Heads.Dim {
		b.fail("RoPE has %d frequencies for heads of %d numbers", n, a.Heads.Dim)
	}
	out := b.value(TokenRows, a.Heads.Width())
	b.op(Op{Kind: OpRoPE, In: []Reg{qkv}, Out: []Reg{out}, Attr: a})
	return out
}

// Attention appends keys and values to the cache of the layer and attends over it.
func (b *Builder) Attention(qkv Reg, a AttentionAttr) Reg {
	b.wantHeads(OpAttention, qkv, a.Heads)
	if a.Layer < 0 || a.Layer >= b.p.KV.Layers || a.Heads.KV != b.p.KV.KVHeads ||
		a.Heads.Dim != b.p.KV.Dim {
		b.fail("Attention of layer %d with %+v does not fit the cache %+v", a.Layer, a.Heads,
			b.p.KV)
	}
	if a.Window < 0 {
		b.fail("Attention has a window of %d", a.Window)
	}
	out := b.value(TokenRows, a.Heads.Query*a.Heads.Dim)
	b.op(Op{Kind: OpAttention, In: []Reg{qkv}, Out: []Reg{out}, Attr: a})
	return out
}

// SwiGLU halves the width: silu(gate) * up.
func (b *Builder) SwiGLU(gateUp Reg) Reg {
	v := b.in(gateUp)
	if v.Width%2 != 0 {
		b.fail("SwiGLU takes rows of even width, register %d has %d", gateUp, v.Width)
	}
	out := b.value(v.Rows, max(v.Width/2, 1))
	b.op(Op{Kind: OpSwiGLU, In: []Reg{gateUp}, Out: []Reg{out}})
	return out
}

// MoE sends each row through its best experts.
func (b *Builder) MoE(x Reg, router, gate, up, down *Weight, a MoEAttr) Reg {
	v := b.in(x)
	if a.TopK <= 0 || a.TopK > a.Experts || len(gate.Shape) != 3 {
		b.fail("MoE keeps %d of %d experts, gate has shape %v", a.TopK, a.Experts, gate.Shape)
		return b.value(v.Rows, v.Width)
	}
	n := gate.Shape[1]
	b.wantShape(OpMoE, router, a.Experts, v.Width)
	b.wantShape(OpMoE, gate, a.Experts, n, v.Width)
	b.wantShape(OpMoE, up, a.Experts, n, v.Width)
	b.wantShape(OpMoE, down, a.Experts, v.Width, n)
	out := b.value(v.Rows, v.Width)
	b.op(Op{
		Kind: OpMoE, In: []Reg{x}, Out: []Reg{out},
		Weights: []*Weight{router, gate, up, down}, Attr: a,
	})
	return out
}

// SampleRows gathers the rows that will be sampled. Operations after it run on those rows alone.
func (b *Builder) SampleRows(x Reg) Reg {
	v := b.in(x)
	if v.Rows != TokenRows {
		b.fail("SampleRows takes token rows")
	}
	out := b.value(SampleRows, v.Width)
	b.op(Op{Kind: OpSampleRows, In: []Reg{x}, Out: []Reg{out}})
	return out
}

// Logits ends the program: the scores of every token of the vocabulary, by head [vocab, hidden].
func (b *Builder) Logits(x Reg, head *Weight) {
	v := b.in(x)
	if v.Rows != SampleRows {
		b.fail("Logits takes sample rows")
	}
	b.wantShape(OpLogits, head, b.p.Vocab, v.Width)
	out := b.value(SampleRows, b.p.Vocab)
	b.op(Op{Kind: OpLogits, In: []Reg{x}, Out: []Reg{out}, Weights: []*Weight{head}})
}
