package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"basalt/internal/testmodel"
	"basalt/runtime"
)

var allDTypes = []runtime.DType{
	runtime.F32, runtime.F16, runtime.BF16, runtime.Q8_0, runtime.Q4_0, runtime.Q4_K,
	runtime.Q5_K, runtime.Q6_K,
}

// bounds say how far rows of logits may be from the reference's: on average and at most. Products
// with block formats round activations to 8 bits, half a percent each (TestLinear holds that); over
// a model this adds up to some percent, and a router or a sharp softmax that is nearly undecided
// may tip over in single rows.
type bounds struct{ mean, most float64 }

func boundsOf(isa string, weights, kv runtime.DType) bounds {
	_, block := weights.Quant()
	switch {
	case block:
		return bounds{5e-2, 1}
	case isa == "avx512-bf16" && (weights == runtime.BF16 || kv == runtime.BF16):
		return bounds{2e-2, 1} // products of BF16 round activations, queries and probabilities
	case kv == runtime.BF16:
		return bounds{1e-3, 5e-3} // a key or value may be rounded to the other side
	case kv == runtime.INT8:
		return bounds{2e-3, 1e-2} // the same, and queries and probabilities have 16 bits
	}
	return bounds{5e-6, 1e-5}
}

// rows runs a prefill, a second chunk and a decode step of two sequences and gives all logits.
func rows(t *testing.T, dev runtime.Device, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) []float32 {
	t.Helper()
	e, x, rng := compile(t, dev, p, c, o), newBatcher(o), rand.New(rand.NewPCG(3, 3))
	var all []float32
	for _, lens := range [][2]int{{37, 5}, {3, 21}, {1, 1}} {
		for seq, n := range lens {
			x.add(seq, randomIDs(rng, n, p.Vocab), true)
		}
		logits, _ := x.step(t, e)
		all = append(all, logits...)
	}
	return all
}

func checkRows(t *testing.T, name string, got, want []float32, vocab int, limit bounds) {
	t.Helper()
	worst, sum := 0.0, 0.0
	for i := 0; i < len(want); i += vocab {
		d := distance(got[i:i+vocab], want[i:i+vocab])
		worst = max(worst, d)
		sum += d
	}
	mean := sum / float64(len(want)/vocab)
	if !(worst <= limit.most) || !(mean <= limit.mean) {
		t.Errorf("%s: off by %.2g on average, %.2g at most; allowed are %.2g", name, mean, worst,
			limit)
		return
	}
	t.Logf("%s: off by %.2g on average, %.2g at most", name, mean, worst)
}

func TestModelsMatchTheReference(t *testing.T) {
	devices := openAll(t)
	f := func(family string, dtype, kv runtime.DType) {
		p, c := newModel(t, family, dtype)
		o := testOptions
		o.KVDType = kv
		want := rows(t, runtime.NewReference(), p, c, o)
		for isa, dev := range devices {
			name := fmt.Sprintf("%s %s %s, cache %s", isa, family, dtype, kv)
			got := rows(t, dev, p, c, o)
			checkRows(t, name, got, want, p.Vocab, boundsOf(isa, dtype, kv))
		}
	}
	for _, family := range testmodel.Families() {
		f(family, runtime.F32, runtime.F32)
		f(family, runtime.BF16, runtime.BF16)
		f(family, runtime.Q8_0, runtime.BF16)
		f(family, runtime.F32, runtime.INT8)
	}
	for _, dtype := range allDTypes {
		f("llama", dtype, runtime.F32)
	}
}

func TestOddBlockSizes(t *testing.T) {
	p, c := newModel(t, "mistral", runtime.F32)
	dev := open(t, Config{Threads: 2})
	for _, size := range []int{1, 4, 17, 48} {
		for _, kv := range []runtime.DType{runtime.F32, runtime.BF16, runtime.INT8} {
			o := testOptions
			o.BlockSize, o.KVDType = size, kv
			want := rows(t, runtime.NewReference(), p, c, o)
			checkRows(t, fmt.Sprintf("blocks of %d, cache %s", size, kv), rows(t, dev, p, c, o),
				want, p.Vocab, boundsOf(dev.Info().Features[0], runtime.F32, kv))
		}
	}
}

func TestCompileRefusesBadOptions(t *testing.T) {
	p, c := newModel(t, "llama", runtime.F32)
	dev := open(t, Config{Threads: 1})
	f := func(change func(o *runtime.CompileOptions)) {
		t.Helper()
		o := testOptions
		change(&o)
		if e, err := dev.Compile(t.Context(), p, c, o); err == nil {
			_ = e.Close()
			t.Error("bad options were accepted")
		}
	}
	f(func(o *runtime.CompileOptions) { o.KVDType = runtime.Q8_0 })
	f(func(o *runtime.CompileOptions) { o.Quantize = runtime.Q4_K })
	f(func(o *runtime.CompileOptions) { o.BlockSize = 0 })
	f(func(o *runtime.CompileOptions) { o.MaxTokens = -1 })
	f(func(o *runtime.CompileOptions) { o.MaxSeqs = 1 << 20 })
	f(func(o *runtime.CompileOptions) { o.MaxContext = 0 })
	f(func(o *runtime.CompileOptions) { o.KVBytes = 10 })
}

func TestNewRefusesBadConfigs(t *testing.T) {
	f := func(c Config) {
		t.Helper()
		if d, err := New(c); err == nil {
			_ = d.Close()
			t.Errorf("%+v was accepted", c)
		}
	}
	f(Config{Threads: -1})
	f(Config{Threads: 1 << 20})
	f(Config{ISA: "mmx"})
}

// whole gives the logits of every row of one prefill.
func whole(t *testing.T, e runtime.Executable, ids []int32, o runtime.CompileOptions) []float32 {
	x := newBatcher(o)
	x.add(0, ids, true)
	logits, _ := x.step(t, e)
	return logits
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: the bits differ", what)
	}
}

// TestSameBits holds the promise of the package: a row's logits depend on its own sequence alone.
func TestSameBits(t *testing.T) {
	f := func(isa, family string, dtype, kv runtime.DType, n int) {
		p, c := newModel(t, family, dtype)
		o := testOptions
		o.KVDType = kv
		ids := randomIDs(rand.New(rand.NewPCG(1, 9)), n, p.Vocab)
		var want []float32
		check := func(threads int, chunks ...int) {
			e := compile(t, open(t, Config{Threads: threads, ISA: isa}), p, c, o)
			got := whole(t, e, ids, o)
			if want == nil {
				want = got
			}
			what := fmt.Sprintf("%s %s %s %s, %d threads", isa, family, dtype, kv, threads)
			sameBits(t, what, got, want)
			for _, chunk := range chunks {
				sameBits(t, fmt.Sprintf("%s, chunks of %d", what, chunk),
					inChunks(t, e, ids, chunk, o), want)
			}
			sameBits(t, what+", in a batch", inBatch(t, e, ids, o), want)
		}
		check(1, 1, 2, 3, 7, 16, 33)
		check(2, 7)
		check(3, 5)
	}
	for _, isa := range isas(t) {
		f(isa, "qwen3", runtime.F32, runtime.F32, 70)
		f(isa, "mistral", runtime.BF16, runtime.BF16, 70)
		f(isa, "llama", runtime.F32, runtime.INT8, 70)
		f(isa, "mistral", runtime.BF16, runtime.INT8, 35)
		f(isa, "qwen2", runtime.F16, runtime.BF16, 35)
		f(isa, "llama", runtime.Q8_0, runtime.BF16, 45)
		f(isa, "qwen3_moe", runtime.Q4_0, runtime.BF16, 45)
		f(isa, "mixtral", runtime.F32, runtime.F32, 45)
		f(isa, "llama", runtime.Q4_K, runtime.F32, 35)
		f(isa, "llama", runtime.Q5_K, runtime.F32, 35)
		f(isa, "llama", runtime.Q6_K, runtime.F32, 35)
	}
}

func inChunks(t *testing.T, e runtime.Executable, ids []int32, chunk int,
	o runtime.CompileOptions,
) []float32 {
	x := newBatcher(o)
	var all []float32
	for i := 0; i < len(ids); i += chunk {
		x.add(0, ids[i:min(i+chunk, len(ids))], true)
		logits, _ := x.step(t, e)
		all = append(all, logits...)
	}
	return all
}

// inBatch runs ids in two chunks among 63 other sequences of mixed lengths.
func inBatch(t *testing.T, e runtime.Executable, ids []int32, o runtime.CompileOptions) []float32 {
	o.MaxContext = 64 // smaller tables for the neighbours
	if len(ids) > o.MaxContext {
		o.MaxContext = 96
	}
	x, rng := newBatcher(o), rand.New(rand.NewPCG(8, 8))
	var all []float32
	for i, cut := 0, []int{0, len(ids) - 3, len(ids)}; i < 2; i++ {
		at := 0
		for seq := range 64 {
			if seq == 40 {
				at = len(x.b.SampleRows)
				x.add(seq, ids[cut[i]:cut[i+1]], true)
				continue
			}
			x.add(seq, randomIDs(rng, 1+rng.IntN(5), 200), false)
		}
		logits, _ := x.step(t, e)
		n := (cut[i+1] - cut[i]) * 211
		all = append(all, logits[at*211:at*211+n]...)
	}
	return all
}
