package models

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"basalt/runtime"
)

// family is how an architecture differs from the shared decoder.
type family struct {
	hf      string  // name in config.json
	gguf    string  // name in GGUF metadata; Mixtral and Mistral come as llama
	theta   float64 // rotary base where none is given, 0 for 10,000
	qkNorm  bool    // norms on query and key heads
	biases  bool    // attention_bias counts
	qkvBias bool    // query, key and value always have a bias
	moe     bool
	window  windowRule
	// expert names the matrices of an expert and the router below "model.layers.N."
	block, router    string
	gate, up, downst string
}

// windowRule says which layers sliding_window holds for; IfUsed asks for use_sliding_window too.
type windowRule uint8

const (
	noLayers windowRule = iota
	allLayers
	allLayersIfUsed
	lateLayersIfUsed // those of layer_types, or from max_window_layers on
)

// families is the table of what can be served. Its sources are the models' own code in Hugging Face
// transformers (models/llama, mistral, qwen2, qwen3, mixtral, qwen3_moe).
var families = map[string]family{
	"llama":   {hf: "LlamaForCausalLM", gguf: "llama", biases: true},
	"mistral": {hf: "MistralForCausalLM", window: allLayers},
	"qwen2":   {hf: "Qwen2ForCausalLM", gguf: "qwen2", qkvBias: true, window: lateLayersIfUsed},
	"qwen3": {
		hf: "Qwen3ForCausalLM", gguf: "qwen3", qkNorm: true, biases: true,
		window: lateLayersIfUsed,
	},
	"mixtral": {
		hf: "MixtralForCausalLM", theta: 1e6, moe: true, window: allLayers,
		block: "block_sparse_moe", router: "gate", gate: "w1", up: "w3", downst: "w2",
	},
	"qwen3_moe": {
		hf: "Qwen3MoeForCausalLM", gguf: "qwen3moe", qkNorm: true, moe: true, biases: true,
		window: allLayersIfUsed, block: "mlp", router: "gate", gate: "gate_proj", up: "up_proj",
		downst: "down_proj",
	},
}

// familyOf finds a family by the architecture's name in config.json.
func familyOf(architecture string) (string, error) {
	for name, f := range families {
		if f.hf == architecture {
			return name, nil
		}
	}
	return "", fmt.Errorf("unknown architecture %q; known are %s", architecture,
		knownArchitectures())
}

func knownArchitectures() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(families)) {
		names = append(names, families[name].hf)
	}
	return strings.Join(names, ", ")
}

// Program records the forward pass of a configuration.
func Program(name string, c Config) (*runtime.Program, error) {
	f, ok := families[c.Family]
	if !ok {
		return nil, fmt.Errorf("BUG: no family %q", c.Family)
	}
	kv := runtime.KVSpec{Layers: c.Layers, KVHeads: c.Heads.KV, Dim: c.Heads.Dim}
	d := decoder{Builder: runtime.NewBuilder(name, c.Vocab, kv), c: c, f: f}
	d.record()
	return d.Build()
}
