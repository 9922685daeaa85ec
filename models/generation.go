package models

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"basalt/models/gguf"
	"basalt/runtime"
)

// GenerationConfig is what a checkpoint says about sampling. Fields that it does not set are nil.
type GenerationConfig struct {
	EOS               intOrSlice `json:"eos_token_id"`
	Temperature       *float32   `json:"temperature"`
	TopK              *int       `json:"top_k"`
	TopP              *float32   `json:"top_p"`
	MinP              *float32   `json:"min_p"`
	RepetitionPenalty *float32   `json:"repetition_penalty"`
}

// Sampling is the default of requests that ask for nothing else. Values that make no sense are left
// out.
func (g *GenerationConfig) Sampling() runtime.SamplingParams {
	p := runtime.DefaultSampling()
	set := func(to *float32, from *float32, low, high float32) {
		if from != nil && *from >= low && *from <= high {
			*to = *from
		}
	}
	set(&p.Temperature, g.Temperature, 0, 100)
	set(&p.TopP, g.TopP, 1e-6, 1)
	set(&p.MinP, g.MinP, 0, 1)
	set(&p.RepetitionPenalty, g.RepetitionPenalty, 1e-3, 100)
	if g.TopK != nil && *g.TopK > 0 {
		p.TopK = *g.TopK
	}
	return p
}

// readGeneration reads generation_config.json; ids of config.json join its end-of-sequence set.
func readGeneration(dir string, h *hfConfig) (GenerationConfig, error) {
	var g GenerationConfig
	data, err := os.ReadFile(filepath.Join(dir, "generation_config.json"))
	if err == nil {
		if err := json.Unmarshal(data, &g); err != nil {
			return g, fmt.Errorf("cannot read generation_config.json: %w", err)
		}
	}
	g.addEOS(h.Vocab, h.EOS...)
	return g, nil
}

func (g *GenerationConfig) addEOS(vocab int, ids ...int32) {
	for _, id := range ids {
		if id >= 0 && int(id) < vocab && !slices.Contains(g.EOS, id) {
			g.EOS = append(g.EOS, id)
		}
	}
}

// endOfTurn are tokens that end an answer in the published chat formats of the families served
// here.
var endOfTurn = []string{"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|im_end|>",
	"<|endoftext|>"}

// ggufGeneration collects the end-of-sequence set of a GGUF file: its eos and eot ids, and tokens
// that are known to end an answer and are marked as control tokens.
func ggufGeneration(f *gguf.File, vocab int) GenerationConfig {
	var g GenerationConfig
	g.addEOS(vocab, ggufToken(f, "eos"), ggufToken(f, "eot"), ggufToken(f, "eom"))
	tokens, _ := f.Strings("tokenizer.ggml.tokens")
	types, _ := f.Ints("tokenizer.ggml.token_type")
	const control = 3
	for i, t := range tokens {
		if i < len(types) && types[i] == control && slices.Contains(endOfTurn, t) {
			g.addEOS(vocab, int32(i))
		}
	}
	return g
}
