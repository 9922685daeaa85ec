package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"basalt/internal/testmodel"
	"basalt/runtime"
)

// product is the smallest program with one matrix [n, k]: embedding rows times the head. Its
// vocabulary is n.
func product(t testing.TB, n, k int) *runtime.Program {
	t.Helper()
	b := runtime.NewBuilder("product", n, runtime.KVSpec{Layers: 1, KVHeads: 1, Dim: 8})
	b.Logits(b.SampleRows(b.Embed(b.Weight("table", n, k))), b.Weight("head", n, k))
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// mixed takes the head from one checkpoint and the table from another.
type mixed struct{ table, head runtime.Checkpoint }

func (c mixed) Tensor(name string) (runtime.Tensor, bool) {
	if name == "head" {
		return c.head.Tensor(name)
	}
	return c.table.Tensor(name)
}

func (c mixed) Names() []string { return c.head.Names() }

// TestLinear compares one product with the reference at odd shapes and every number of rows.
func TestLinear(t *testing.T) {
	devices := openAll(t)
	f := func(dtype runtime.DType, n, k, maxRows int) {
		t.Helper()
		p := product(t, n, k)
		c := mixed{testmodel.Weights(p, 1, runtime.F32), testmodel.Weights(p, 2, dtype)}
		o := testOptions
		reference := compile(t, runtime.NewReference(), p, c, o)
		execs := map[string]runtime.Executable{}
		for isa, dev := range devices {
			execs[isa] = compile(t, dev, p, c, o)
		}
		rng := rand.New(rand.NewPCG(1, uint64(n*k)))
		for rows := 1; rows <= maxRows; rows += 1 + rows/9 {
			ids := randomIDs(rng, rows, n)
			want := whole(t, reference, ids, o)
			for isa, e := range execs {
				checkRows(t, fmt.Sprintf("%s %s [%d, %d] x %d", isa, dtype, n, k, rows),
					whole(t, e, ids, o), want, n, productBounds(isa, dtype))
			}
		}
	}
	for _, dtype := range []runtime.DType{runtime.F32, runtime.F16, runtime.BF16} {
		f(dtype, 37, 65, 20)
		f(dtype, 16, 1, 2)
		f(dtype, 17, 172, 70)
		f(dtype, 300, 64, 7)
	}
	for _, dtype := range []runtime.DType{runtime.Q8_0, runtime.Q4_0} {
		f(dtype, 37, 96, 20)
		f(dtype, 33, 32, 2)
		f(dtype, 130, 64, 70)
	}
	for _, dtype := range []runtime.DType{runtime.Q4_K, runtime.Q5_K, runtime.Q6_K} {
		f(dtype, 37, 512, 20)
		f(dtype, 17, 256, 70)
	}
}

// productBounds is how far one product may be from the reference's.
func productBounds(isa string, dtype runtime.DType) bounds {
	if _, block := dtype.Quant(); block {
		return bounds{1e-2, 2e-2}
	}
	if isa == "avx512-bf16" && dtype == runtime.BF16 {
		return bounds{5e-3, 2e-2} // activations are rounded to BF16
	}
	return bounds{2e-6, 1e-5}
}

// TestEmbed reads tables of every format where they lie.
func TestEmbed(t *testing.T) {
	dev := open(t, Config{Threads: 2})
	for _, dtype := range allDTypes {
		p := product(t, 50, 256)
		c := mixed{testmodel.Weights(p, 1, dtype), testmodel.Weights(p, 2, runtime.F32)}
		ids := randomIDs(rand.New(rand.NewPCG(4, 4)), 30, 50)
		want := whole(t, compile(t, runtime.NewReference(), p, c, testOptions), ids, testOptions)
		got := whole(t, compile(t, dev, p, c, testOptions), ids, testOptions)
		checkRows(t, dtype.String()+" table", got, want, p.Vocab, bounds{2e-6, 1e-5})
	}
}

// TestQuantizeAtLoad compares the quantised head with the reference on the original: Q8_0 keeps 8
// bits, Q4_0 4.
func TestQuantizeAtLoad(t *testing.T) {
	for _, isa := range isas(t) {
		dev := open(t, Config{Threads: 2, ISA: isa})
		f := func(from, to runtime.DType, k int, limit bounds) {
			p := product(t, 70, k)
			c := mixed{testmodel.Weights(p, 1, runtime.F32), testmodel.Weights(p, 2, from)}
			o := testOptions
			want := compile(t, runtime.NewReference(), p, c, o)
			o.Quantize = to
			ids := randomIDs(rand.New(rand.NewPCG(4, 4)), 30, 50)
			checkRows(t, fmt.Sprintf("%s %s as %s", isa, from, to),
				whole(t, compile(t, dev, p, c, o), ids, o), whole(t, want, ids, o), p.Vocab, limit)
		}
		f(runtime.F32, runtime.Q8_0, 128, bounds{1e-2, 2e-2})
		f(runtime.BF16, runtime.Q8_0, 96, bounds{1e-2, 2e-2})
		f(runtime.F16, runtime.Q4_0, 128, bounds{0.1, 0.15})
		f(runtime.F16, runtime.Q4_0, 100, bounds{2e-6, 1e-5})  // rows that cannot be cut stay
		f(runtime.Q8_0, runtime.Q4_0, 128, bounds{1e-2, 2e-2}) // and so do blocks
	}
}
