package runtime

import (
	"strings"
	"testing"
)

func TestBuilderRefusesMistakes(t *testing.T) {
	f := func(want string, record func(b *Builder)) {
		t.Helper()
		b := NewBuilder("bad", 8, KVSpec{Layers: 1, KVHeads: 1, Dim: 4})
		record(b)
		_, err := b.Build()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	embed := func(b *Builder) Reg { return b.Embed(b.Weight("e", 8, 12)) }
	f("last operation is not Logits", func(b *Builder) { embed(b) })
	f("must be positive", func(b *Builder) { b.Weight("w", 3, -1) })
	f("table of 8 rows", func(b *Builder) { b.Embed(b.Weight("e", 9, 12)) })
	f("declared as [8 12] and as [12]", func(b *Builder) {
		b.RMSNorm(embed(b), b.Weight("e", 12),
			1)
	})
	f("needs weight \"n\" of shape [12]", func(b *Builder) {
		b.RMSNorm(embed(b), b.Weight("n",
			11), 1)
	})
	f("of shape [5 12]", func(b *Builder) { b.Linear(embed(b), b.Weight("l", 5, 13)) })
	f("rows of 12 numbers, register 0 has 8", func(b *Builder) {
		x := b.Embed(b.Weight("e", 8, 8))
		b.Attention(x, AttentionAttr{Heads: Heads{1, 1, 4}})
	})
	f("query heads must be", func(b *Builder) { b.RoPE(embed(b), RoPEAttr{Heads: Heads{3, 2, 4}}) })
	f("does not fit the cache", func(b *Builder) {
		b.Attention(embed(b), AttentionAttr{Heads: Heads{1, 1, 4}, Layer: 1})
	})
	f("frequencies", func(b *Builder) { b.RoPE(embed(b), RoPEAttr{Heads: Heads{1, 1, 4}}) })
	f("takes sample rows", func(b *Builder) { b.Logits(embed(b), b.Weight("e", 8, 12)) })
	f("even width", func(b *Builder) { b.SwiGLU(b.Embed(b.Weight("o", 8, 7))) })
	f("different rows", func(b *Builder) {
		x := embed(b)
		b.AddRMSNorm(b.SampleRows(x), x, b.Weight("n", 12), 1)
	})
	f("keeps 3 of 2 experts", func(b *Builder) {
		w := b.Experts("x", []string{"a", "b"}, 4, 12)
		b.MoE(embed(b), w, w, w, w, MoEAttr{Experts: 2, TopK: 3})
	})
}

func TestCheckWeightsNamesTensorAndShapes(t *testing.T) {
	p := fixture(t)
	f := func(change func(c memCheckpoint), want ...string) {
		t.Helper()
		c := randomCheckpoint(p, 1)
		change(c)
		err := CheckWeights(p, c)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("got error %v, want one with %q", err, w)
			}
		}
	}
	f(func(c memCheckpoint) { delete(c, "eu1") }, `"eu1" is missing`, "[10 24]")
	f(func(c memCheckpoint) {
		x := c["0.k"]
		x.Shape = []int{24, 12}
		c["0.k"] = x
	}, `"0.k" has shape [24 12]`, "asks for [12 24]")
	f(func(c memCheckpoint) {
		x := c["0.o"]
		x.DType = Q8_0
		c["0.o"] = x
	}, `"0.o" has rows of 24 values; Q8_0 needs a multiple of 32`)
	if err := CheckWeights(p, randomCheckpoint(p, 1)); err != nil {
		t.Error(err)
	}
}

// TestPlanNeverOverlaps replays the plan: no buffer is overwritten while a later operation still
// reads the value in it.
func TestPlanNeverOverlaps(t *testing.T) {
	p := fixture(t)
	plan := PlanBuffers(p)
	holds := make(map[int]Reg)
	for i, op := range p.Ops {
		for _, r := range op.In {
			if got := holds[plan.Buffer[r]]; got != r {
				t.Fatalf("op %d (%s) reads register %d, its buffer holds %d", i, op.Kind, r, got)
			}
		}
		for _, r := range op.Out {
			buf := plan.Buffer[r]
			if plan.Buffers[buf].Rows != p.Values[r].Rows ||
				plan.Buffers[buf].Width < p.Values[r].Width {
				t.Fatalf("register %d of %+v lies in buffer %+v", r, p.Values[r], plan.Buffers[buf])
			}
			for _, in := range op.In {
				if plan.Buffer[in] == buf && op.Kind != OpQKNorm && op.Kind != OpRoPE {
					t.Fatalf("op %d (%s) writes over its input", i, op.Kind)
				}
			}
			holds[buf] = r
		}
	}
	if len(plan.Buffers) >= len(p.Values)/2 {
		t.Errorf("%d buffers for %d values: nothing is shared", len(plan.Buffers), len(p.Values))
	}
}

func TestStatsOfFixture(t *testing.T) {
	p := fixture(t)
	s := ProgramStats(p, randomCheckpoint(p, 1))
	attn := fixHidden*(24+12+12) + fixHidden*24 // q, k, v and o of one layer
	mlp := 3 * 10 * fixHidden
	logits := fixVocab * fixHidden
	if want := int64(2 * (2*attn + mlp + 2*mlp + 3*fixHidden + logits)); s.FLOPs != want {
		t.Errorf("FLOPs = %d, want %d", s.FLOPs, want)
	}
	if s.WeightBytes != 4*s.Params {
		t.Errorf("%d bytes for %d float32 parameters", s.WeightBytes, s.Params)
	}
	if want := int64(2 * 4 * 24); s.FLOPsPerPos != want {
		t.Errorf("FLOPsPerPos = %d, want %d", s.FLOPsPerPos, want)
	}
}
