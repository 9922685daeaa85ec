package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

const maxJSONSize = 1 << 28 // bytes

// FromJSON reads a Hugging Face tokenizer.json whose model is BPE. What it can't do exactly is an
// error that names it. BOS and EOS are known only as far as the post-processor adds them; see
// WithConfig. The file's truncation and padding are left to the caller.
func FromJSON(data []byte) (*Tokenizer, error) {
	t, err := fromJSON(data)
	if err != nil {
		return nil, fmt.Errorf("cannot read tokenizer.json: %w", err)
	}
	return t, nil
}

func fromJSON(data []byte) (*Tokenizer, error) {
	if len(data) > maxJSONSize {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(data), maxJSONSize)
	}
	f := &jsonFile{r: jsonReader{s: string(data)}, sections: map[string]string{}}
	if err := f.read(); err != nil {
		return nil, err
	}
	b := &builder{}
	steps := []struct {
		name string
		do   func() error
	}{
		{"added_tokens", func() error { return f.addedTokens(b) }},
		{"vocab", func() error { return f.vocab(b) }},
		{"normalizer", func() error { return b.normalizer(f.sections["normalizer"]) }},
		{"pre_tokenizer", func() error { return b.preTokenizer(f.sections["pre_tokenizer"]) }},
		{"model", func() error { return f.model(b) }},
		{"decoder", func() error { return b.decoder(f.sections["decoder"]) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	t := b.finish()
	t.bos, t.eos = -1, -1
	if err := t.postProcessor(f.sections["post_processor"]); err != nil {
		return nil, fmt.Errorf("post_processor: %w", err)
	}
	return t, nil
}

// jsonFile is a tokenizer.json taken apart.
type jsonFile struct {
	r        jsonReader
	sections map[string]string // raw JSON of the top level and, by "model.", of the model
	tokens   []jsonToken       // model.vocab
	merges   mergeList
}

type jsonToken struct {
	piece string
	id    int64
}

func (f *jsonFile) read() error {
	err := f.r.object(func(name string) error {
		if name == "model" {
			return f.r.object(f.modelField)
		}
		return f.section(name)
	})
	if err == nil && f.r.peek() != 0 {
		err = f.r.fail(errors.New("more text after the end"))
	}
	return err
}

func (f *jsonFile) section(name string) error {
	if _, ok := f.sections[name]; ok {
		return f.r.fail(fmt.Errorf("%q is there twice", name))
	}
	raw, err := f.r.raw()
	if err == nil && !json.Valid([]byte(raw)) {
		err = f.r.fail(fmt.Errorf("%q is not JSON", name))
	}
	f.sections[name] = raw
	return err
}

func (f *jsonFile) modelField(name string) error {
	switch {
	case name == "vocab" && f.r.peek() == '{':
		if f.tokens != nil {
			return f.r.fail(errors.New("vocab is there twice"))
		}
		return f.readVocab()
	case name == "merges" && f.r.peek() == '[':
		return f.readMerges()
	}
	return f.section("model." + name)
}

func (f *jsonFile) readVocab() error {
	return f.r.object(func(piece string) error {
		id, err := f.r.integer()
		if err != nil {
			return err
		}
		if id < 0 || id >= maxVocab {
			return f.r.fail(fmt.Errorf("token %.40q has id %d; ids lie in 0 to %d", piece, id,
				maxVocab-1))
		}
		if len(f.tokens) == maxVocab {
			return f.r.fail(fmt.Errorf("more than %d tokens", maxVocab))
		}
		f.tokens = append(f.tokens, jsonToken{piece, id})
		return nil
	})
}

// readMerges reads "left right" or ["left", "right"]; a file has either.
func (f *jsonFile) readMerges() error {
	if f.merges != nil {
		return f.r.fail(errors.New("merges are there twice"))
	}
	var joined joinedMerges
	var split splitMerges
	err := f.r.array(func() (err error) {
		if len(joined)+len(split) == maxMerges {
			return f.r.fail(fmt.Errorf("more than %d merges", maxMerges))
		}
		if f.r.peek() == '[' {
			var m [2]string
			m, err = f.readPair()
			split = append(split, m)
			return err
		}
		var m string
		m, err = f.r.str()
		joined = append(joined, m)
		return err
	})
	if err == nil && len(joined) > 0 && len(split) > 0 {
		err = errors.New("merges are written in two ways")
	}
	if f.merges = joined; len(split) > 0 {
		f.merges = split
	}
	return err
}

func (f *jsonFile) readPair() (pair [2]string, err error) {
	n := 0
	err = f.r.array(func() error {
		s, err := f.r.str()
		if n < 2 {
			pair[n] = s
		}
		n++
		return err
	})
	if err == nil && (n != 2 || pair[0] == "" || pair[1] == "") {
		err = f.r.fail(errors.New("a merge must have two parts"))
	}
	return pair, err
}

// unmarshal reads a small section; null and absent leave v as it is.
func unmarshal(raw string, v any) error {
	if raw == "" {
		return nil
	}
	return json.Unmarshal([]byte(raw), v)
}

func (f *jsonFile) addedTokens(b *builder) error {
	var list []struct {
		ID         *int64
		Content    string
		SingleWord bool `json:"single_word"`
		LStrip     bool `json:"lstrip"`
		RStrip     bool `json:"rstrip"`
		Normalized *bool
		Special    bool
	}
	if err := unmarshal(f.sections["added_tokens"], &list); err != nil {
		return err
	}
	for _, a := range list {
		if a.ID == nil || *a.ID < 0 || *a.ID >= maxVocab {
			return fmt.Errorf("%.40q needs an id in 0 to %d", a.Content, maxVocab-1)
		}
		if a.Content == "" {
			return fmt.Errorf("token %d is empty", *a.ID)
		}
		t := addedToken{
			id: int32(*a.ID), content: a.Content, special: a.Special, lstrip: a.LStrip,
			rstrip: a.RStrip, singleWord: a.SingleWord, normalized: !a.Special,
		}
		if a.Normalized != nil {
			t.normalized = *a.Normalized
		}
		b.added = append(b.added, t)
	}
	return nil
}

// vocab lays out model.vocab and the added tokens by id.
func (f *jsonFile) vocab(b *builder) error {
	size := int64(0)
	for _, t := range f.tokens {
		size = max(size, t.id+1)
	}
	for _, a := range b.added {
		size = max(size, int64(a.id)+1)
	}
	pieces, fl := make([]string, size), make([]flags, size)
	for _, t := range f.tokens {
		if fl[t.id] != 0 {
			return fmt.Errorf("id %d has two tokens, %q and %q", t.id, pieces[t.id], t.piece)
		}
		pieces[t.id], fl[t.id] = t.piece, flagUsed|flagModel
	}
	for _, a := range b.added {
		if fl[a.id] != 0 && pieces[a.id] != a.content {
			return fmt.Errorf("id %d has two tokens, %q and %q", a.id, pieces[a.id], a.content)
		}
		pieces[a.id] = a.content
		fl[a.id] |= flagUsed | flagAdded
		if a.special {
			fl[a.id] = fl[a.id]&^flagModel | flagSpecial
		}
	}
	return b.setVocab(pieces, fl)
}

// model reads the fields of a BPE model.
func (f *jsonFile) model(b *builder) error {
	var typ, unk, prefix, suffix *string
	var dropout *float64
	m := &b.t.model
	for _, field := range []struct {
		name string
		v    any
	}{
		{"type", &typ},
		{"unk_token", &unk},
		{"continuing_subword_prefix", &prefix},
		{"end_of_word_suffix", &suffix},
		{"dropout", &dropout},
		{"fuse_unk", &m.fuseUnk},
		{"byte_fallback", &m.byteFallback},
		{"ignore_merges", &m.ignoreMerges},
	} {
		if err := unmarshal(f.sections["model."+field.name], field.v); err != nil {
			return fmt.Errorf("%s: %w", field.name, err)
		}
	}
	switch {
	case typ != nil && *typ != "BPE":
		return fmt.Errorf("type %q is not supported; BPE is", *typ)
	case f.tokens == nil || typ == nil && f.merges == nil:
		return errors.New("no vocab and merges; only BPE models are supported")
	case prefix != nil && *prefix != "":
		return fmt.Errorf("continuing_subword_prefix %q is not supported", *prefix)
	case suffix != nil && *suffix != "":
		return fmt.Errorf("end_of_word_suffix %q is not supported", *suffix)
	case dropout != nil && *dropout != 0:
		return fmt.Errorf("dropout %v is not supported: ids must not be random", *dropout)
	}
	if unk != nil {
		id, ok := b.t.vocab.find(*unk)
		if !ok {
			return fmt.Errorf("unk_token %q is not in the vocabulary", *unk)
		}
		m.unk = id
	}
	if f.merges == nil {
		f.merges = splitMerges{}
	}
	return b.bpeFromMerges(f.merges, false)
}
