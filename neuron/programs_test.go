package neuron

import (
	"math"
	"testing"

	"basalt/internal/testmodel"
	"basalt/runtime"
)

// opPrograms are programs around one operation each, which lies in a layer of its own.
func opPrograms(t testing.TB) map[string]*runtime.Program {
	h := runtime.Heads{Query: 6, KV: 2, Dim: 12}
	list := map[string]*runtime.Program{}
	add := func(name string, width int, body func(b *runtime.Builder, x runtime.Reg) runtime.Reg) {
		b := runtime.NewBuilder(name, 97, runtime.KVSpec{Layers: 1, KVHeads: h.KV, Dim: h.Dim})
		x := b.Embed(b.Weight("embed", 97, 44))
		b.Layer(0)
		x = body(b, x)
		b.Layer(-1)
		x = b.SampleRows(x)
		b.Logits(x, b.Weight("head", 97, width))
		p, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		list[name] = p
	}
	heads := func(b *runtime.Builder, x runtime.Reg) runtime.Reg {
		b.Layer(-1)
		x = b.Linear(x, b.Weight("q", h.Query*h.Dim, 44), b.Weight("k", h.KV*h.Dim, 44),
			b.Weight("v", h.KV*h.Dim, 44))
		b.Layer(0)
		return x
	}
	add("embed", 44, func(_ *runtime.Builder, x runtime.Reg) runtime.Reg { return x })
	add("rmsnorm", 44, func(b *runtime.Builder, x runtime.Reg) runtime.Reg {
		return b.RMSNorm(x, b.Weight("norm", 44), 1e-5)
	})
	add("addrmsnorm", 44, func(b *runtime.Builder, x runtime.Reg) runtime.Reg {
		n, sum := b.AddRMSNorm(x, x, b.Weight("norm", 44), 1e-6)
		n, _ = b.AddRMSNorm(n, sum, b.Weight("norm2", 44), 1e-6)
		return n
	})
	add("linear", 33, func(b *runtime.Builder, x runtime.Reg) runtime.Reg {
		return b.LinearBias(x, []*runtime.Weight{b.Weight("a", 20, 44), b.Weight("c", 13, 44)},
			[]*runtime.Weight{nil, b.Weight("bias", 13)})
	})
	add("qknorm", 120, func(b *runtime.Builder, x runtime.Reg) runtime.Reg {
		return b.QKNorm(heads(b, x), b.Weight("wq", h.Dim), b.Weight("wk", h.Dim), h, 1e-5)
	})
	for name, a := range ropes(h) {
		add(name, 120, func(b *runtime.Builder, x runtime.Reg) runtime.Reg {
			return b.RoPE(heads(b, x), a)
		})
	}
	for name, window := range map[string]int{"attention": 0, "attention-window": 3} {
		add(name, 72, func(b *runtime.Builder, x runtime.Reg) runtime.Reg {
			return b.Attention(heads(b, x), runtime.AttentionAttr{
				Heads: h, Scale: 0.3, Window: window,
			})
		})
	}
	add("swiglu", 22, func(b *runtime.Builder, x runtime.Reg) runtime.Reg { return b.SwiGLU(x) })
	for name, a := range map[string]runtime.MoEAttr{
		"moe-dense":    {Experts: 4, TopK: 2, Normalise: true},
		"moe-selected": {Experts: 19, TopK: 2},
	} {
		add(name, 44, func(b *runtime.Builder, x runtime.Reg) runtime.Reg { return moe(b, x, a) })
	}
	return list
}

func ropes(h runtime.Heads) map[string]runtime.RoPEAttr {
	freqs := func(n int) []float64 {
		var list []float64
		for i := range n {
			list = append(list, math.Pow(100, -float64(i)/float64(n)))
		}
		return list
	}
	return map[string]runtime.RoPEAttr{
		"rope":             {Heads: h, Scale: 1, InvFreq: freqs(6)},
		"rope-interleaved": {Heads: h, Scale: 1.25, InvFreq: freqs(6), Interleaved: true},
		"rope-partial":     {Heads: h, Scale: 1, InvFreq: freqs(4)},
		"rope-ntk": {
			Heads: h, Scale: 1, InvFreq: freqs(6),
			NTK: &runtime.DynamicNTK{Base: 100, Factor: 4, MaxPosition: 7},
		},
	}
}

func moe(b *runtime.Builder, x runtime.Reg, a runtime.MoEAttr) runtime.Reg {
	names := func(matrix string) []string {
		var list []string
		for e := range a.Experts {
			list = append(list, matrix+string(rune('a'+e)))
		}
		return list
	}
	return b.MoE(x, b.Weight("router", a.Experts, 44), b.Experts("gate", names("gate"), 10, 44),
		b.Experts("up", names("up"), 10, 44), b.Experts("down", names("down"), 44, 10), a)
}

// opWeights draws weights for one of opPrograms.
func opWeights(p *runtime.Program, d runtime.DType) runtime.Checkpoint {
	return testmodel.Weights(p, 11, d)
}
