//go:build cuda

package cuda

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"basalt/cuda/fake"
	"basalt/internal/half"
	"basalt/internal/quant"
	"basalt/internal/testmodel"
	"basalt/runtime"
)

// smallFloat is a matrix [n, k] of one of the layouts, or of MXFP4 with the scales in the blocks.
func smallFloat(layout string, n, k int) runtime.Tensor {
	rng := rand.New(rand.NewPCG(rand.Uint64(), 2))
	if layout == "MXFP4" {
		t := runtime.Tensor{DType: runtime.MXFP4, Shape: []int{n, k}}
		t.Data = make([]byte, t.DType.RowBytes(n*k))
		quant.MXFP4.Random(t.Data, 0.02, rng)
		return t
	}
	x := make([]float32, n*k)
	for i := range x {
		x[i] = float32(0.02 * rng.NormFloat64())
	}
	t := runtime.Tensor{DType: runtime.F32, Shape: []int{n, k}, Data: bytesOf(x)}
	return testmodel.Scaled(t, layout)
}

// head is the smallest program with a matrix [n, k].
func headProgram(t *testing.T, n, k int) *runtime.Program {
	b := runtime.NewBuilder("head", n, runtime.KVSpec{Layers: 1, KVHeads: 1, Dim: 8})
	b.Logits(b.SampleRows(b.Embed(b.Weight("table", n, k))), b.Weight("head", n, k))
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pair is a checkpoint of the two.
type pair struct{ table, head runtime.Tensor }

func (p pair) Tensor(name string) (runtime.Tensor, bool) {
	if name == "head" {
		return p.head, true
	}
	return p.table, true
}
func (p pair) Names() []string { return []string{"head", "table"} }

// TestSmallFloatsAgainstFloat64: rows of logits of every layout, from packing to the product of
// every number of rows, against float64 sums of the values as they are. Activations are BF16
// numbers, so what is left is the rounding of weights under scales of blocks.
func TestSmallFloatsAgainstFloat64(t *testing.T) {
	n, k, counts := 150, 416, []int{1, 7, 17, 70}
	if os.Getenv(realGPU) != "" {
		n, k, counts = 1024, 4096, []int{1, 2, 7, 16, 17, 64, 65, 513}
	}
	f := func(capability int, layout string, limit float64) {
		t.Run(fmt.Sprintf("%s-%d", layout, capability), func(t *testing.T) {
			if os.Getenv(realGPU) != "" && capability != 80 {
				t.Skip("a GPU has run every layout")
			}
			d, _ := openFake(t, capable(capability), Config{})
			o := testOptions
			o.MaxTokens = slices.Max(counts)
			o.MaxContext = o.MaxTokens
			x := make([]float32, n*k)
			for i := range x {
				x[i] = half.FromBF16(half.ToBF16(rand.Float32()*2 - 1))
			}
			p, w := headProgram(t, n, k), smallFloat(layout, n, k)
			table := runtime.Tensor{DType: runtime.F32, Shape: []int{n, k}, Data: bytesOf(x)}
			e := compileFor(t, d, p, pair{table, w}, o)
			values, wide := make([]float32, n*k), make([]float64, n*k)
			w.Decode(values, 0)
			for i, v := range values {
				wide[i] = float64(v)
			}
			var alone []float32
			for _, rows := range counts {
				b, ids := newBatcher(o), make([]int32, rows)
				for i := range ids {
					ids[i] = int32((i + 3) % n)
				}
				b.add(0, ids, true, greedy())
				got := b.step(t, e).Logits
				if alone == nil {
					alone = got
				}
				if !slices.Equal(got[:n], alone[:n]) {
					t.Errorf("%d rows: the first has other bits than alone", rows)
				}
				worst := 0.0
				for i, id := range ids {
					row := x[int(id)*k : int(id+1)*k]
					worst = max(worst, offBy(got[i*n:(i+1)*n], row, wide))
				}
				t.Logf("%d rows: off by %.2g at most", rows, worst)
				if !(worst < limit) {
					t.Errorf("%d rows: off by %.2g", rows, worst)
				}
			}
		})
	}
	for _, layout := range append(testmodel.Layouts(), "MXFP4") {
		limit := 1e-5
		if layout == "fp8-blocks" {
			limit = 4e-3
		}
		f(80, layout, limit)
	}
	f(90, "fp8-tensor", 1e-5)
	f(90, "nvfp4", 1e-5)
	f(100, "fp8-blocks", 4e-3)
	f(100, "mxfp4", 1e-5)
}

// TestSmallFloatModels: whole models against the reference, experts too, with the same bits in any
// chunking.
func TestSmallFloatModels(t *testing.T) {
	dev, _ := openFake(t, fake.Healthy(), Config{})
	for i, layout := range testmodel.Layouts() {
		family := []string{"llama", "qwen3", "qwen3_moe", "mixtral", "qwen3_moe"}[i]
		t.Run(family+"-"+layout, func(t *testing.T) {
			p, _ := newModel(t, family, "odd", runtime.Q4_0)
			c, o := testmodel.ScaledWeights(p, 3, layout), testOptions
			o.KVDType = runtime.BF16
			ids := randomIDs(rand.New(rand.NewPCG(1, 9)), 20, p.Vocab)
			want := inChunks(t, compileFor(t, runtime.NewReference(), p, c, o), ids, []int{20}, o)
			e := compileFor(t, dev, p, c, o)
			mean, got := 0.0, inChunks(t, e, ids, []int{20}, o)
			for i := 0; i < len(want); i += p.Vocab {
				off := distance(got[i:i+p.Vocab], want[i:i+p.Vocab])
				mean += off * float64(p.Vocab) / float64(len(want))
			}
			t.Logf("off by %.2g on average", mean)
			if !(mean < 5e-2) {
				t.Errorf("off by %.2g on average", mean)
			}
			if !slices.Equal(got, inChunks(t, e, ids, []int{17, 1}, o)) {
				t.Error("decoded: the bits differ")
			}
		})
	}
}

// TestScalesThatNoKernelReads become BF16.
func TestScalesThatNoKernelReads(t *testing.T) {
	f := func(rows, cols int, want string) {
		t.Helper()
		x := smallFloat("fp8-blocks", 64, 256)
		s := *x.Scales
		s.Rows, s.Cols = rows, cols
		x.Scales = &s
		s.Data = make([]byte, 4*((64+rows-1)/rows)*((256+cols-1)/cols))
		y := fit(x)
		if kind, _ := kindOf(&y); kind != want {
			t.Errorf("%d x %d: %q, want %q", rows, cols, kind, want)
		}
	}
	f(64, 256, "f8")
	f(1, 256, "f8")
	f(24, 256, "f8")
	f(16, 64, "f8b")
	f(128, 128, "f8b")
	f(24, 128, "bf16")
	f(16, 96, "bf16")
	f(16, 32, "bf16")
}
