package models

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"basalt/models/gguf"
	"basalt/runtime"
)

// ggufCheckpoint gives a GGUF file's tensors by their canonical names; stacks of experts are cut
// into one tensor for each expert.
type ggufCheckpoint map[string]runtime.Tensor

// Tensor implements runtime.Checkpoint.
func (c ggufCheckpoint) Tensor(name string) (runtime.Tensor, bool) {
	t, ok := c[name]
	return t, ok
}

// Names implements runtime.Checkpoint.
func (c ggufCheckpoint) Names() []string { return slices.Sorted(maps.Keys(c)) }

func newGGUFCheckpoint(f *gguf.File, family string) (ggufCheckpoint, error) {
	if name, format := f.FirstUnsupported(); name != "" {
		return nil, fmt.Errorf("tensor %q is stored as %s, which is not supported; requantise "+
			"the model "+
			"to F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K or Q6_K", name, format)
	}
	c := ggufCheckpoint{}
	fam := families[family]
	for _, old := range f.Names() {
		t, _ := f.Tensor(old)
		if strings.HasSuffix(old, "_exps.weight") {
			if err := c.cut(old, t, fam); err != nil {
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

// cut slices a stack [experts, out, in] along its first axis.
func (c ggufCheckpoint) cut(old string, t runtime.Tensor, fam family) error {
	layer, rest, ok := splitBlock(old)
	matrix, known := map[string]string{
		"ffn_gate_exps.weight": fam.gate, "ffn_up_exps.weight": fam.up,
		"ffn_down_exps.weight": fam.downst,
	}[rest]
	if !ok || !known || len(t.Shape) != 3 {
		return fmt.Errorf("tensor %q of shape %v is no stack of experts", old, t.Shape)
	}
	size := len(t.Data) / t.Shape[0]
	for e := range t.Shape[0] {
		name := fmt.Sprintf("model.layers.%s.%s.experts.%d.%s.weight", layer, fam.block, e, matrix)
		c[name] = runtime.Tensor{
			DType: t.DType, Shape: t.Shape[1:], Data: t.Data[e*size : (e+1)*size : (e+1)*size],
		}
	}
	return nil
}
