package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"basalt/runtime"
)

// hfConfig is config.json. transformers 5 moved the rotary settings into rope_parameters; before,
// they were rope_theta and rope_scaling.
type hfConfig struct {
	Architectures   []string   `json:"architectures"`
	ModelType       string     `json:"model_type"`
	Vocab           int        `json:"vocab_size"`
	Hidden          int        `json:"hidden_size"`
	FFN             int        `json:"intermediate_size"`
	Layers          int        `json:"num_hidden_layers"`
	Heads           int        `json:"num_attention_heads"`
	KVHeads         *int       `json:"num_key_value_heads"`
	HeadDim         *int       `json:"head_dim"`
	Eps             float64    `json:"rms_norm_eps"`
	Act             string     `json:"hidden_act"`
	MaxPositions    int        `json:"max_position_embeddings"`
	Tied            bool       `json:"tie_word_embeddings"`
	AttentionBias   bool       `json:"attention_bias"`
	MLPBias         bool       `json:"mlp_bias"`
	RopeTheta       float64    `json:"rope_theta"`
	RopeScaling     *hfRope    `json:"rope_scaling"`
	RopeParameters  *hfRope    `json:"rope_parameters"`
	Partial         float64    `json:"partial_rotary_factor"`
	Original        int        `json:"original_max_position_embeddings"`
	SlidingWindow   int        `json:"sliding_window"`
	UseSliding      bool       `json:"use_sliding_window"`
	MaxWindowLayers *int       `json:"max_window_layers"`
	LayerTypes      []string   `json:"layer_types"`
	LocalExperts    int        `json:"num_local_experts"`
	NumExperts      int        `json:"num_experts"`
	ExpertsPerTok   int        `json:"num_experts_per_tok"`
	MoEFFN          int        `json:"moe_intermediate_size"`
	NormTopK        bool       `json:"norm_topk_prob"`
	SparseStep      int        `json:"decoder_sparse_step"`
	MLPOnlyLayers   []int      `json:"mlp_only_layers"`
	EOS             intOrSlice `json:"eos_token_id"`
	BOS             intOrSlice `json:"bos_token_id"`

	Quantization *hfQuantization `json:"quantization_config"`
}

type hfRope struct {
	Type            string  `json:"rope_type"`
	OldType         string  `json:"type"`
	Theta           float64 `json:"rope_theta"`
	Partial         float64 `json:"partial_rotary_factor"`
	Factor          float64 `json:"factor"`
	Original        int     `json:"original_max_position_embeddings"`
	LowFreq         float64 `json:"low_freq_factor"`
	HighFreq        float64 `json:"high_freq_factor"`
	AttentionFactor float64 `json:"attention_factor"`
	MScale          float64 `json:"mscale"`
	MScaleAllDim    float64 `json:"mscale_all_dim"`
	BetaFast        float64 `json:"beta_fast"`
	BetaSlow        float64 `json:"beta_slow"`
	Truncate        *bool   `json:"truncate"`
	// Settings for each kind of layer are not supported.
	Full    any `json:"full_attention"`
	Sliding any `json:"sliding_attention"`
}

// intOrSlice is a token id or a list of them; null is none.
type intOrSlice []int32

// UnmarshalJSON implements json.Unmarshaler.
func (x *intOrSlice) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]int32)(x))
	}
	var n int32
	err := json.Unmarshal(data, &n)
	*x = intOrSlice{n}
	return err
}

// parseHF reads config.json.
func parseHF(data []byte) (*hfConfig, error) {
	var h hfConfig
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, err
	}
	if len(h.Architectures) == 0 {
		return nil, fmt.Errorf("it names no architecture; known are %s", knownArchitectures())
	}
	return &h, nil
}

// config makes the neutral description.
func (h *hfConfig) config() (Config, error) {
	family, err := familyOf(h.Architectures[0])
	if err != nil {
		return Config{}, err
	}
	f := families[family]
	if h.Act != "" && h.Act != "silu" {
		return Config{}, fmt.Errorf("hidden_act %q is not supported; silu is", h.Act)
	}
	if h.Quantization != nil {
		if err := h.Quantization.check(); err != nil {
			return Config{}, err
		}
	}
	c := Config{
		Family: family, Vocab: h.Vocab, Hidden: h.Hidden, FFN: h.FFN, Layers: h.Layers,
		Eps: float32(h.Eps), Tied: h.Tied, MaxContext: h.MaxPositions, MLPBias: h.MLPBias,
		Heads:   h.heads(),
		QKVBias: f.qkvBias || f.biases && h.AttentionBias, OutputBias: f.biases && h.AttentionBias,
	}
	if h.HeadDim == nil && h.Heads > 0 && h.Hidden%h.Heads != 0 {
		return Config{}, fmt.Errorf("hidden_size %d is no multiple of %d heads, and there is no "+
			"head_dim", h.Hidden, h.Heads)
	}
	if f.moe {
		c.MoE = h.moe(family)
	}
	if err := c.check(); err != nil {
		return c, err
	}
	if c.Windows, err = h.windows(f.window); err != nil {
		return c, err
	}
	rope, err := h.rope(f)
	if err != nil {
		return c, err
	}
	if c.RoPE, err = rope.attr(c.Heads, c.MaxContext); err == nil {
		c.MaxContext = rope.stretch(c.MaxContext)
	}
	return c, err
}

func (h *hfConfig) heads() runtime.Heads {
	heads := runtime.Heads{Query: h.Heads, KV: h.Heads}
	if h.KVHeads != nil {
		heads.KV = *h.KVHeads
	}
	switch {
	case h.HeadDim != nil:
		heads.Dim = *h.HeadDim
	case h.Heads > 0:
		heads.Dim = h.Hidden / h.Heads
	}
	return heads
}

func (h *hfConfig) moe(family string) *MoE {
	m := &MoE{
		Experts: max(h.LocalExperts, h.NumExperts), TopK: h.ExpertsPerTok, FFN: h.MoEFFN,
		Normalise: h.NormTopK,
	}
	if family == "mixtral" { // all layers are sparse, as wide as intermediate_size
		m.FFN, m.Normalise = h.FFN, true
		return m
	}
	for i := range min(max(h.Layers, 0), maxLayers) {
		step := max(h.SparseStep, 1)
		m.Dense = append(m.Dense, slices.Contains(h.MLPOnlyLayers, i) || (i+1)%step != 0)
	}
	return m
}

// windows gives each layer's window.
func (h *hfConfig) windows(rule windowRule) ([]int, error) {
	window := h.SlidingWindow
	switch {
	case window < 0 || window > maxContext:
		return nil, fmt.Errorf("sliding_window is %d; it must be 0 to %d", window, maxContext)
	case rule == noLayers || (rule != allLayers && !h.UseSliding):
		window = 0
	}
	all := uniformWindows(h.Layers, window)
	if rule != lateLayersIfUsed || window == 0 {
		return all, nil
	}
	if h.LayerTypes == nil {
		from := 28 // the default of these families
		if h.MaxWindowLayers != nil {
			from = *h.MaxWindowLayers
		}
		clear(all[:min(max(from, 0), h.Layers)])
		return all, nil
	}
	return all, h.byType(all)
}

// byType clears the window of layers that attend to everything.
func (h *hfConfig) byType(windows []int) error {
	if len(h.LayerTypes) != len(windows) {
		return fmt.Errorf("layer_types has %d entries for %d layers", len(h.LayerTypes),
			len(windows))
	}
	for i, kind := range h.LayerTypes {
		switch kind {
		case "full_attention":
			windows[i] = 0
		case "sliding_attention":
		default:
			return fmt.Errorf("layer_types[%d] is %q, which is not supported", i, kind)
		}
	}
	return nil
}

// rope collects the rotary settings. As in transformers, rope_scaling goes before rope_parameters,
// and what stands in either before what stands beside them, except for the original context.
func (h *hfConfig) rope(f family) (*RopeScaling, error) {
	r := h.RopeScaling
	if r == nil {
		r = h.RopeParameters
	}
	if r == nil {
		r = &hfRope{}
	}
	if r.Full != nil || r.Sliding != nil {
		return nil, errors.New("rope_parameters that differ by kind of layer are not supported")
	}
	s := &RopeScaling{
		Type: first(r.Type, r.OldType, "default"), Theta: first(r.Theta, h.RopeTheta, f.theta, 1e4),
		Partial: first(r.Partial, h.Partial, 1), Factor: r.Factor,
		Original: first(h.Original, r.Original), LowFreq: r.LowFreq, HighFreq: r.HighFreq,
		AttentionFactor: r.AttentionFactor, MScale: r.MScale, MScaleAllDim: r.MScaleAllDim,
		BetaFast: first(r.BetaFast, 32), BetaSlow: first(r.BetaSlow, 1),
		Truncate: r.Truncate == nil || *r.Truncate,
	}
	if s.Factor == 0 && s.Type == "yarn" && s.Original > 0 {
		s.Factor = float64(h.MaxPositions) / float64(s.Original)
	}
	return s, nil
}

// first gives the first value that is not zero.
func first[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}
