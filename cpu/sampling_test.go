package cpu

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"basalt/runtime"
)

// tensors is a checkpoint of float32 tensors.
type tensors map[string]runtime.Tensor

func (c tensors) Tensor(name string) (runtime.Tensor, bool) { t, ok := c[name]; return t, ok }

func (c tensors) Names() []string { return nil }

func floats(values []float32, shape ...int) runtime.Tensor {
	t := runtime.Tensor{DType: runtime.F32, Shape: shape}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

// given is a program whose logits are the same in every row: those given.
func given(t testing.TB, logits []float32) (*runtime.Program, runtime.Checkpoint) {
	n := len(logits)
	return product(t, n, 1), tensors{
		"table": floats(slices.Repeat([]float32{1}, n), n, 1), "head": floats(logits, n, 1),
	}
}

// sampler samples the same batches with every instruction set and on the reference, and compares.
type sampler struct {
	t      *testing.T
	got    map[string]runtime.Executable
	want   runtime.Executable
	o      runtime.CompileOptions
	vocab  int
	draws  int
	differ map[string]int
}

func newSampler(t *testing.T, logits []float32) *sampler {
	p, c := given(t, logits)
	s := &sampler{
		t: t, o: testOptions, vocab: p.Vocab, got: map[string]runtime.Executable{},
		differ: map[string]int{},
	}
	s.o.MaxSeqs, s.o.MaxTokens = 40, 40
	for isa, dev := range openAll(t) {
		s.got[isa] = compile(t, dev, p, c, s.o)
	}
	s.want = compile(t, runtime.NewReference(), p, c, s.o)
	return s
}

// batch has one sequence of one token for each row.
func (s *sampler) batch(rows []runtime.SamplingParams, slots bool, pos int) *runtime.Batch {
	x := newBatcher(s.o)
	x.o.MaxContext = blockSize
	for i := range rows {
		x.add(i, []int32{int32(i)}, false)
		row := rows[i].Row(pos)
		row.BiasStart = int32(len(x.b.Bias))
		x.b.Bias = append(x.b.Bias, rows[i].LogitBias...)
		row.BiasEnd = int32(len(x.b.Bias))
		if slots && rows[i].HasPenalties() {
			row.Slot = int32(i)
		}
		x.b.Sampling[i] = row
	}
	return &x.b
}

func run(t *testing.T, e runtime.Executable, b *runtime.Batch) *runtime.Output {
	t.Helper()
	p, err := e.Step(b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *sampler) compare(b *runtime.Batch) {
	s.t.Helper()
	want := run(s.t, s.want, b)
	s.draws += len(want.IDs)
	for isa, e := range s.got {
		s.compareOne(isa, b, run(s.t, e, b), want)
	}
}

func (s *sampler) compareOne(isa string, b *runtime.Batch, got, want *runtime.Output) {
	s.t.Helper()
	for i := range want.IDs {
		if got.IDs[i] != want.IDs[i] {
			s.differ[isa]++
			s.t.Logf("%s, row %d %+v: drew %d, the reference %d", isa, i, b.Sampling[i],
				got.IDs[i], want.IDs[i])
			continue
		}
		if math.Abs(float64(got.Logprobs[i]-want.Logprobs[i])) > 1e-5 {
			s.t.Errorf("%s: log-probability %g, want %g", isa, got.Logprobs[i], want.Logprobs[i])
		}
	}
	if !slices.Equal(got.TopIDs, want.TopIDs) || !slices.Equal(got.TopStart, want.TopStart) {
		s.t.Errorf("%s: top ids %v %v, want %v %v", isa, got.TopIDs, got.TopStart, want.TopIDs,
			want.TopStart)
	}
	for i, p := range want.TopLogprobs {
		if math.Abs(float64(got.TopLogprobs[i]-p)) > 1e-5 {
			s.t.Errorf("%s: top log-probability %g, want %g", isa, got.TopLogprobs[i], p)
		}
	}
}

// randomLogits has a few likely tokens and many ties.
func randomLogits(rng *rand.Rand, n int) []float32 {
	logits := make([]float32, n)
	for i := range logits {
		logits[i] = float32(math.Round(rng.NormFloat64()*200) / 64)
	}
	return logits
}

func randomParams(rng *rand.Rand, vocab int) runtime.SamplingParams {
	p := runtime.DefaultSampling()
	p.Seed, p.Choice = rng.Uint64(), rng.Uint32N(3)
	p.Temperature = []float32{0, 0.3, 0.7, 1, 1.5}[rng.IntN(5)]
	p.TopK = []int{0, 0, 1, 2, 40, 200, vocab - 1, vocab + 5}[rng.IntN(8)]
	p.TopP = []float32{1, 1, 0.9, 0.5, 0.05, 0.999}[rng.IntN(6)]
	p.MinP = []float32{0, 0, 0.05, 0.5}[rng.IntN(4)]
	p.Logprobs = []int{-1, 0, 1, 5, runtime.MaxLogprobs}[rng.IntN(5)]
	if rng.IntN(3) == 0 {
		p.RepetitionPenalty = 1 + rng.Float32()
		p.PresencePenalty, p.FrequencyPenalty = rng.Float32(), rng.Float32()
	}
	for range rng.IntN(4) {
		bias := runtime.LogitBias{ID: rng.Int32N(int32(vocab)), Bias: 4 * rng.Float32()}
		p.LogitBias = append(p.LogitBias, bias)
	}
	return p
}

func TestSamplingMatchesTheReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, vocab := range []int{41, 300, 2049} {
		s := newSampler(t, randomLogits(rng, vocab))
		for range 6 {
			rows := make([]runtime.SamplingParams, 40)
			for i := range rows {
				rows[i] = randomParams(rng, vocab)
			}
			for pos := range 4 {
				b := s.batch(rows, true, pos)
				if pos == 0 {
					s.resetAll(b, rng)
				}
				s.compare(b)
			}
		}
		// Probabilities here are float32: a draw may fall on the other side of a boundary.
		for isa, differ := range s.differ {
			if differ > s.draws/500 {
				t.Errorf("%s: %d of %d draws differ", isa, differ, s.draws)
			}
		}
	}
}

// resetAll clears every slot and replays some prompt and output tokens.
func (s *sampler) resetAll(b *runtime.Batch, rng *rand.Rand) {
	for slot := range s.o.MaxSeqs {
		b.ResetCounts = append(b.ResetCounts, int32(slot))
		for range 50 {
			id := rng.Int32N(int32(s.vocab))
			if rng.IntN(2) == 0 {
				id = -1 - id
			}
			b.CountSlots = append(b.CountSlots, int32(slot))
			b.CountIDs = append(b.CountIDs, id)
		}
	}
}

func TestSamplingOfHopelessLogits(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	f := func(logits []float32, want int32) {
		t.Helper()
		p, c := given(t, logits)
		e := compile(t, open(t, Config{Threads: 2}), p, c, testOptions)
		for _, change := range []func(p *runtime.SamplingParams){
			func(*runtime.SamplingParams) {},
			func(p *runtime.SamplingParams) { p.Temperature = 0 },
			func(p *runtime.SamplingParams) { p.TopK = 2 },
			func(p *runtime.SamplingParams) { p.TopP = 0.5 },
			func(p *runtime.SamplingParams) { p.MinP = 0.5 },
		} {
			x, params := newBatcher(testOptions), runtime.DefaultSampling()
			params.Logprobs = 5
			change(&params)
			x.add(0, []int32{0}, false)
			x.b.Sampling[0] = params.Row(1)
			out := run(t, e, &x.b)
			if want >= 0 && out.IDs[0] != want {
				t.Errorf("%v with %+v: drew %d, want %d", logits, params, out.IDs[0], want)
			}
			for _, id := range append(slices.Clone(out.TopIDs), out.IDs[0]) {
				if id < 0 || int(id) >= len(logits) {
					t.Errorf("%v: id %d", logits, id)
				}
			}
		}
	}
	f([]float32{nan, nan, nan}, 0)
	f([]float32{1, nan, 2}, 2)
	f([]float32{1, inf, 2}, 1)
	f([]float32{-inf, -inf, -inf}, 0)
	f([]float32{-inf, 3, -inf}, 1)
	f([]float32{5}, 0)
}

func TestOutputsAreReusedWithoutAllocation(t *testing.T) {
	s := newSampler(t, randomLogits(rand.New(rand.NewPCG(2, 2)), 300))
	rows := make([]runtime.SamplingParams, 40)
	for i := range rows {
		rows[i] = randomParams(rand.New(rand.NewPCG(2, uint64(i))), 300)
	}
	b := s.batch(rows, true, 1)
	for isa, e := range s.got {
		run(t, e, b)
		if allocs := testing.AllocsPerRun(20, func() { run(t, e, b) }); allocs > 0 {
			t.Errorf("%s: a step allocates %g times", isa, allocs)
		}
	}
}
