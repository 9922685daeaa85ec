package testmodel

import (
	"math"
	"testing"

	"basalt/runtime"
)

// TestEveryFamilyInEveryFormat: programs build, weights fit, and the logits are of ordinary size.
func TestEveryFamilyInEveryFormat(t *testing.T) {
	for _, family := range Families() {
		for d := runtime.F32; d <= runtime.MXFP4; d++ {
			t.Run(family+"/"+d.String(), func(t *testing.T) {
				t.Parallel()
				p, c, err := New(family, 1, d)
				if err != nil {
					t.Fatal(err)
				}
				if dev := deviation(t, p, c); !(dev > 0.3 && dev < 30) {
					t.Errorf("the logits deviate by %g", dev)
				}
			})
		}
	}
}

// TestEverySize: the other sizes too, in a plain and a block format.
func TestEverySize(t *testing.T) {
	for _, family := range []string{"llama", "qwen3", "mixtral"} {
		for _, size := range Sizes() {
			for _, d := range []runtime.DType{runtime.F32, runtime.Q4_K} {
				p, c, err := NewSize(family, size, 2, d)
				if err != nil {
					t.Fatal(err)
				}
				if err := runtime.CheckWeights(p, c); err != nil {
					t.Fatal(err)
				}
				if dev := deviation(t, p, c); !(dev > 0.3 && dev < 30) {
					t.Errorf("%s %s %s: the logits deviate by %g", family, size, d, dev)
				}
			}
		}
	}
	if _, _, err := NewSize("llama", "huge", 1, runtime.F32); err == nil {
		t.Error("an unknown size was made")
	}
}

// deviation is the standard deviation of the logits after three tokens.
func deviation(t *testing.T, p *runtime.Program, c runtime.Checkpoint) float64 {
	e, err := runtime.NewReference().Compile(t.Context(), p, c, runtime.CompileOptions{
		KVBytes: 1 << 24, KVDType: runtime.F32, BlockSize: 16, MaxTokens: 8, MaxSeqs: 1,
		MaxContext: 16,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &runtime.Batch{}
	b.Reset()
	b.TokenIDs, b.Positions, b.SlotMapping = []int32{5, 6, 7}, []int32{0, 1, 2}, []int32{0, 1, 2}
	b.QueryStart, b.SeqLens = append(b.QueryStart, 3), []int32{3}
	b.BlockTables, b.MaxBlocks, b.WantLogits = []int32{0}, 1, true
	params := runtime.DefaultSampling()
	b.SampleRows, b.Sampling = []int32{2}, []runtime.SamplingRow{params.Row(3)}
	pending, err := e.Step(b)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := pending.Wait()
	var sum, squares float64
	for _, x := range out.Logits {
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	n := float64(len(out.Logits))
	return math.Sqrt(squares/n - sum*sum/n/n)
}
