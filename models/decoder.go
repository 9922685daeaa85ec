package models

import (
	"fmt"
	"math"

	"basalt/runtime"
)

// decoder records the pre-norm transformer that all families share: attention with grouped heads
// and rotary positions, then a gated feed-forward layer or a mixture of experts. Weights have the
// canonical names.
type decoder struct {
	*runtime.Builder
	c Config
	f family
}

func (d *decoder) record() {
	table := d.Weight("model.embed_tokens.weight", d.c.Vocab, d.c.Hidden)
	x := d.Embed(table)
	n := d.RMSNorm(x, d.norm(0, "input_layernorm"), d.c.Eps)
	for l := range d.c.Layers {
		d.Layer(l)
		n, x = d.layer(l, n, x)
	}
	d.Layer(-1)
	head := table
	if !d.c.Tied {
		head = d.Weight("lm_head.weight", d.c.Vocab, d.c.Hidden)
	}
	d.Logits(n, head)
}

// layer takes the normed input and the residual stream and gives the same for the next layer. In
// the last one only the rows that will be sampled go on after attention.
func (d *decoder) layer(l int, n, x runtime.Reg) (normed, sum runtime.Reg) {
	a := d.attention(l, n)
	last := l == d.c.Layers-1
	if last {
		a, x = d.SampleRows(a), d.SampleRows(x)
	}
	o := d.project(l, a, "self_attn.", d.c.OutputBias, proj{"o_proj", d.c.Hidden})
	n, x = d.AddRMSNorm(o, x, d.norm(l, "post_attention_layernorm"), d.c.Eps)
	next := d.finalNorm()
	if !last {
		next = d.norm(l+1, "input_layernorm")
	}
	return d.AddRMSNorm(d.feedForward(l, n), x, next, d.c.Eps)
}

func (d *decoder) attention(l int, n runtime.Reg) runtime.Reg {
	h := d.c.Heads
	qkv := d.project(l, n, "self_attn.", d.c.QKVBias, proj{"q_proj", h.Query * h.Dim},
		proj{"k_proj", h.KV * h.Dim}, proj{"v_proj", h.KV * h.Dim})
	if d.f.qkNorm {
		qkv = d.QKNorm(qkv, d.Weight(name(l, "self_attn.q_norm.weight"), h.Dim),
			d.Weight(name(l, "self_attn.k_norm.weight"), h.Dim), h, d.c.Eps)
	}
	qkv = d.RoPE(qkv, d.c.RoPE)
	return d.Attention(qkv, runtime.AttentionAttr{
		Heads: h, Layer: l, Scale: float32(1 / math.Sqrt(float64(h.Dim))), Window: d.c.Windows[l],
	})
}

func (d *decoder) feedForward(l int, n runtime.Reg) runtime.Reg {
	if m := d.c.MoE; m != nil && (m.Dense == nil || !m.Dense[l]) {
		return d.mixture(l, n, m)
	}
	gateUp := d.project(l, n, "mlp.", d.c.MLPBias, proj{"gate_proj", d.c.FFN}, proj{
		"up_proj",
		d.c.FFN,
	})
	return d.project(l, d.SwiGLU(gateUp), "mlp.", d.c.MLPBias, proj{"down_proj", d.c.Hidden})
}

func (d *decoder) mixture(l int, n runtime.Reg, m *MoE) runtime.Reg {
	stack := func(matrix string, out, in int) *runtime.Weight {
		parts := make([]string, m.Experts)
		for e := range parts {
			parts[e] = name(l, fmt.Sprintf("%s.experts.%d.%s.weight", d.f.block, e, matrix))
		}
		return d.Experts(name(l, d.f.block+".experts."+matrix+".weight"), parts, out, in)
	}
	router := d.Weight(name(l, d.f.block+"."+d.f.router+".weight"), m.Experts, d.c.Hidden)
	return d.MoE(n, router, stack(d.f.gate, m.FFN, d.c.Hidden), stack(d.f.up, m.FFN, d.c.Hidden),
		stack(d.f.downst, d.c.Hidden, m.FFN),
		runtime.MoEAttr{Experts: m.Experts, TopK: m.TopK, Normalise: m.Normalise})
}

// proj is one matrix of a fused projection: its name and the numbers that come out.
type proj struct {
	name string
	out  int
}

func (d *decoder) project(l int, x runtime.Reg, prefix string, bias bool, ps ...proj) runtime.Reg {
	var ws, biases []*runtime.Weight
	in := d.c.Hidden
	switch ps[0].name {
	case "o_proj":
		in = d.c.Heads.Query * d.c.Heads.Dim
	case "down_proj":
		in = d.c.FFN
	}
	for _, p := range ps {
		ws = append(ws, d.Weight(name(l, prefix+p.name+".weight"), p.out, in))
		if bias {
			biases = append(biases, d.Weight(name(l, prefix+p.name+".bias"), p.out))
		}
	}
	return d.LinearBias(x, ws, biases)
}

func (d *decoder) norm(l int, which string) *runtime.Weight {
	return d.Weight(name(l, which+".weight"), d.c.Hidden)
}

func (d *decoder) finalNorm() *runtime.Weight { return d.Weight("model.norm.weight", d.c.Hidden) }

func name(l int, rest string) string { return fmt.Sprintf("model.layers.%d.%s", l, rest) }
