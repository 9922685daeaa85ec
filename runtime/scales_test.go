package runtime_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"basalt/internal/half"
	"basalt/internal/quant"
	"basalt/internal/testmodel"
	"basalt/runtime"
)

func normal(n, k int) runtime.Tensor {
	rng := rand.New(rand.NewPCG(3, uint64(n*k)))
	t := runtime.Tensor{DType: runtime.F32, Shape: []int{n, k}}
	for range n * k {
		v := math.Float32bits(float32(0.02 * rng.NormFloat64()))
		t.Data = binary.LittleEndian.AppendUint32(t.Data, v)
	}
	return t
}

func decoded(t runtime.Tensor) []float32 {
	v := make([]float32, t.NumValues())
	t.Decode(v, 0)
	return v
}

// errorOf is the norm of a - b relative to that of b.
func errorOf(a, b []float32) float64 {
	var diff, sum float64
	for i, v := range b {
		d := float64(a[i]) - float64(v)
		diff, sum = diff+d*d, sum+float64(v)*float64(v)
	}
	return math.Sqrt(diff / sum)
}

// TestScaledErrors: what rounding normal weights to each layout costs, and what widening it for a
// device without the format costs on top (docs/quantization.md has these figures).
func TestScaledErrors(t *testing.T) {
	f := func(layout string, format, widen float64, to runtime.DType) {
		t.Helper()
		original := normal(300, 416)
		x := testmodel.Scaled(original, layout)
		if err := x.Scales.Check(&x); err != nil {
			t.Fatal(err)
		}
		values, w := decoded(x), x.Widen()
		off, lost := errorOf(values, decoded(original)), errorOf(decoded(w), values)
		t.Logf("%s: error %.4f, widened to %s another %.5f", layout, off, w.DType, lost)
		if math.Abs(off/format-1) > 0.05 || lost > widen || widen > 0 && lost < widen/2 ||
			w.DType != to {
			t.Errorf("%s: want %.4f and at most %.5f as %s", layout, format, widen, to)
		}
	}
	f("fp8-tensor", 0.0264, 0.0018, runtime.BF16)
	f("fp8-rows", 0.0264, 0.0018, runtime.BF16)
	f("fp8-blocks", 0.0264, 0.0018, runtime.BF16)
	f("mxfp4", 0.114, 0, runtime.Q8_0)
	f("nvfp4", 0.094, 0.0018, runtime.BF16)
}

// TestScaledValues takes every value by the definition of its layout.
func TestScaledValues(t *testing.T) {
	for _, layout := range testmodel.Layouts() {
		x := testmodel.Scaled(normal(137, 160), layout)
		all, s := decoded(x), x.Scales
		for i, got := range all {
			row, col := i/160, i%160
			block := row/s.Rows*((160+s.Cols-1)/s.Cols) + col/s.Cols
			var scale float32
			switch s.DType {
			case runtime.F32:
				scale = math.Float32frombits(binary.LittleEndian.Uint32(s.Data[4*block:]))
			case runtime.F8_E4M3:
				scale = half.FromE4M3(s.Data[block])
			case runtime.F8_E8M0:
				scale = half.FromE8M0(s.Data[block])
			}
			q := half.FromE4M3(x.Data[i%len(x.Data)])
			if x.DType == runtime.F4_E2M1 {
				q = half.FromE2M1(x.Data[i/2] >> (i % 2 * 4) & 15)
			}
			if want := q * (scale * s.Factor); got != want {
				t.Fatalf("%s: value %d is %g, want %g", layout, i, got, want)
			}
		}
		part := make([]float32, 250) // from the middle of a row to that of another
		x.Decode(part, 1000)
		if !slices.Equal(part, all[1000:1250]) {
			t.Errorf("%s: a part differs from the whole", layout)
		}
	}
}

// TestWidenMXFP4 in blocks with their scale is exact, unless a scale is beyond halves.
func TestWidenMXFP4(t *testing.T) {
	f := func(scale byte, want runtime.DType) {
		t.Helper()
		x := runtime.Tensor{DType: runtime.MXFP4, Shape: []int{2, 64}, Data: make([]byte, 4*17)}
		quant.MXFP4.Random(x.Data, 1, rand.New(rand.NewPCG(1, 1)))
		x.Data[17] = scale
		w := x.Widen()
		if w.DType != want || !slices.Equal(decoded(w), decoded(x)) {
			t.Errorf("scale %d became %s; or values differ", scale, w.DType)
		}
	}
	f(120, runtime.Q8_0)
	f(104, runtime.Q8_0)
	f(143, runtime.Q8_0)
	f(103, runtime.BF16)
	f(144, runtime.BF16)
}

func TestScalesThatDoNotFit(t *testing.T) {
	b := runtime.NewBuilder("x", 32, runtime.KVSpec{Layers: 1, KVHeads: 1, Dim: 8})
	b.Logits(b.SampleRows(b.Embed(b.Weight("table", 32, 64))), b.Weight("table", 32, 64))
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	f := func(change func(s *runtime.Scales), want string) {
		t.Helper()
		x := testmodel.Scaled(normal(32, 64), "mxfp4")
		change(x.Scales)
		err := runtime.CheckWeights(p, one{x})
		if want == "" && err != nil || want != "" && (!errors.Is(err, runtime.ErrWeights) ||
			!strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(func(*runtime.Scales) {}, "")
	f(func(s *runtime.Scales) { s.Data = s.Data[1:] }, "have 63 bytes; 32 x 2 of F8_E8M0 are 64")
	f(func(s *runtime.Scales) { s.Cols = 0 }, "1 x 0 values")
	f(func(s *runtime.Scales) { s.DType = runtime.F32 }, "are 256")
}

// one is a checkpoint of one tensor.
type one struct{ t runtime.Tensor }

func (c one) Tensor(string) (runtime.Tensor, bool) { return c.t, true }
func (c one) Names() []string                      { return []string{"table"} }
