package models

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"

	"basalt/runtime"
)

// ropeGolden is a configuration and what transformers makes of it (testdata/rope.py).
type ropeGolden struct {
	Name     string               `json:"name"`
	Config   json.RawMessage      `json:"config"`
	Scale    float64              `json:"scale"`
	InvFreq  []float64            `json:"inv_freq"`
	AtLength map[string][]float64 `json:"at_length"`
}

func TestRotaryFrequenciesEqualTransformers(t *testing.T) {
	data, err := os.ReadFile("testdata/rope.json")
	if err != nil {
		t.Fatal(err)
	}
	var goldens struct{ Cases []ropeGolden }
	if err := json.Unmarshal(data, &goldens); err != nil {
		t.Fatal(err)
	}
	for _, g := range goldens.Cases {
		t.Run(g.Name, func(t *testing.T) { g.check(t) })
	}
	if len(goldens.Cases) < 20 {
		t.Errorf("only %d cases", len(goldens.Cases))
	}
}

func (g *ropeGolden) check(t *testing.T) {
	h, err := parseHF(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.config()
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(float64(c.RoPE.Scale)-g.Scale) > 1e-7*g.Scale {
		t.Errorf("scale %g, want %g", c.RoPE.Scale, g.Scale)
	}
	sameFrequencies(t, "inv_freq", c.RoPE.InvFreq, g.InvFreq)
	for length, want := range g.AtLength {
		n, err := strconv.Atoi(length)
		if err != nil {
			t.Fatal(err)
		}
		got := c.RoPE.FrequenciesAt(n-1, make([]float64, len(want)))
		sameFrequencies(t, "at length "+length, got, want)
	}
}

// sameFrequencies allows for the reference's float32: its powers are off by a few units in the last
// place.
func sameFrequencies(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d frequencies, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 6e-7*want[i] {
			t.Errorf("%s: frequency %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

func TestBadRotarySettings(t *testing.T) {
	f := func(s RopeScaling) {
		t.Helper()
		s.Theta, s.Partial = first(s.Theta, 1e4), first(s.Partial, 1)
		a, err := s.attr(runtime.Heads{Query: 2, KV: 2, Dim: 16}, 128)
		if err == nil {
			t.Errorf("%+v gave %+v", s, a)
		}
	}
	nan := math.NaN()
	f(RopeScaling{Type: "longrope", Factor: 2})
	f(RopeScaling{Type: "su", Factor: 2})
	f(RopeScaling{Type: "proportional", Factor: 2})
	f(RopeScaling{Type: "linear"})
	f(RopeScaling{Type: "linear", Factor: -2})
	f(RopeScaling{Type: "linear", Factor: nan})
	f(RopeScaling{Type: "linear", Factor: 1e308})
	f(RopeScaling{Type: "default", Theta: nan})
	f(RopeScaling{Type: "default", Theta: math.Inf(1)})
	f(RopeScaling{Type: "default", Theta: -1})
	f(RopeScaling{Type: "default", Partial: 1.5})
	f(RopeScaling{Type: "default", Partial: nan})
	f(RopeScaling{Type: "default", Partial: 0.1})
	f(RopeScaling{Type: "linear", Factor: 2, Original: -1})
	f(RopeScaling{Type: "llama3", Factor: 2})
	f(RopeScaling{Type: "llama3", Factor: 2, LowFreq: 4, HighFreq: 1})
	f(RopeScaling{Type: "dynamic", Factor: 2, Partial: 0.125}) // two numbers: its exponent is d/0
	f(RopeScaling{Type: "yarn", Factor: 2, BetaFast: -1, BetaSlow: 1})
	f(RopeScaling{Type: "yarn", Factor: 2, BetaFast: 32, BetaSlow: 1, AttentionFactor: -1})
	f(RopeScaling{Type: "yarn", Factor: 2, BetaFast: 32, BetaSlow: 1, MScale: -90, MScaleAllDim: 1})
	f(RopeScaling{Type: "default", Divisors: []float32{1}})
	f(RopeScaling{Type: "default", Divisors: []float32{1, 1, 1, 1, 0, 1, 1, 1}})
}
