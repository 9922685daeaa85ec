package runtime

import (
	"math"
	"testing"
)

// sampleOne draws n times at successive positions and counts ids.
func sampleOne(t *testing.T, logits []float32, p SamplingParams, n int) []int {
	t.Helper()
	var s refSampler
	s.setup(len(logits), 1)
	counts := make([]int, len(logits))
	for pos := range n {
		b := &Batch{Bias: p.LogitBias, SampleRows: []int32{0}}
		row := p.Row(pos)
		row.BiasEnd = int32(len(p.LogitBias))
		b.Sampling = []SamplingRow{row}
		counts[s.sample(b, logits).IDs[0]]++
	}
	return counts
}

func TestSamplingFollowsTheDistribution(t *testing.T) {
	logits := []float32{0, 1, 2, -1, 0.5}
	f := func(change func(p *SamplingParams), want []float64) {
		t.Helper()
		const n = 20000
		p := DefaultSampling()
		p.Seed = 42
		change(&p)
		sum, chi2, free := 0.0, 0.0, -1
		for _, w := range want {
			sum += w
		}
		for i, c := range sampleOne(t, logits, p, n) {
			e := want[i] / sum * n
			if e == 0 && c > 0 {
				t.Fatalf("token %d was drawn %d times, it must never be", i, c)
			}
			if e > 0 {
				chi2 += (float64(c) - e) * (float64(c) - e) / e
				free++
			}
		}
		if limit := float64(free) + 4*math.Sqrt(2*float64(free)+1); chi2 > limit {
			t.Errorf("chi-squared %.1f with %d degrees of freedom exceeds %.1f", chi2, free, limit)
		}
	}
	e := math.Exp
	f(func(*SamplingParams) {}, []float64{1, e(1), e(2), e(-1), e(0.5)})
	f(func(p *SamplingParams) { p.Temperature = 0 }, []float64{0, 0, 1, 0, 0})
	f(func(p *SamplingParams) { p.Temperature = 2 }, []float64{1, e(.5), e(1), e(-.5), e(.25)})
	f(func(p *SamplingParams) { p.TopK = 2 }, []float64{0, e(1), e(2), 0, 0})
	f(func(p *SamplingParams) { p.TopP = 0.6 }, []float64{0, e(1), e(2), 0, 0})
	f(func(p *SamplingParams) { p.TopP = 0.5 }, []float64{0, 0, e(2), 0, 0})
	f(func(p *SamplingParams) { p.TopK, p.TopP = 3, 0.8 }, []float64{0, e(1), e(2), 0, 0})
	f(func(p *SamplingParams) { p.MinP = 0.2 }, []float64{0, e(1), e(2), 0, e(.5)})
	f(func(p *SamplingParams) { p.LogitBias = []LogitBias{{2, -100}, {3, 2}} },
		[]float64{1, e(1), 0, e(1), e(.5)})
}

func TestPenalties(t *testing.T) {
	var s refSampler
	s.setup(4, 2)
	p := DefaultSampling()
	p.Temperature, p.RepetitionPenalty, p.PresencePenalty, p.FrequencyPenalty = 0, 2, 0.5, 0.25
	row := p.Row(0)
	row.Slot = 1
	b := &Batch{
		Sampling: []SamplingRow{row}, ResetCounts: []int32{1},
		CountSlots: []int32{1, 1, 1}, CountIDs: []int32{-1 - 3, 1, 1},
	}
	// 3 is halved for the prompt; 1 is halved, then loses 0.5 + 2 * 0.25.
	logits := []float32{-1, 4, 0.9, 2}
	if id := s.sample(b, logits).IDs[0]; id != 1 {
		t.Errorf("4/2 - 1 = 1 ties with 2/2 = 1: the lower id wins, got %d", id)
	}
	b.ResetCounts, b.CountSlots, b.CountIDs = nil, nil, nil
	if id := s.sample(b, logits).IDs[0]; id != 3 {
		t.Errorf("the sampled 1 was not counted: got %d", id)
	}
	b.ResetCounts = []int32{1}
	if id := s.sample(b, logits).IDs[0]; id != 1 {
		t.Errorf("counts were not reset: got %d", id)
	}
}

func TestLogprobs(t *testing.T) {
	var s refSampler
	s.setup(3, 1)
	p := DefaultSampling()
	p.Temperature, p.Logprobs, p.LogitBias = 0, 2, []LogitBias{{0, 9}}
	row := p.Row(0)
	row.BiasEnd = 1
	out := s.sample(&Batch{Sampling: []SamplingRow{row}, Bias: p.LogitBias}, []float32{
		0, 0,
		float32(math.Log(2)),
	})
	near := func(got float32, want float64) {
		t.Helper()
		if math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("log-probability %g, want %g", got, want)
		}
	}
	near(out.Logprobs[0], math.Log(0.25))
	near(out.TopLogprobs[0], math.Log(0.5))
	near(out.TopLogprobs[1], math.Log(0.25))
	if out.IDs[0] != 0 || out.TopIDs[0] != 2 || out.TopIDs[1] != 0 {
		t.Errorf("ids %v, top %v", out.IDs, out.TopIDs)
	}
}
