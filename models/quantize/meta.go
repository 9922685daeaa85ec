package quantize

import (
	"errors"
	"fmt"
	"slices"

	"basalt/models"
	"basalt/models/gguf"
)

// quantisationVersion is that of ggml's block formats as they have been since 2023.
const quantisationVersion = 2

// architecture is GGUF's name for a family; Mistral and Mixtral are llama there.
func architecture(c models.Config) string {
	switch c.Family {
	case "mistral", "mixtral":
		return "llama"
	case "qwen3_moe":
		return "qwen3moe"
	}
	return c.Family
}

// metadata is that of the file to be written. What a GGUF file has is kept.
func metadata(m *models.Model, r Recipe) (*gguf.Meta, error) {
	meta := &gguf.Meta{}
	if m.GGUF != nil {
		meta.Copy(m.GGUF)
		meta.Delete("split.no", "split.count", "split.tensors.count")
	} else if err := fromHF(meta, m); err != nil {
		return nil, err
	}
	meta.SetUint32("general.file_type", r.fileType)
	meta.SetUint32("general.quantization_version", quantisationVersion)
	return meta, nil
}

// fromHF writes the keys that llama.cpp's converter writes (conversion/base.py, llama.py, qwen.py).
func fromHF(meta *gguf.Meta, m *models.Model) error {
	if err := expressible(m); err != nil {
		return err
	}
	c, arch := m.Config, architecture(m.Config)
	meta.SetString("general.architecture", arch)
	meta.SetString("general.type", "model")
	meta.SetString("general.name", m.Name)
	number := func(key string, n int) { meta.SetUint32(arch+"."+key, uint32(n)) }
	number("block_count", c.Layers)
	number("context_length", m.Positions)
	number("embedding_length", c.Hidden)
	number("feed_forward_length", c.FFN)
	number("attention.head_count", c.Heads.Query)
	number("attention.head_count_kv", c.Heads.KV)
	number("attention.key_length", c.Heads.Dim)
	number("attention.value_length", c.Heads.Dim)
	meta.SetFloat32(arch+".attention.layer_norm_rms_epsilon", c.Eps)
	if c.Windows[0] > 0 {
		number("attention.sliding_window", c.Windows[0])
	}
	number("vocab_size", c.Vocab)
	number("rope.dimension_count", 2*len(c.RoPE.InvFreq))
	setRope(meta, arch, m.Rope)
	if c.MoE != nil {
		number("expert_count", c.MoE.Experts)
		number("expert_used_count", c.MoE.TopK)
		if c.Family == "qwen3_moe" {
			number("expert_feed_forward_length", c.MoE.FFN)
		}
	}
	return setVocab(meta, m)
}

// expressible refuses what a GGUF file would say wrongly or not at all.
func expressible(m *models.Model) error {
	c, r := m.Config, m.Rope
	mixed := slices.ContainsFunc(c.Windows, func(w int) bool { return w != c.Windows[0] })
	switch {
	case r == nil:
		return errors.New("a model without files cannot be written")
	case mixed:
		return errors.New("its layers have different attention windows, which GGUF cannot say")
	case c.MoE != nil && !c.MoE.Normalise:
		return errors.New("its experts' weights are not normalised, which GGUF cannot say")
	case r.Type == "dynamic":
		return errors.New("its rope scaling is dynamic, which GGUF cannot say")
	case r.Type == "yarn" && !r.Truncate || r.MScale != 0 || r.MScaleAllDim != 0:
		return errors.New("its yarn settings truncate, mscale or mscale_all_dim cannot be said " +
			"in GGUF")
	case architecture(c) == "llama" && 2*len(c.RoPE.InvFreq) != c.Heads.Dim:
		return fmt.Errorf("it rotates %d of %d numbers of a head, which GGUF's llama cannot say",
			2*len(c.RoPE.InvFreq), c.Heads.Dim)
	}
	return nil
}

func setRope(meta *gguf.Meta, arch string, r *models.RopeScaling) {
	number := func(key string, x float64) { meta.SetFloat32(arch+".rope."+key, float32(x)) }
	number("freq_base", r.Theta)
	if r.Type != "linear" && r.Type != "yarn" {
		return
	}
	meta.SetString(arch+".rope.scaling.type", r.Type)
	number("scaling.factor", r.Factor)
	if r.Type == "linear" {
		return
	}
	if r.Original > 0 {
		meta.SetUint32(arch+".rope.scaling.original_context_length", uint32(r.Original))
	}
	if r.AttentionFactor != 0 {
		number("scaling.yarn_attn_factor", r.AttentionFactor)
	}
	number("scaling.yarn_beta_fast", r.BetaFast)
	number("scaling.yarn_beta_slow", r.BetaSlow)
}
