package quantize

import (
	"strconv"
	"strings"
)

// ggufName gives a weight's name in a GGUF file; a stack of experts has one name. The inverse is in
// package models.
func ggufName(name string) (string, bool) {
	switch name {
	case "model.embed_tokens.weight":
		return "token_embd.weight", true
	case "model.norm.weight":
		return "output_norm.weight", true
	case "lm_head.weight":
		return "output.weight", true
	}
	tail, ok := strings.CutPrefix(name, "model.layers.")
	layer, rest, cut := strings.Cut(tail, ".")
	at := strings.LastIndexByte(rest, '.')
	if !ok || !cut || at < 0 {
		return "", false
	}
	stem, ok := layerNames()[rest[:at]]
	if _, matrix, isExpert := strings.Cut(rest[:at], ".experts."); isExpert {
		stem, ok = expertNames()[matrix]
	}
	return "blk." + layer + "." + stem + rest[at:], ok
}

func layerNames() map[string]string {
	return map[string]string{
		"input_layernorm":          "attn_norm",
		"self_attn.q_proj":         "attn_q",
		"self_attn.k_proj":         "attn_k",
		"self_attn.v_proj":         "attn_v",
		"self_attn.o_proj":         "attn_output",
		"self_attn.q_norm":         "attn_q_norm",
		"self_attn.k_norm":         "attn_k_norm",
		"post_attention_layernorm": "ffn_norm",
		"mlp.gate_proj":            "ffn_gate",
		"mlp.up_proj":              "ffn_up",
		"mlp.down_proj":            "ffn_down",
		"mlp.gate":                 "ffn_gate_inp",
		"block_sparse_moe.gate":    "ffn_gate_inp",
	}
}

func expertNames() map[string]string {
	return map[string]string{
		"gate_proj": "ffn_gate_exps", "w1": "ffn_gate_exps",
		"up_proj": "ffn_up_exps", "w3": "ffn_up_exps",
		"down_proj": "ffn_down_exps", "w2": "ffn_down_exps",
	}
}

// splitName cuts "blk.N.stem.weight".
func splitName(name string) (layer int, stem string, ok bool) {
	parts := strings.SplitN(name, ".", 4)
	if len(parts) != 4 || parts[0] != "blk" {
		return 0, "", false
	}
	layer, err := strconv.Atoi(parts[1])
	return layer, parts[2], err == nil
}
