package models

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"basalt/models/gguf"
	"basalt/models/tokenizer"
	"basalt/runtime"
)

// ggufFamily finds the family behind a GGUF architecture. Llama's covers Mistral and Mixtral.
func ggufFamily(f *gguf.File) (family, arch string, err error) {
	arch, ok := f.String("general.architecture")
	if !ok {
		return "", "", fmt.Errorf("it has no general.architecture")
	}
	if experts, _ := f.Int("llama.expert_count"); arch == "llama" && experts > 0 {
		return "mixtral", arch, nil
	}
	var known []string
	for _, name := range slices.Sorted(maps.Keys(families)) {
		switch fam := families[name]; fam.gguf {
		case arch:
			return name, arch, nil
		case "":
		default:
			known = append(known, fam.gguf)
		}
	}
	return "", "", fmt.Errorf("unknown architecture %q; known are %s", arch, strings.Join(known,
		", "))
}

// ggufReader takes numbers below "ARCH." and keeps the first complaint.
type ggufReader struct {
	f    *gguf.File
	arch string
	err  error
}

func (r *ggufReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// required is the fallback of keys that must be there.
const required = -1

// int reads a size. Some files give sizes for each layer; they must all be equal.
func (r *ggufReader) int(key string, fallback int) int {
	key = r.arch + "." + key
	n, ok := r.f.Int(key)
	switch list, isList := r.f.Ints(key); {
	case ok:
	case isList && len(list) > 0:
		n = int64(list[0])
		if slices.ContainsFunc(list, func(x int32) bool { return int64(x) != n }) {
			r.fail("metadata key %q differs by layer, which is not supported", key)
			return 0
		}
	case r.f.Has(key) || fallback == required:
		r.fail("metadata key %q is missing or no integer", key)
		return 0
	default:
		return fallback
	}
	if n < 0 || n > maxContext {
		r.fail("metadata key %q is %d; it must be 0 to %d", key, n, maxContext)
		return 0
	}
	return int(n)
}

func (r *ggufReader) float(key string, fallback float64) float64 {
	key = r.arch + "." + key
	x, ok := r.f.Float(key)
	switch {
	case ok:
		return x
	case r.f.Has(key):
		r.fail("metadata key %q is no number", key)
	}
	return fallback
}

// ggufConfig reads the neutral description from metadata.
func ggufConfig(f *gguf.File) (Config, error) {
	family, arch, err := ggufFamily(f)
	if err != nil {
		return Config{}, err
	}
	r := &ggufReader{f: f, arch: arch}
	c := Config{
		Family: family, Hidden: r.int("embedding_length", required),
		Layers: r.int("block_count", required), MaxContext: r.int("context_length", required),
		Eps: float32(r.float("attention.layer_norm_rms_epsilon", 0)),
		FFN: r.int("feed_forward_length", required),
	}
	c.Heads.Query = r.int("attention.head_count", required)
	c.Heads.KV = r.int("attention.head_count_kv", c.Heads.Query)
	c.Heads.Dim = r.int("attention.key_length", c.Hidden/max(c.Heads.Query, 1))
	if n := r.int("attention.value_length", c.Heads.Dim); n != c.Heads.Dim {
		r.fail("keys of %d numbers with values of %d are not supported", c.Heads.Dim, n)
	}
	if families[family].moe {
		c.MoE = ggufMoE(r, family)
	}
	if r.err != nil {
		return c, r.err
	}
	c.detect(f)
	if err := c.check(); err != nil {
		return c, err
	}
	if n, ok := f.ArrayLen("tokenizer.ggml.tokens"); ok && n > c.Vocab {
		r.fail("the tokenizer has %d tokens, the embedding table %d rows", n, c.Vocab)
	}
	c.Windows = uniformWindows(c.Layers, r.int("attention.sliding_window", 0))
	if err := c.ggufRoPE(r); err != nil && r.err == nil {
		r.err = err
	}
	return c, r.err
}

func ggufMoE(r *ggufReader, family string) *MoE {
	m := &MoE{
		Experts: r.int("expert_count", required), TopK: r.int("expert_used_count", required),
		Normalise: true, FFN: r.int("feed_forward_length", 0),
	}
	if family == "qwen3_moe" {
		m.FFN = r.int("expert_feed_forward_length", m.FFN)
	}
	return m
}

// detect takes from the tensors what metadata does not say: the vocabulary, biases, a tied head,
// which layers of a mixture are dense.
func (c *Config) detect(f *gguf.File) {
	if t, ok := f.Tensor("token_embd.weight"); ok && len(t.Shape) == 2 {
		c.Vocab = t.Shape[0]
	} else if n, ok := f.ArrayLen("tokenizer.ggml.tokens"); ok {
		c.Vocab = n
	}
	has := func(name string) bool {
		_, ok := f.Tensor(name)
		return ok
	}
	c.Tied = !has("output.weight")
	c.QKVBias, c.OutputBias = has("blk.0.attn_q.bias"), has("blk.0.attn_output.bias")
	c.MLPBias = has("blk.0.ffn_gate.bias")
	if c.MoE == nil {
		return
	}
	c.MoE.Dense = make([]bool, min(c.Layers, maxLayers))
	for l := range c.MoE.Dense {
		c.MoE.Dense[l] = has(fmt.Sprintf("blk.%d.ffn_gate.weight", l))
	}
}

// ggufRoPE reads the rotary settings. A factor without a type is linear scaling, as in ggml's own
// reader; YaRN's keys are those that llama.cpp's converter writes.
func (c *Config) ggufRoPE(r *ggufReader) error {
	s := &RopeScaling{
		Type: "default", Theta: r.float("rope.freq_base", 10000),
		Factor:   r.float("rope.scaling.factor", r.float("rope.scale_linear", 0)),
		Partial:  float64(r.int("rope.dimension_count", c.Heads.Dim)) / float64(c.Heads.Dim),
		Original: r.int("rope.scaling.original_context_length", 0), Truncate: true,
		BetaFast:        r.float("rope.scaling.yarn_beta_fast", 32),
		BetaSlow:        r.float("rope.scaling.yarn_beta_slow", 1),
		AttentionFactor: r.float("rope.scaling.yarn_attn_factor", 0),
		MScaleAllDim:    r.float("rope.scaling.yarn_log_multiplier", 0), MScale: 1,
		Magnify: r.float("rope.scaling.attn_factor", 1),
	}
	if s.Factor != 0 {
		s.Type = "linear"
	}
	if kind, ok := r.f.String(r.arch + ".rope.scaling.type"); ok {
		if s.Type = kind; kind == "none" || kind == "linear" && s.Factor == 0 {
			s.Type = "default"
		}
	}
	if x := r.float("rope.scaling.yarn_ext_factor", 1); s.Type == "yarn" && x != 1 {
		r.fail("rope scaling yarn has the extrapolation factor %g; only 1 is supported", x)
	}
	if t, ok := r.f.Tensor("rope_freqs.weight"); ok {
		if t.DType != runtime.F32 || len(t.Shape) != 1 {
			return fmt.Errorf("rope_freqs.weight is %s of shape %v; it must be a row of F32",
				t.DType, t.Shape)
		}
		s.Divisors = make([]float32, t.NumValues())
		t.DType.Decode(s.Divisors, t.Data)
	}
	var err error
	if c.RoPE, err = s.attr(c.Heads, c.MaxContext); err == nil {
		c.MaxContext = s.stretch(c.MaxContext)
	}
	// The converter orders the rows of Llama's query and key matrices for neighbouring pairs.
	c.RoPE.Interleaved = r.arch == "llama"
	return err
}

// GGUFVocab takes the tokenizer's data from metadata.
func GGUFVocab(f *gguf.File) (tokenizer.GGUFVocab, error) {
	var v tokenizer.GGUFVocab
	model, ok := f.String("tokenizer.ggml.model")
	tokens, okTokens := f.Strings("tokenizer.ggml.tokens")
	if !ok || !okTokens {
		return v, fmt.Errorf("the file has no tokenizer (tokenizer.ggml.model and " +
			"tokenizer.ggml.tokens)")
	}
	v.Model, v.Tokens = model, tokens
	v.Pre, _ = f.String("tokenizer.ggml.pre")
	v.Scores, _ = f.Floats("tokenizer.ggml.scores")
	v.Types, _ = f.Ints("tokenizer.ggml.token_type")
	v.Merges, _ = f.Strings("tokenizer.ggml.merges")
	v.BOS, v.EOS = ggufToken(f, "bos"), ggufToken(f, "eos")
	v.UNK = ggufToken(f, "unknown")
	v.AddBOS, v.AddEOS = ggufFlag(f, "add_bos_token"), ggufFlag(f, "add_eos_token")
	v.AddSpacePrefix = ggufFlag(f, "add_space_prefix")
	return v, nil
}

// ggufFlag is nil where the file does not say.
func ggufFlag(f *gguf.File, which string) *bool {
	if b, ok := f.Bool("tokenizer.ggml." + which); ok {
		return &b
	}
	return nil
}

func ggufToken(f *gguf.File, which string) int32 {
	if n, ok := f.Int("tokenizer.ggml." + which + "_token_id"); ok && n >= 0 && n < maxVocab {
		return int32(n)
	}
	return -1
}
