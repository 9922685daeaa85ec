package models

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
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

// readGeneration reads generation_config.json, where there is one.
func readGeneration(dir fs.FS, vocab int) (GenerationConfig, error) {
	var g GenerationConfig
	data, err := readOptional(dir, "generation_config.json", maxConfig)
	if err != nil || data == nil {
		return g, err
	}
	if err := json.Unmarshal(data, &g); err != nil {
		return g, fmt.Errorf("cannot read generation_config.json: %w", err)
	}
	ids := g.EOS
	g.EOS = nil
	g.addEOS(vocab, ids...)
	return g, nil
}

// addEOS adds the ids that are tokens.
func (g *GenerationConfig) addEOS(vocab int, ids ...int32) {
	for _, id := range ids {
		if id >= 0 && int(id) < vocab && !slices.Contains(g.EOS, id) {
			g.EOS = append(g.EOS, id)
		}
	}
}

// addedToken finds the id of a token in the list of added tokens of tokenizer.json, which holds all
// special ones; -1 when it is not there.
func addedToken(tokenizerJSON []byte, content string) int32 {
	dec := json.NewDecoder(bytes.NewReader(tokenizerJSON))
	if t, err := dec.Token(); content == "" || err != nil || t != json.Delim('{') {
		return -1
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return -1
		}
		if key != "added_tokens" { // it comes before the vocabulary
			var skipped json.RawMessage
			if dec.Decode(&skipped) != nil {
				return -1
			}
			continue
		}
		var tokens []struct {
			ID      int32  `json:"id"`
			Content string `json:"content"`
		}
		if dec.Decode(&tokens) != nil {
			return -1
		}
		for _, t := range tokens {
			if t.Content == content {
				return t.ID
			}
		}
		return -1
	}
	return -1
}

// endOfTurn are tokens that end an answer in the published chat formats of the families served
// here, though a GGUF file names only one of them as its end of sequence: Llama 3's end of turn, of
// a message that calls a tool, and of text; ChatML's end of message, which Qwen and many tuned
// models use; the end of text of GPT-2's line, which Qwen's base models end with.
var endOfTurn = []string{
	"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|im_end|>",
	"<|endoftext|>",
}

// EndsTurn says whether a control token of that text is known to end an answer.
func EndsTurn(token string) bool { return slices.Contains(endOfTurn, token) }

// ggufGeneration collects the end-of-sequence set of a GGUF file: its eos and eot ids, and tokens
// that are known to end an answer and are marked as control tokens; and the defaults of sampling.
func ggufGeneration(f *gguf.File, vocab int) GenerationConfig {
	g := ggufSampling(f)
	g.addEOS(vocab, ggufToken(f, "eos"), ggufToken(f, "eot"), ggufToken(f, "eom"))
	types, _ := f.Ints("tokenizer.ggml.token_type")
	const control = 3
	for i, t := range f.EachString("tokenizer.ggml.tokens") {
		if i < len(types) && types[i] == control && slices.Contains(endOfTurn, string(t)) {
			g.addEOS(vocab, int32(i))
		}
	}
	return g
}

// ggufSampling reads the keys by which llama.cpp says what generation_config.json does.
func ggufSampling(f *gguf.File) GenerationConfig {
	number := func(key string) *float32 {
		x, ok := f.Float("general.sampling." + key)
		if !ok {
			return nil
		}
		narrow := float32(x)
		return &narrow
	}
	g := GenerationConfig{
		Temperature: number("temp"), TopP: number("top_p"), MinP: number("min_p"),
		RepetitionPenalty: number("penalty_repeat"),
	}
	if n, ok := f.Int("general.sampling.top_k"); ok && n == int64(int32(n)) {
		k := int(n)
		g.TopK = &k
	}
	return g
}
