package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// postProcessor finds what is put around a text.
func (t *Tokenizer) postProcessor(raw string) error {
	p, err := t.template(raw, 0)
	if err != nil || p == nil {
		return err
	}
	t.prefix, t.suffix = p.prefix, p.suffix
	if len(p.prefix) > 0 {
		t.bos = p.prefix[0]
	}
	if n := len(p.suffix); n > 0 {
		t.eos = p.suffix[n-1]
	}
	return nil
}

type around struct{ prefix, suffix []int32 }

type templatePiece struct {
	SpecialToken *struct{ ID string }
	Sequence     *struct{ ID string }
}

// template returns what a post-processor adds, or nil.
func (t *Tokenizer) template(raw string, depth int) (*around, error) {
	var p struct {
		Type          string
		Processors    []json.RawMessage
		Single        []templatePiece
		SpecialTokens map[string]struct{ IDs []int32 } `json:"special_tokens"`
		Cls, Sep      [2]any
	}
	if err := unmarshal(raw, &p); err != nil || p.Type == "" {
		return nil, err
	}
	switch p.Type {
	case "ByteLevel":
		return nil, nil
	case "Sequence":
		return t.templates(p.Processors, depth+1)
	case "BertProcessing", "RobertaProcessing":
		return t.clsSep(p.Cls, p.Sep)
	case "TemplateProcessing":
	default:
		return nil, fmt.Errorf("type %q is not supported", p.Type)
	}
	a, seen := &around{}, false
	for _, piece := range p.Single {
		switch {
		case piece.Sequence != nil && !seen:
			seen = true
		case piece.SpecialToken != nil:
			token, ok := p.SpecialTokens[piece.SpecialToken.ID]
			if !ok {
				return nil, fmt.Errorf("special token %q is not defined", piece.SpecialToken.ID)
			}
			if err := t.addAround(a, seen, token.IDs); err != nil {
				return nil, err
			}
		default:
			return nil, errors.New("the single template must be special tokens around one sequence")
		}
	}
	if !seen {
		return nil, errors.New("the single template has no sequence")
	}
	return a, nil
}

func (t *Tokenizer) addAround(a *around, behind bool, ids []int32) error {
	for _, id := range ids {
		if !t.vocab.has(id) {
			return fmt.Errorf("id %d is not in the vocabulary", id)
		}
	}
	if behind {
		a.suffix = append(a.suffix, ids...)
	} else {
		a.prefix = append(a.prefix, ids...)
	}
	return nil
}

// templates applies a sequence: the later ones add outside of the earlier ones.
func (t *Tokenizer) templates(list []json.RawMessage, depth int) (*around, error) {
	if depth > maxComponentDepth {
		return nil, fmt.Errorf("more than %d sequences within each other", maxComponentDepth)
	}
	sum := &around{}
	for _, raw := range list {
		a, err := t.template(string(raw), depth)
		if err != nil {
			return nil, err
		}
		if a != nil {
			sum.prefix = slices.Concat(a.prefix, sum.prefix)
			sum.suffix = slices.Concat(sum.suffix, a.suffix)
		}
	}
	return sum, nil
}

// clsSep reads ["[CLS]", 101] and ["[SEP]", 102].
func (t *Tokenizer) clsSep(cls, sep [2]any) (*around, error) {
	a := &around{}
	for i, token := range [][2]any{cls, sep} {
		id, ok := token[1].(float64)
		if !ok || id < 0 || id >= maxVocab || id != float64(int32(id)) {
			return nil, fmt.Errorf("cls and sep must be [token, id], have %v", token)
		}
		if err := t.addAround(a, i == 1, []int32{int32(id)}); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// WithConfig returns a tokenizer that also follows a tokenizer_config.json: which tokens are BOS
// and EOS, and whether AddSpecial adds them where the file says so (add_bos_token, add_eos_token).
func (t *Tokenizer) WithConfig(data []byte) (*Tokenizer, error) {
	var c struct {
		BOS    json.RawMessage `json:"bos_token"`
		EOS    json.RawMessage `json:"eos_token"`
		AddBOS *bool           `json:"add_bos_token"`
		AddEOS *bool           `json:"add_eos_token"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("cannot read tokenizer_config.json: %w", err)
	}
	n := *t
	for _, token := range []struct {
		name string
		raw  json.RawMessage
		id   *int32
	}{{"bos_token", c.BOS, &n.bos}, {"eos_token", c.EOS, &n.eos}} {
		if err := t.configToken(token.raw, token.id); err != nil {
			return nil, fmt.Errorf("cannot read tokenizer_config.json: %s: %w", token.name, err)
		}
	}
	n.prefix = configAdds(n.prefix, n.bos, c.AddBOS, 0)
	n.suffix = configAdds(n.suffix, n.eos, c.AddEOS, len(n.suffix))
	return &n, nil
}

// configToken reads "<s>" or {"content": "<s>"}.
func (t *Tokenizer) configToken(raw json.RawMessage, id *int32) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var content string
	if strings.HasPrefix(string(raw), "{") {
		var object struct{ Content string }
		if err := json.Unmarshal(raw, &object); err != nil {
			return err
		}
		content = object.Content
	} else if err := json.Unmarshal(raw, &content); err != nil {
		return err
	}
	found, ok := t.vocab.find(content)
	if !ok {
		return errors.New("token " + strconv.Quote(content) + " is not in the vocabulary")
	}
	*id = found
	return nil
}

// configAdds applies add_bos_token or add_eos_token to what is put on one side of the text, whose
// outer end is at place outer.
func configAdds(now []int32, id int32, add *bool, outer int) []int32 {
	if add == nil || id < 0 {
		return now
	}
	has := len(now) > 0 && now[min(outer, len(now)-1)] == id
	switch {
	case *add && !has && outer == 0:
		return slices.Concat([]int32{id}, now)
	case *add && !has:
		return slices.Concat(now, []int32{id})
	case !*add && has && outer == 0:
		return now[1:]
	case !*add && has:
		return now[:len(now)-1]
	}
	return now
}
