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
	hf          string // name in config.json
	gguf        string // name in GGUF metadata; Mixtral and Mistral come as llama
	qkNorm      bool   // norms on query and key heads
	moe         bool
	lateWindows bool // layers before max_window_layers have no window
	// expert names the matrices of an expert and the router below "model.layers.N."
	block, router    string
	gate, up, downst string
}

// families is the table of what can be served. Its sources are the models' own code in Hugging Face
// transformers (models/llama, mistral, qwen2, qwen3, mixtral, qwen3_moe).
var families = map[string]family{
	"llama":   {hf: "LlamaForCausalLM", gguf: "llama"},
	"mistral": {hf: "MistralForCausalLM"},
	"qwen2":   {hf: "Qwen2ForCausalLM", gguf: "qwen2", lateWindows: true},
	"qwen3":   {hf: "Qwen3ForCausalLM", gguf: "qwen3", qkNorm: true, lateWindows: true},
	"mixtral": {
		hf: "MixtralForCausalLM", moe: true, block: "block_sparse_moe", router: "gate",
		gate: "w1", up: "w3", downst: "w2",
	},
	"qwen3_moe": {
		hf: "Qwen3MoeForCausalLM", gguf: "qwen3moe", qkNorm: true, moe: true, block: "mlp",
		router: "gate", gate: "gate_proj", up: "up_proj", downst: "down_proj",
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
