package neuron

import (
	"fmt"
	"testing"

	"basalt/cpu"
	"basalt/internal/testmodel"
	"basalt/neuron/hlo"
	"basalt/neuron/lower"
	"basalt/runtime"
)

// TestModelsMatchTheReference: whole models of every family, prefill and decode, padding and paged
// cache included, in both scopes.
func TestModelsMatchTheReference(t *testing.T) {
	for _, family := range testmodel.Families() {
		for _, scope := range []lower.Scope{lower.ModelScope, lower.LayerScope} {
			t.Run(family+"/"+string(scope), func(t *testing.T) {
				t.Parallel()
				p, c := newModel(t, family, "odd", runtime.F32)
				want := rows(t, reference(t, p, c, testOptions), p.Vocab, testOptions)
				o := lowerOptions()
				o.Scope = scope
				got := rows(t, simulated(t, p, c, o, testOptions), p.Vocab, testOptions)
				checkRows(t, family, got, want, p.Vocab, 1e-5)
			})
		}
	}
}

// TestTheCPUDeviceAgrees: each operation alone, and whole models, give the cpu device's numbers.
// Its portable kernels multiply float32 by float32.
func TestTheCPUDeviceAgrees(t *testing.T) {
	dev, err := cpu.New(cpu.Config{Threads: 1, ISA: "portable"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	}()
	f := func(name string, p *runtime.Program, c runtime.Checkpoint) {
		e, err := dev.Compile(t.Context(), p, c, testOptions)
		if err != nil {
			t.Fatal(err)
		}
		want := rows(t, e, p.Vocab, testOptions)
		got := rows(t, simulated(t, p, c, lowerOptions(), testOptions), p.Vocab, testOptions)
		checkRows(t, name, got, want, p.Vocab, 1e-5)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, p := range opPrograms(t) {
		f(name, p, opWeights(p, runtime.F32))
	}
	for _, family := range testmodel.Families() {
		p, c := newModel(t, family, "odd", runtime.F32)
		f(family, p, c)
	}
}

// TestActivationsInTwoParts: with weights and a cache of BF16, rounding each activation once is all
// that parts a device from the reference, which computes in float32. In two parts hardly anything
// is left but cached numbers that fall to the other side: less than their last place, 2^-8.
func TestActivationsInTwoParts(t *testing.T) {
	co := testOptions
	co.KVDType = runtime.BF16
	f := func(family, size string, ranks int) {
		t.Run(fmt.Sprintf("%s-%d", family, ranks), func(t *testing.T) {
			t.Parallel()
			p, c := newModel(t, family, size, runtime.BF16)
			want := rows(t, reference(t, p, c, co), p.Vocab, co)
			o := lowerOptions()
			o.Compute, o.Weights, o.KV, o.TP = hlo.BF16, hlo.BF16, hlo.BF16, ranks
			o.TwoParts = true
			twice := rows(t, simulated(t, p, c, o, co), p.Vocab, co)
			checkRows(t, family, twice, want, p.Vocab, 1./256)
			if ranks > 1 {
				return
			}
			o.TwoParts = false
			once := distance(rows(t, simulated(t, p, c, o, co), p.Vocab, co), want)
			if d := distance(twice, want); !(once > 5*d) {
				t.Errorf("two parts gain little: %.2g after %.2g", d, once)
			}
		})
	}
	for _, family := range testmodel.Families() {
		f(family, "odd", 1)
	}
	f("llama", "many", 2)
	f("qwen3_moe", "many", 2)
}
