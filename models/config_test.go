package models

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// configOf makes a small config.json of an architecture, with changes.
func configOf(t *testing.T, architecture string, change map[string]any) (Config, error) {
	t.Helper()
	keys := map[string]any{
		"architectures": []string{architecture}, "vocab_size": 64, "hidden_size": 64,
		"intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
		"num_key_value_heads": 2, "rms_norm_eps": 1e-5, "max_position_embeddings": 128,
		"num_experts_per_tok": 2, "num_experts": 4, "moe_intermediate_size": 32,
	}
	maps.Copy(keys, change)
	data, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHF(data)
	if err != nil {
		return Config{}, err
	}
	return h.config()
}

// TestWindows: which layers slide, as the models' own code decides.
func TestWindows(t *testing.T) {
	f := func(architecture string, change map[string]any, want string) {
		t.Helper()
		c, err := configOf(t, architecture+"ForCausalLM", change)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(c.Windows); got != want {
			t.Errorf("%s %v: windows %s, want %s", architecture, change, got, want)
		}
	}
	type keys = map[string]any
	const none, all = "[0 0 0 0]", "[9 9 9 9]"
	f("Llama", keys{"sliding_window": 9}, none)
	f("Mistral", keys{"sliding_window": 9}, all)
	f("Mistral", keys{"sliding_window": nil}, none)
	f("Mixtral", keys{"sliding_window": 9}, all)
	f("Qwen2", keys{"sliding_window": 9, "max_window_layers": 0}, none)
	f("Qwen2", keys{"sliding_window": 9, "use_sliding_window": true}, none) // from layer 28 on
	f("Qwen2", keys{"sliding_window": 9, "use_sliding_window": true, "max_window_layers": 3},
		"[0 0 0 9]")
	f("Qwen3", keys{"sliding_window": 9, "use_sliding_window": true, "max_window_layers": -1}, all)
	f("Qwen3", keys{"sliding_window": 9, "use_sliding_window": true, "layer_types": []string{
		"sliding_attention", "full_attention", "full_attention", "sliding_attention",
	}}, "[9 0 0 9]")
	f("Qwen3Moe", keys{"sliding_window": 9}, none)
	f("Qwen3Moe", keys{"sliding_window": 9, "use_sliding_window": true, "max_window_layers": 3},
		all)
}

func TestBiasesAndBases(t *testing.T) {
	f := func(architecture, want string) {
		t.Helper()
		c, err := configOf(t, architecture+"ForCausalLM", map[string]any{"attention_bias": true})
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%v %v %.4f", c.QKVBias, c.OutputBias, c.RoPE.InvFreq[1])
		if got != want {
			t.Errorf("%s: %s, want %s", architecture, got, want)
		}
	}
	f("Llama", "true true 0.3162")
	f("Mistral", "false false 0.3162")
	f("Mixtral", "false false 0.1778")
	f("Qwen2", "true false 0.3162")
	f("Qwen3", "true true 0.3162")
	f("Qwen3Moe", "true true 0.3162")
}

func TestDenseLayersOfMixtures(t *testing.T) {
	f := func(change map[string]any, want string) {
		t.Helper()
		c, err := configOf(t, "Qwen3MoeForCausalLM", change)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(c.MoE.Dense); got != want {
			t.Errorf("%v: %s, want %s", change, got, want)
		}
	}
	f(nil, "[false false false false]")
	f(map[string]any{"decoder_sparse_step": 2}, "[true false true false]")
	f(map[string]any{"mlp_only_layers": []int{0, 3}}, "[true false false true]")
}

func TestContradictingConfigs(t *testing.T) {
	f := func(architecture string, change map[string]any, want string) {
		t.Helper()
		if _, err := configOf(t, architecture+"ForCausalLM", change); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s %v: got %v, want %q", architecture, change, err, want)
		}
	}
	type keys = map[string]any
	f("Llama", keys{"num_attention_heads": 6, "num_key_value_heads": 6}, "no multiple of 6 heads")
	f("Mistral", keys{"sliding_window": -1}, "sliding_window is -1")
	f("Mistral", keys{"sliding_window": 1 << 40}, "sliding_window is")
	f("Qwen3", keys{
		"sliding_window": 9, "use_sliding_window": true,
		"layer_types": []string{"full_attention"},
	}, "1 entries for 4 layers")
	f("Qwen3", keys{
		"sliding_window": 9, "use_sliding_window": true,
		"layer_types": []string{"x", "x", "x", "x"},
	}, `layer_types[0] is "x"`)
	f("Qwen3Moe", keys{"num_experts_per_tok": 5}, "keeps 5 of 4 experts")
	f("Qwen3Moe", keys{"num_experts": 0}, "keeps 2 of 0 experts")
	f("Qwen3Moe", keys{"num_experts": 1 << 12, "num_hidden_layers": 1 << 12},
		"4096 layers of 4096 experts")
	f("Llama", keys{"rope_parameters": keys{"full_attention": keys{"rope_theta": 1}}},
		"differ by kind of layer")
	f("Llama", keys{"rope_parameters": keys{"rope_type": "longrope"}},
		`"longrope" is not supported`)
}
