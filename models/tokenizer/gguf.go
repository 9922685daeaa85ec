package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// GGUFVocab is the tokenizer of a GGUF file: its tokenizer.ggml.* metadata.
type GGUFVocab struct {
	Model  string    // tokenizer.ggml.model: "gpt2" (byte-level BPE) or "llama" (SentencePiece)
	Pre    string    // tokenizer.ggml.pre: how "gpt2" cuts words; "" means "default"
	Tokens []string  // by id
	Scores []float32 // by id; for "llama"
	Types  []int32   // by id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
	Merges []string  // "left right", the first is merged first; for "gpt2"
	// Token ids, -1 where the file has none.
	BOS, EOS, UNK int32
	// nil where the file has no such key: the default of its model then holds.
	AddBOS, AddEOS, AddSpacePrefix *bool
}

const (
	typeNormal      = 1
	typeUnknown     = 2
	typeControl     = 3
	typeUserDefined = 4
	typeUnused      = 5
	typeByte        = 6
)

const knownModels = `"gpt2" (byte-level BPE) and "llama" (SentencePiece BPE)`

// FromGGUF builds the tokenizer of a GGUF file. It keeps nothing of v's memory. An unknown model or
// pre-tokenizer is an error that names the known ones, never a guess.
func FromGGUF(v GGUFVocab) (*Tokenizer, error) {
	var t *Tokenizer
	err := v.check()
	if err == nil {
		switch v.Model {
		case "gpt2":
			t, err = v.byteLevel()
		case "llama":
			t, err = v.sentencePiece()
		default:
			err = fmt.Errorf("tokenizer.ggml.model %q is not supported; %s are", v.Model,
				knownModels)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the GGUF tokenizer: %w", err)
	}
	return t, nil
}

func (v *GGUFVocab) check() error {
	n := len(v.Tokens)
	switch {
	case n == 0:
		return errors.New("tokenizer.ggml.tokens is empty")
	case n > maxVocab:
		return fmt.Errorf("%d tokens, more than %d", n, maxVocab)
	case len(v.Merges) > maxMerges:
		return fmt.Errorf("%d merges, more than %d", len(v.Merges), maxMerges)
	case len(v.Types) != 0 && len(v.Types) != n:
		return fmt.Errorf("%d token types for %d tokens", len(v.Types), n)
	case len(v.Scores) != 0 && len(v.Scores) != n:
		return fmt.Errorf("%d scores for %d tokens", len(v.Scores), n)
	}
	for id, typ := range v.Types {
		if typ < typeNormal || typ > typeByte {
			return fmt.Errorf("token %d has type %d; types are 1 to 6", id, typ)
		}
	}
	for _, k := range []struct {
		name string
		id   int32
	}{{"bos", v.BOS}, {"eos", v.EOS}, {"unknown", v.UNK}} {
		if k.id < -1 || int(k.id) >= n {
			return fmt.Errorf("tokenizer.ggml.%s_token_id %d is not in 0 to %d", k.name, k.id, n-1)
		}
	}
	return nil
}

// typeOf gives BOS and EOS of a file without types theirs.
func (v *GGUFVocab) typeOf(id int) int32 {
	if len(v.Types) > 0 {
		return v.Types[id]
	}
	switch int32(id) {
	case v.BOS, v.EOS:
		return typeControl
	case v.UNK:
		return typeUnknown
	}
	return typeNormal
}

// isPadding recognises the tokens that converters put where the model has more ids than the
// tokenizer has tokens. Text must not become one.
func isPadding(piece string, id int) bool {
	return strings.HasPrefix(piece, "[PAD") && piece == "[PAD"+strconv.Itoa(id)+"]"
}

// load sets the builder's vocabulary; user says which flags a user-defined token has.
func (v *GGUFVocab) load(b *builder) error {
	fl := make([]flags, len(v.Tokens))
	for id, piece := range v.Tokens {
		f := flagUsed
		switch typ := v.typeOf(id); {
		case isPadding(piece, id):
		case typ == typeControl, typ == typeUnknown:
			f |= flagAdded | flagSpecial
		case typ == typeUserDefined && piece != "":
			f |= flagAdded
		default:
			f |= flagModel
		}
		if f&flagAdded != 0 && piece != "" {
			b.added = append(b.added,
				addedToken{id: int32(id), content: piece, special: f&flagSpecial != 0})
		}
		fl[id] = f
	}
	return b.setVocab(v.Tokens, fl)
}

func (v *GGUFVocab) byteLevel() (*Tokenizer, error) {
	p, err := presetOf(v.Pre)
	if err != nil {
		return nil, err
	}
	if len(v.Merges) == 0 {
		return nil, errors.New(`model "gpt2" needs tokenizer.ggml.merges`)
	}
	b := &builder{}
	if err := v.load(b); err != nil {
		return nil, err
	}
	if err := p.apply(b); err != nil {
		return nil, err
	}
	if err := b.bpeFromMerges(joinedMerges(v.Merges), true); err != nil {
		return nil, err
	}
	if err := b.setTexts(b.byteLevelText); err != nil {
		return nil, err
	}
	return v.finish(b, p.addBOS), nil
}

func (v *GGUFVocab) sentencePiece() (*Tokenizer, error) {
	if len(v.Scores) == 0 {
		return nil, errors.New(`model "llama" needs tokenizer.ggml.scores`)
	}
	b := &builder{}
	if err := v.load(b); err != nil {
		return nil, err
	}
	b.t.norm = []normalizer{replaceText{" ", "▁"}}
	space := isTrue(v.AddSpacePrefix, true)
	if space {
		b.t.norm = []normalizer{prependText("▁"), replaceText{" ", "▁"}}
		b.t.decoding.strip, b.t.decoding.stripByte = 1, ' '
	}
	if err := v.scoredModel(b); err != nil {
		return nil, err
	}
	b.t.decoding.perByte = true
	if err := b.setTexts(b.pieceText); err != nil {
		return nil, err
	}
	return v.finish(b, true), nil
}

// scoredModel sets up merging by scores.
func (v *GGUFVocab) scoredModel(b *builder) error {
	m := &b.t.model
	m.byteFallback, m.fuseUnk = true, true
	all := b.setFallbackBytes()
	for _, id := range m.byteID {
		if id < 0 {
			continue
		}
		if len(v.Types) > 0 && v.Types[id] != typeByte {
			return fmt.Errorf("token %d, %q, must be of type %d (byte), has %d", id,
				b.t.vocab.pieces[id], typeByte, v.Types[id])
		}
		b.t.vocab.flags[id] = b.t.vocab.flags[id]&^flagModel | flagByte
	}
	if m.unk = v.UNK; m.unk < 0 {
		m.unk = int32(slices.Index(v.Types, typeUnknown))
	}
	if !all && m.unk < 0 {
		return errors.New("it has neither tokens for all bytes nor an unknown token")
	}
	if all {
		m.joins = &adjacencies{}
		for id, piece := range b.t.vocab.pieces {
			if b.t.vocab.flags[id]&flagModel != 0 {
				m.joins.add(piece)
			}
		}
	}
	return m.setScores(v.Scores)
}

// pieceText returns what a SentencePiece token stands for.
func (b *builder) pieceText(dst []byte, id int32) []byte {
	piece := b.t.vocab.pieces[id]
	switch {
	case b.t.vocab.flags[id]&flagByte != 0:
		c, _ := fallbackByte(piece)
		return append(dst, c)
	case b.t.vocab.flags[id]&flagSpecial != 0:
		return append(dst, piece...)
	}
	return appendReplaced(dst, piece, "▁", " ")
}

// finish sets BOS and EOS and whether they are added.
func (v *GGUFVocab) finish(b *builder, addBOS bool) *Tokenizer {
	t := b.finish()
	t.bos, t.eos = v.BOS, v.EOS
	if isTrue(v.AddBOS, addBOS) && v.BOS >= 0 {
		t.prefix = []int32{v.BOS}
	}
	if isTrue(v.AddEOS, false) && v.EOS >= 0 {
		t.suffix = []int32{v.EOS}
	}
	return t
}
