package quantize

import (
	"encoding/json"
	"errors"
	"slices"

	"basalt/models"
	"basalt/models/gguf"
	"basalt/models/tokenizer"
)

// setVocab writes tokenizer, chat template, special tokens and the defaults of sampling.
func setVocab(meta *gguf.Meta, m *models.Model) error {
	if m.TokenizerJSON == nil {
		return errors.New("it has no tokenizer.json, and a GGUF file needs its tokenizer")
	}
	v, err := tokenizer.ExportGGUF(m.TokenizerJSON, m.TokenizerConfig, m.Config.Vocab)
	if err != nil {
		return err
	}
	const prefix = "tokenizer.ggml."
	meta.SetString(prefix+"model", v.Model)
	meta.SetString(prefix+"pre", v.Pre)
	meta.SetStrings(prefix+"tokens", v.Tokens)
	if v.Scores != nil {
		meta.SetFloat32s(prefix+"scores", v.Scores)
	}
	meta.SetInt32s(prefix+"token_type", v.Types)
	if v.Merges != nil {
		meta.SetStrings(prefix+"merges", v.Merges)
	}
	setTokens(meta, m, &v)
	meta.SetBool(prefix+"add_bos_token", *v.AddBOS)
	meta.SetBool(prefix+"add_eos_token", *v.AddEOS)
	if v.AddSpacePrefix != nil {
		meta.SetBool(prefix+"add_space_prefix", *v.AddSpacePrefix)
	}
	if m.ChatTemplate != "" {
		meta.SetString("tokenizer.chat_template", m.ChatTemplate)
	}
	setSampling(meta, &m.Generation)
	return nil
}

// setTokens names the special tokens. Further ends of an answer, which readers do not recognise by
// their text, become end of turn and end of message.
func setTokens(meta *gguf.Meta, m *models.Model, v *tokenizer.GGUFVocab) {
	set := func(which string, id int32) {
		if id >= 0 {
			meta.SetUint32("tokenizer.ggml."+which+"_token_id", uint32(id))
		}
	}
	eos, rest := v.EOS, []string{"eot", "eom"}
	if eos < 0 && len(m.Generation.EOS) > 0 {
		eos = m.Generation.EOS[0]
	}
	set("bos", v.BOS)
	set("eos", eos)
	set("unknown", v.UNK)
	set("padding", paddingToken(m.TokenizerConfig, v.Tokens))
	for _, id := range m.Generation.EOS {
		if id == eos || models.EndsTurn(v.Tokens[id]) || len(rest) == 0 {
			continue
		}
		set(rest[0], id)
		rest = rest[1:]
	}
}

// paddingToken finds pad_token of tokenizer_config.json; -1 when there is none.
func paddingToken(config []byte, tokens []string) int32 {
	var c struct {
		Pad json.RawMessage `json:"pad_token"`
	}
	var text string
	var object struct{ Content string }
	if json.Unmarshal(config, &c) != nil {
		return -1
	}
	if json.Unmarshal(c.Pad, &text) != nil && json.Unmarshal(c.Pad, &object) == nil {
		text = object.Content
	}
	if text == "" {
		return -1
	}
	return int32(slices.Index(tokens, text))
}

func setSampling(meta *gguf.Meta, g *models.GenerationConfig) {
	set := func(key string, x *float32) {
		if x != nil {
			meta.SetFloat32("general.sampling."+key, *x)
		}
	}
	set("temp", g.Temperature)
	set("top_p", g.TopP)
	set("min_p", g.MinP)
	set("penalty_repeat", g.RepetitionPenalty)
	if g.TopK != nil {
		meta.SetInt32("general.sampling.top_k", int32(*g.TopK))
	}
}
