//go:build cuda

package cuda

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"basalt/cuda/fake"
	"basalt/runtime"
)

// TestSamplingMatchesTheReference draws many tokens on both devices with the same logits (an F32
// model) and settings. Draws within rounding of a boundary may differ: at most one in a hundred.
func TestSamplingMatchesTheReference(t *testing.T) {
	dev, _ := openFake(t, fake.Healthy(), Config{})
	p, c := newModel(t, "llama", "narrow", runtime.F32)
	e := compileFor(t, dev, p, c, testOptions)
	ref := compileFor(t, runtime.NewReference(), p, c, testOptions)
	differ, drawn := 0, 0
	f := func(name string, change func(s *runtime.SamplingParams, x *batcher)) {
		t.Helper()
		var outs [2]*runtime.Output
		for i, exec := range []runtime.Executable{e, ref} {
			x, rng := newBatcher(testOptions), rand.New(rand.NewPCG(7, 7))
			s := runtime.DefaultSampling()
			s.Seed = 11
			x.b.ResetCounts = []int32{2}
			change(&s, x)
			x.add(0, randomIDs(rng, 60, p.Vocab), true, s)
			if s.HasPenalties() {
				for j := range x.b.Sampling {
					x.b.Sampling[j].Slot = 2
				}
			}
			for j := range x.b.Sampling {
				x.b.Sampling[j].BiasEnd = int32(len(x.b.Bias))
			}
			outs[i] = x.step(t, exec)
		}
		got, want := outs[0], outs[1]
		for i := range want.IDs {
			drawn++
			if got.IDs[i] != want.IDs[i] {
				differ++
				t.Logf("%s: row %d drew %d, want %d", name, i, got.IDs[i], want.IDs[i])
				continue
			}
			if d := math.Abs(float64(got.Logprobs[i] - want.Logprobs[i])); d > 1e-4 {
				t.Errorf("%s: row %d has log-probability %g, want %g", name, i, got.Logprobs[i],
					want.Logprobs[i])
			}
		}
		if !slices.Equal(got.TopIDs, want.TopIDs) || !slices.Equal(got.TopStart, want.TopStart) {
			t.Errorf("%s: the best ids differ", name)
		}
	}
	type params = runtime.SamplingParams
	f("greedy", func(s *params, _ *batcher) { s.Temperature = 0 })
	f("plain", func(s *params, _ *batcher) { s.Logprobs = 5 })
	f("hot", func(s *params, _ *batcher) { s.Temperature = 1.7; s.Logprobs = 0 })
	f("top-k", func(s *params, _ *batcher) { s.TopK = 7 })
	f("top-k 1", func(s *params, _ *batcher) { s.TopK = 1 })
	f("top-p", func(s *params, _ *batcher) { s.TopP = 0.6 })
	f("top-k and top-p", func(s *params, _ *batcher) { s.TopK, s.TopP = 20, 0.8 })
	f("min-p", func(s *params, _ *batcher) { s.MinP = 0.2 })
	f("all", func(s *params, _ *batcher) {
		s.TopK, s.TopP, s.MinP, s.Temperature = 30, 0.9, 0.05, 0.7
	})
	f("bias", func(_ *params, x *batcher) {
		for id := range int32(10) {
			x.b.Bias = append(x.b.Bias, runtime.LogitBias{ID: id, Bias: 3},
				runtime.LogitBias{ID: id + 30, Bias: -50})
		}
	})
	f("penalties", func(s *params, x *batcher) {
		s.RepetitionPenalty, s.PresencePenalty, s.FrequencyPenalty = 1.3, 0.4, 0.2
		x.b.CountSlots, x.b.CountIDs = []int32{2, 2, 2}, []int32{5, 5, -1 - 6}
	})
	if differ*100 > drawn {
		t.Errorf("%d of %d draws differ", differ, drawn)
	}
}
