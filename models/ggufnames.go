package models

import (
	"fmt"
	"strconv"
	"strings"

	"basalt/models/gguf"
	"basalt/runtime"
)

// newGGUFCheckpoint gives a GGUF file's tensors by their canonical names; stacks of experts are cut
// into one tensor for each expert.
func newGGUFCheckpoint(f *gguf.File, family string) (tensorSet, error) {
	if name, format := f.FirstUnsupported(); name != "" {
		return nil, fmt.Errorf("tensor %q is stored as %s, which is not supported; requantise "+
			"the model "+
			"to F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K or Q6_K", name, format)
	}
	c := tensorSet{}
	fam := families[family]
	for _, old := range f.Names() {
		t, _ := f.Tensor(old)
		if strings.HasSuffix(old, "_exps.weight") {
			if err := c.cutGGUF(old, t, fam); err != nil {
				return nil, err
			}
			continue
		}
		c[canonical(old, fam)] = t
	}
	return c, nil
}

// canonical translates one name; an unknown one stays as it is.
func canonical(old string, fam family) string {
	switch old {
	case "token_embd.weight":
		return "model.embed_tokens.weight"
	case "output_norm.weight":
		return "model.norm.weight"
	case "output.weight":
		return "lm_head.weight"
	}
	layer, rest, ok := splitBlock(old)
	if !ok {
		return old
	}
	stem, kind := rest[:strings.LastIndexByte(rest, '.')], rest[strings.LastIndexByte(rest, '.'):]
	if stem == "ffn_gate_inp" {
		return fmt.Sprintf("model.layers.%s.%s.%s%s", layer, fam.block, fam.router, kind)
	}
	// The first files with mixtures have "ffn_gate.3" for a matrix of expert 3.
	if which, expert, ok := strings.Cut(stem, "."); ok && fam.moe {
		if matrix := expertMatrix(which, fam); matrix != "" {
			return expertName(layer, expert, matrix, fam)
		}
	}
	if name, ok := blockNames(stem); ok {
		return fmt.Sprintf("model.layers.%s.%s%s", layer, name, kind)
	}
	return old
}

// splitBlock cuts "blk.N.rest.kind".
func splitBlock(name string) (layer, rest string, ok bool) {
	tail, ok := strings.CutPrefix(name, "blk.")
	if !ok {
		return "", "", false
	}
	layer, rest, ok = strings.Cut(tail, ".")
	return layer, rest, ok && strings.Contains(rest, ".")
}

func blockNames(stem string) (string, bool) {
	name, ok := map[string]string{
		"attn_norm":   "input_layernorm",
		"attn_q":      "self_attn.q_proj",
		"attn_k":      "self_attn.k_proj",
		"attn_v":      "self_attn.v_proj",
		"attn_output": "self_attn.o_proj",
		"attn_q_norm": "self_attn.q_norm",
		"attn_k_norm": "self_attn.k_norm",
		"ffn_norm":    "post_attention_layernorm",
		"ffn_gate":    "mlp.gate_proj",
		"ffn_up":      "mlp.up_proj",
		"ffn_down":    "mlp.down_proj",
	}[stem]
	return name, ok
}

// cutGGUF names the parts of a stack.
func (s tensorSet) cutGGUF(old string, t runtime.Tensor, fam family) error {
	layer, rest, ok := splitBlock(old)
	matrix := expertMatrix(strings.TrimSuffix(rest, "_exps.weight"), fam)
	if !ok || matrix == "" || len(t.Shape) != 3 {
		return fmt.Errorf("tensor %q of shape %v is no stack of experts", old, t.Shape)
	}
	s.cut(t, func(e int) string { return expertName(layer, strconv.Itoa(e), matrix, fam) })
	return nil
}

func expertName(layer, expert, matrix string, fam family) string {
	return fmt.Sprintf("model.layers.%s.%s.experts.%s.%s.weight", layer, fam.block, expert, matrix)
}

// expertMatrix is the canonical name of an expert's matrix, "" for what is none.
func expertMatrix(stem string, fam family) string {
	switch stem {
	case "ffn_gate":
		return fam.gate
	case "ffn_up":
		return fam.up
	case "ffn_down":
		return fam.downst
	}
	return ""
}
