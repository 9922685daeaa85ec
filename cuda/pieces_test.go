//go:build cuda

package cuda

import (
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"basalt/cuda/fake"
	"basalt/models"
	"basalt/runtime"
)

func dummy(t *testing.T, shape string, d models.DummySpec) *models.Model {
	t.Helper()
	m, err := models.Load(shape, models.LoadOptions{Dummy: &d})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRandomWeightsAreTheHosts: weights that the GPU makes have the bits of those that the host
// makes.
func TestRandomWeightsAreTheHosts(t *testing.T) {
	dev, _ := openFake(t, fake.Healthy(), Config{})
	o := testOptions
	o.KVBytes = 1 << 20
	f := func(dtype runtime.DType) {
		t.Helper()
		logits := func(seed uint64, onDevice bool) []float32 {
			m := dummy(t, "stories-260k", models.DummySpec{
				Seed: seed, DType: dtype, OnDevice: onDevice,
			})
			ids := randomIDs(rand.New(rand.NewPCG(4, 4)), 20, m.Program.Vocab)
			e, err := dev.Compile(t.Context(), m.Program, m.Checkpoint, o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}()
			return inChunks(t, e, ids, []int{20}, o)
		}
		want := logits(1, false)
		if got := logits(1, true); !slices.Equal(got, want) {
			t.Errorf("%s: off by %g", dtype, distance(got, want))
		}
		if dtype == runtime.BF16 && slices.Equal(logits(2, true), want) {
			t.Errorf("%s: another seed gives the same weights", dtype)
		}
	}
	f(runtime.BF16)
	f(runtime.Q6_K)
	f(runtime.MXFP4)
	f(runtime.F8_E4M3)
}

// shortVocab gives the embedding and the head fewer rows.
type shortVocab struct {
	runtime.Checkpoint
	from, rows int
}

// Tensor implements runtime.Checkpoint.
func (c shortVocab) Tensor(name string) (runtime.Tensor, bool) {
	t, ok := c.Checkpoint.Tensor(name)
	if t.Shape[0] == c.from {
		t.Shape = []int{c.rows, t.Shape[1]}
	}
	return t, ok
}

// TestRandomWeightsStayOffTheHost: 72 MiB of weights, a layer of a published shape among them, take
// less than a third of that on the host.
func TestRandomWeightsStayOffTheHost(t *testing.T) {
	needFake(t)
	dev, _ := openFake(t, fake.Healthy(), Config{})
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	m := dummy(t, "tinyllama-1.1b", models.DummySpec{
		Seed: 1, DType: runtime.F8_E4M3, OnDevice: true,
	})
	c := m.Config
	weights := shortVocab{m.Checkpoint, c.Vocab, 4000}
	c.Layers, c.Windows, c.Vocab = 1, c.Windows[:1], weights.rows
	p, err := models.Program("one layer", c)
	if err != nil {
		t.Fatal(err)
	}
	o, said := testOptions, int64(0)
	o.Progress = func(done, total int64) {
		if done <= said || done > total {
			t.Errorf("%d of %d after %d", done, total, said)
		}
		said = done
	}
	e := compileFor(t, dev, p, weights, o)
	goruntime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 24<<20 {
		t.Errorf("the host allocated %d MiB", took>>20)
	}
	if want := runtime.ProgramStats(p, weights).WeightBytes; said != want || want < 72<<20 {
		t.Errorf("the progress ends at %d bytes of %d", said, want)
	}
	got := inChunks(t, e, []int32{1, 2, 3}, []int{3}, o)
	if slices.ContainsFunc(got, func(v float32) bool { return v != v || v > 100 || v < -100 }) {
		t.Error("some logits are no sane numbers")
	}
}

// TestRandomModelThatDoesNotFit: 16 GB of weights are refused on a GPU of 2 GiB before a kernel has
// run, and before the host has made any of them.
func TestRandomModelThatDoesNotFit(t *testing.T) {
	needFake(t)
	dev, f := openFake(t, fake.Healthy(), Config{})
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	m := dummy(t, "llama-3.1-8b", models.DummySpec{Seed: 1, OnDevice: true})
	_, err := dev.Compile(t.Context(), m.Program, m.Checkpoint, testOptions)
	goruntime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "weights 15") ||
		!strings.Contains(err.Error(), "MiB are free") {
		t.Errorf("the refusal is %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 24<<20 {
		t.Errorf("the host allocated %d MiB", took>>20)
	}
	if n := f.State().Launches; n != 0 {
		t.Errorf("%d kernels ran before the refusal", n)
	}
}
