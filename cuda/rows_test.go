//go:build cuda

package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"basalt/cuda/fake"
	"basalt/internal/half"
	"basalt/internal/testmodel"
	"basalt/runtime"
)

type (
	recorder = runtime.Builder
	reg      = runtime.Reg
)

// tensors are a checkpoint with some tensors of another.
type tensors struct {
	runtime.Checkpoint
	own map[string]runtime.Tensor
}

// Tensor implements runtime.Checkpoint.
func (c tensors) Tensor(name string) (runtime.Tensor, bool) {
	if t, ok := c.own[name]; ok {
		return t, true
	}
	return c.Checkpoint.Tensor(name)
}

func floats(shape []int, value func(row, col int) float32) runtime.Tensor {
	t := runtime.Tensor{DType: runtime.F32, Shape: shape}
	for row := range shape[0] {
		for col := range shape[1] {
			t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(value(row, col)))
		}
	}
	return t
}

// oneOp makes a program of one operation: its input is embedded, and its output, of width numbers,
// comes back as logits, both exactly, as tables and the head are F32 and the head is the identity.
// The input is drawn in BF16, so that it is every product's exactly.
func oneOp(t *testing.T, width, in int, kv runtime.KVSpec, dtype runtime.DType,
	op func(b *recorder, x reg) reg,
) (*runtime.Program, runtime.Checkpoint) {
	t.Helper()
	b := runtime.NewBuilder("one operation", width, kv)
	x := b.Embed(b.Weight("input", width, in))
	b.Logits(b.SampleRows(op(b, x)), b.Weight("head", width, width))
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
	normal := func(int, int) float32 {
		return half.FromBF16(half.ToBF16(float32(rng.NormFloat64())))
	}
	own := map[string]runtime.Tensor{
		"input": floats([]int{width, in}, normal),
		"head": floats([]int{width, width}, func(row, col int) float32 {
			return map[bool]float32{true: 1}[row == col]
		}),
	}
	for _, w := range p.Weights {
		if w.Name == "residual" || w.Name == "router" {
			own[w.Name] = floats(w.Shape, normal)
		}
	}
	return p, tensors{testmodel.Weights(p, rng.Uint64(), dtype), own}
}

// opCase compares one operation with float64, each row in pieces of part numbers.
type opCase struct {
	name        string
	width, in   int
	part        int
	kv          runtime.KVSpec
	build       func(b *recorder, x reg) reg
	dtype, keep runtime.DType
}

// bound is how far a row may be off: its weights' and cache's types say so.
func (o *opCase) bound() float64 {
	if o.dtype == runtime.F32 && o.keep == runtime.F32 {
		return 1e-4
	}
	return 5e-3
}

func (o *opCase) run(t *testing.T, d runtime.Device, n int) {
	p, c := oneOp(t, o.width, o.in, o.kv, o.dtype, o.build)
	opt := testOptions
	opt.KVDType, opt.MaxTokens, opt.MaxContext, opt.KVBytes = o.keep, max(64, n), n+16, 0
	if _, ok := d.(*Device); ok && os.Getenv(realGPU) == "" {
		opt.KVBytes = 8 << 20
	}
	ids := randomIDs(rand.New(rand.NewPCG(rand.Uint64(), 1)), n, o.width)
	want := logitsOf(p, c, o.keep, ids)
	e, err := d.Compile(t.Context(), p, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	got := inChunks(t, e, ids, []int{n/2 + 1, n/2 - 3, 1}, opt)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	worst := 0.0
	for row, exact := range want {
		for at := 0; at < o.width; at += o.part {
			worst = max(worst, offFrom(got[row*o.width+at:][:o.part], exact[at:at+o.part]))
		}
	}
	t.Logf("%d rows, each %d numbers off by at most %.2g", n, o.part, worst)
	if !(worst < o.bound()) {
		t.Errorf("off by %.2g; at most %.2g is right", worst, o.bound())
	}
}

// offFrom is the distance relative to the norm.
func offFrom(got []float32, want []float64) float64 {
	var diff, norm float64
	for i, w := range want {
		diff += (float64(got[i]) - w) * (float64(got[i]) - w)
		norm += w * w
	}
	return math.Sqrt(diff / norm)
}

// opCases are every kind of operation, without attention.
func opCases() []opCase {
	const n, k, eps = 72, 128, 1e-5
	return []opCase{
		{name: "Embed", width: n, in: n, build: func(_ *recorder, x reg) reg {
			return x
		}},
		{
			name: "RMSNorm", width: n, in: n,
			build: func(b *recorder, x reg) reg {
				return b.RMSNorm(x, b.Weight("norm", n), eps)
			},
		},
		{
			name: "AddRMSNorm", width: n, in: n,
			build: func(b *recorder, x reg) reg {
				r := b.Embed(b.Weight("residual", n, n))
				normed, _ := b.AddRMSNorm(x, r, b.Weight("norm", n), eps)
				return normed
			},
		},
		{name: "Linear", width: n, in: k, build: func(b *recorder, x reg) reg {
			ws := []*runtime.Weight{b.Weight("w1", n-19, k), b.Weight("w2", 19, k)}
			return b.LinearBias(x, ws, []*runtime.Weight{b.Weight("w1.bias", n-19), nil})
		}},
		{
			name: "SwiGLU", width: n, in: 2 * n,
			build: func(b *recorder, x reg) reg { return b.SwiGLU(x) },
		},
		{name: "MoE", width: k, in: k, build: func(b *recorder, x reg) reg {
			experts := func(name string, out, in int) *runtime.Weight {
				var parts []string
				for i := range 5 {
					parts = append(parts, fmt.Sprint(name, i))
				}
				return b.Experts(name, parts, out, in)
			}
			return b.MoE(x, b.Weight("router", 5, k), experts("gate", n, k), experts("up", n, k),
				experts("down", k, n), runtime.MoEAttr{Experts: 5, TopK: 2, Normalise: true})
		}},
	}
}

// attentionCase is QKNorm, RoPE and attention: they run as one.
func attentionCase(h runtime.Heads, window int) opCase {
	name := fmt.Sprintf("Attention %d:%d heads of %d, window %d", h.Query, h.KV, h.Dim, window)
	return opCase{
		name: name, width: h.Query * h.Dim, in: h.Width(), part: h.Dim,
		kv: runtime.KVSpec{Layers: 1, KVHeads: h.KV, Dim: h.Dim},
		build: func(b *recorder, x reg) reg {
			x = b.QKNorm(x, b.Weight("q.norm", h.Dim), b.Weight("k.norm", h.Dim), h, 1e-5)
			a := runtime.RoPEAttr{Heads: h, Scale: 1}
			for i := range h.Dim / 2 {
				a.InvFreq = append(a.InvFreq, math.Pow(1e4, -2*float64(i)/float64(h.Dim)))
			}
			return b.Attention(b.RoPE(x, a), runtime.AttentionAttr{
				Heads: h, Scale: float32(1 / math.Sqrt(float64(h.Dim))), Window: window,
			})
		},
	}
}

// TestOpsAgainstFloat64 compares each row of each operation, each head of attention, with the same
// operation in float64 on fresh random input: odd numbers of rows, contexts that end within a
// block, 1, 4 and 8 queries a key, heads of 64 and 128.
func TestOpsAgainstFloat64(t *testing.T) {
	d, _ := openFake(t, fake.Healthy(), Config{})
	n := 21
	if os.Getenv(realGPU) != "" && os.Getenv(smallShapes) == "" {
		n = 601
	}
	try := func(o opCase, dtype, keep runtime.DType) {
		o.dtype, o.keep = dtype, keep
		if o.part == 0 {
			o.part, o.kv = o.width, runtime.KVSpec{Layers: 1, KVHeads: 1, Dim: 64}
		}
		t.Run(fmt.Sprintf("%s, %s, cache %s", o.name, dtype, keep), func(t *testing.T) {
			o.run(t, d, n)
		})
	}
	for _, dtype := range []runtime.DType{runtime.F32, runtime.BF16} {
		for _, o := range opCases() {
			try(o, dtype, runtime.F32)
		}
		for _, dim := range []int{64, 128} {
			for _, ratio := range []int{1, 4, 8} {
				h := runtime.Heads{Query: ratio, KV: 1, Dim: dim}
				try(attentionCase(h, 0), runtime.F32, dtype)
			}
			try(attentionCase(runtime.Heads{Query: 4, KV: 2, Dim: dim}, 17), runtime.F32, dtype)
		}
	}
}
