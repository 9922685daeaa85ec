package models

import (
	"bytes"
	"math"
	"testing"

	"basalt/runtime"
)

func TestDummyWeights(t *testing.T) {
	c, err := configOf(t, "Qwen2ForCausalLM", map[string]any{
		"vocab_size": 1000, "hidden_size": 256, "intermediate_size": 600, // 600: no blocks of 256
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Program("small", c)
	if err != nil {
		t.Fatal(err)
	}
	f := func(d runtime.DType) {
		t.Helper()
		one := newDummyCheckpoint(p, DummySpec{Seed: 1, DType: d})
		if err := runtime.CheckWeights(p, one); err != nil {
			t.Fatal(err)
		}
		same := newDummyCheckpoint(p, DummySpec{Seed: 1, DType: d})
		other := newDummyCheckpoint(p, DummySpec{Seed: 2, DType: d})
		for name, x := range one {
			if len(x.Shape) == 2 {
				checkDummyMatrix(t, d, x)
				if bytes.Equal(x.Data, other[name].Data) {
					t.Errorf("%s: %q does not depend on the seed", d, name)
				}
			}
			if !bytes.Equal(x.Data, same[name].Data) {
				t.Errorf("%s: %q is not the same again", d, name)
			}
		}
		q := one["model.layers.0.self_attn.q_proj.weight"].Data
		if bytes.Equal(q, one["model.layers.1.self_attn.q_proj.weight"].Data) {
			t.Errorf("%s: two layers are equal", d)
		}
	}
	for d := runtime.F32; d <= runtime.Q6_K; d++ {
		f(d)
	}
	f(runtime.F8_E4M3)
}

func checkDummyMatrix(t *testing.T, d runtime.DType, x runtime.Tensor) {
	t.Helper()
	ends := d == runtime.F8_E4M3 && x.Shape[0] == 1000 // the vocabulary's
	if want := d; x.DType != want && x.Shape[1]%d.BlockSize() == 0 && !ends {
		t.Errorf("a matrix of %v is %s, want %s", x.Shape, x.DType, want)
	}
	values := make([]float32, x.NumValues())
	x.Decode(values, 0)
	var squares float64
	for _, v := range values {
		squares += float64(v) * float64(v)
	}
	if dev := math.Sqrt(squares / float64(len(values))); math.Abs(dev/dummySpread-1) > 0.2 {
		t.Errorf("%s: a matrix of %v deviates by %g", d, x.Shape, dev)
	}
}
