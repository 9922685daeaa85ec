//go:build cuda

package cuda

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"basalt/cuda/fake"
	"basalt/internal/testmodel"
	"basalt/runtime"
)

// rows runs a prefill, a second chunk and decode steps of two sequences and gives all logits.
func rows(t *testing.T, e runtime.Executable, vocab int, o runtime.CompileOptions) []float32 {
	t.Helper()
	x, rng := newBatcher(o), rand.New(rand.NewPCG(3, 3))
	var all []float32
	for _, lens := range [][2]int{{37, 5}, {3, 21}, {1, 1}, {1, 1}} {
		for seq, n := range lens {
			x.add(seq, randomIDs(rng, n, vocab), true, greedy())
		}
		all = append(all, x.step(t, e).Logits...)
	}
	return all
}

// TestModelsMatchTheReference runs every kernel's own source against the float32 reference.
func TestModelsMatchTheReference(t *testing.T) {
	dev, _ := openFake(t, fake.Healthy(), Config{})
	f := func(family, size string, dtype, kv runtime.DType, mean, most float64) {
		t.Run(fmt.Sprintf("%s-%s-%s-%s", family, size, dtype, kv), func(t *testing.T) {
			p, c := newModel(t, family, size, dtype)
			o := testOptions
			o.KVDType = kv
			want := rows(t, compileFor(t, runtime.NewReference(), p, c, o), p.Vocab, o)
			got := rows(t, compileFor(t, dev, p, c, o), p.Vocab, o)
			worst, sum := 0.0, 0.0
			for i := 0; i < len(want); i += p.Vocab {
				d := distance(got[i:i+p.Vocab], want[i:i+p.Vocab])
				worst, sum = max(worst, d), sum+d
			}
			mean2 := sum / float64(len(want)/p.Vocab)
			t.Logf("off by %.2g on average, %.2g at most", mean2, worst)
			if !(worst <= most) || !(mean2 <= mean) {
				t.Errorf("off by %.2g on average, %.2g at most", mean2, worst)
			}
		})
	}
	for _, family := range testmodel.Families() {
		f(family, "odd", runtime.F32, runtime.F32, 5e-6, 2e-5)
		f(family, "odd", runtime.BF16, runtime.BF16, 2e-2, 1)
	}
	for _, size := range testmodel.Sizes() {
		f("qwen3", size, runtime.F16, runtime.BF16, 2e-2, 1)
	}
	for _, dtype := range []runtime.DType{
		runtime.Q8_0, runtime.Q4_0, runtime.Q4_K, runtime.Q5_K, runtime.Q6_K,
	} {
		f("llama", "odd", dtype, runtime.F32, 2e-2, 1)
	}
	f("qwen3_moe", "odd", runtime.Q4_0, runtime.BF16, 5e-2, 1)
}

// TestSameBits: a row's logits depend on its own sequence alone, in any chunking and batch, from
// graphs of every bucket and from launches one by one, with splits walked by one block or by many.
func TestSameBits(t *testing.T) {
	dev, f := openFake(t, fake.Healthy(), Config{})
	check := func(family string, dtype, kv runtime.DType, n int) {
		t.Run(fmt.Sprintf("%s-%s-%s", family, dtype, kv), func(t *testing.T) {
			p, c := newModel(t, family, "odd", dtype)
			o := testOptions
			o.KVDType = kv
			e := compileFor(t, dev, p, c, o)
			ids := randomIDs(rand.New(rand.NewPCG(1, 9)), n, p.Vocab)
			want := inChunks(t, e, ids, []int{90}, o)
			for _, chunks := range [][]int{{17}, {n - 3, 1}} {
				if got := inChunks(t, e, ids, chunks, o); !slices.Equal(got, want) {
					t.Errorf("chunks of %v: the bits differ", chunks)
				}
			}
			if got := inBatch(t, e, ids, o); !slices.Equal(got, want[len(want)-p.Vocab:]) {
				t.Error("in a batch: the bits differ")
			}
		})
	}
	check("qwen3", runtime.BF16, runtime.BF16, 85)
	check("mistral", runtime.F32, runtime.F32, 60)
	check("llama", runtime.Q4_K, runtime.BF16, 40)
	check("mixtral", runtime.BF16, runtime.BF16, 40)
	if f == nil {
		return
	}
	if s := f.State(); s.Captures == 0 || s.GraphLaunches <= s.Captures {
		t.Errorf("%d captures and %d graph launches: graphs were not replayed", s.Captures,
			s.GraphLaunches)
	}
}

// inChunks feeds ids in chunks of the given sizes, the last one again and again.
func inChunks(t *testing.T, e runtime.Executable, ids []int32, sizes []int,
	o runtime.CompileOptions,
) []float32 {
	x := newBatcher(o)
	var all []float32
	for i, at := 0, 0; at < len(ids); i++ {
		n := min(sizes[min(i, len(sizes)-1)], len(ids)-at)
		x.add(0, ids[at:at+n], true, greedy())
		all = append(all, x.step(t, e).Logits...)
		at += n
	}
	return all
}

// inBatch gives the last row of ids, decoded among others after a prefill among others.
func inBatch(t *testing.T, e runtime.Executable, ids []int32, o runtime.CompileOptions) []float32 {
	o.MaxContext = 96
	x, rng := newBatcher(o), rand.New(rand.NewPCG(8, 8))
	for i, cut := 0, []int{0, len(ids) - 1, len(ids)}; i < 2; i++ {
		for seq := range 5 {
			if seq == 3 {
				x.add(seq, ids[cut[i]:cut[i+1]], false, greedy())
				continue
			}
			x.add(seq, randomIDs(rng, 1, 70), false, greedy())
		}
		if i == 1 {
			out := x.step(t, e)
			n := len(out.Logits) / 5
			return out.Logits[3*n : 4*n]
		}
		x.step(t, e)
	}
	return nil
}

// TestLongContext passes several splits of attention, with and without a window.
func TestLongContext(t *testing.T) {
	dev, _ := openFake(t, fake.Healthy(), Config{})
	f := func(family string, kv runtime.DType, n int) {
		t.Run(fmt.Sprintf("%s-%s", family, kv), func(t *testing.T) {
			p, c := newModel(t, family, "narrow", runtime.F32)
			o := testOptions
			o.KVDType, o.MaxTokens = kv, 300
			ids := randomIDs(rand.New(rand.NewPCG(4, 4)), n, p.Vocab)
			e := compileFor(t, dev, p, c, o)
			tail := func(e runtime.Executable, sizes []int) []float32 {
				all := inChunks(t, e, ids, sizes, o)
				return all[len(all)-2*p.Vocab:]
			}
			got := tail(e, []int{n/2 + 5, n/2 - 8, 1})
			want := tail(compileFor(t, runtime.NewReference(), p, c, o), []int{280})
			if d := distance(got, want); !(d < 2e-2) {
				t.Errorf("off by %.2g", d)
			}
			if !slices.Equal(got, tail(e, []int{280})) {
				t.Error("decode and prefill give different bits")
			}
		})
	}
	f("llama", runtime.BF16, 522)
	f("mistral", runtime.F32, 274)
}
