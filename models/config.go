package models

import (
	"fmt"

	"basalt/runtime"
)

// Config describes a decoder, whatever file it came from.
type Config struct {
	Family     string // key of the families table
	Vocab      int
	Hidden     int
	FFN        int // width of the feed-forward layers
	Layers     int
	Heads      runtime.Heads
	Eps        float32
	RoPE       runtime.RoPEAttr
	Windows    []int // for each layer its attention window, 0 for none
	QKVBias    bool
	OutputBias bool // of the attention's output projection
	MLPBias    bool
	Tied       bool // the head is the embedding table
	MoE        *MoE // nil for dense models
	MaxContext int  // positions that the model was made for
}

// MoE describes the sparse layers of a mixture of experts.
type MoE struct {
	Experts, TopK, FFN int
	Normalise          bool
	Dense              []bool // for each layer, whether it is dense all the same
}

// Greatest sizes that a configuration may claim; anything beyond is a broken file.
const (
	maxVocab   = 1 << 22
	maxWidth   = 1 << 20
	maxLayers  = 1 << 12
	maxExperts = 1 << 12
	maxContext = 1 << 26
	// maxStacks bounds layers x experts, for each of which a program lists names.
	maxStacks = 1 << 17
)

// check refuses absurd sizes before anything is computed from them.
func (c *Config) check() error {
	for _, f := range []struct {
		name         string
		value, limit int
	}{
		{"vocabulary", c.Vocab, maxVocab},
		{"hidden size", c.Hidden, maxWidth},
		{"feed-forward size", c.FFN, maxWidth},
		{"number of layers", c.Layers, maxLayers},
		{"number of query heads", c.Heads.Query, maxWidth},
		{"number of key-value heads", c.Heads.KV, maxWidth},
		{
			"head dimension", c.Heads.Dim,
			maxWidth,
		},
		{"context", c.MaxContext, maxContext},
	} {
		if f.value < 1 || f.value > f.limit {
			return fmt.Errorf("the %s is %d; it must be 1 to %d", f.name, f.value, f.limit)
		}
	}
	switch {
	case c.Heads.Query%c.Heads.KV != 0:
		return fmt.Errorf("%w: %d and %d", runtime.ErrHeads, c.Heads.Query, c.Heads.KV)
	case c.Heads.Query*c.Heads.Dim > maxWidth:
		return fmt.Errorf("%d heads of %d are wider than %d", c.Heads.Query, c.Heads.Dim, maxWidth)
	case !(c.Eps > 0 && c.Eps < 1):
		return fmt.Errorf("the norms' epsilon is %g; it must lie between 0 and 1", c.Eps)
	}
	return c.MoE.check(c.Layers)
}

func (m *MoE) check(layers int) error {
	if m == nil {
		return nil
	}
	if m.Experts < 1 || m.Experts > maxExperts || m.TopK < 1 || m.TopK > m.Experts ||
		m.FFN < 1 || m.FFN > maxWidth {
		return fmt.Errorf("a mixture keeps %d of %d experts of width %d; at most %d experts "+
			"are possible",
			m.TopK, m.Experts, m.FFN, maxExperts)
	}
	if layers*m.Experts > maxStacks {
		return fmt.Errorf("%d layers of %d experts are more than %d", layers, m.Experts, maxStacks)
	}
	return nil
}

// uniformWindows gives every layer the same window.
func uniformWindows(layers, window int) []int {
	w := make([]int, layers)
	for i := range w {
		w[i] = window
	}
	return w
}
