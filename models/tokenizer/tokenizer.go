package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// Tokenizer encodes text to token ids and decodes ids to text. It is immutable after loading and
// safe for concurrent use.
type Tokenizer struct {
	*tables
	prefix, suffix []int32 // what EncodeOptions.AddSpecial puts around the text
	bos, eos       int32   // -1 = none
}

// tables is what a tokenizer file declares; Tokenizers that differ only in the tokens around the
// text share it. All fields but the caches are read-only once it is built.
type tables struct {
	vocab    vocab
	added    addedTokens
	norm     []normalizer
	steps    []step
	model    bpe
	decoding decoding
	words    wordCache
	encoders sync.Pool // of *encoder
}

// EncodeOptions says how control tokens enter an encoding.
type EncodeOptions struct {
	// AddSpecial adds the BOS and EOS tokens that the model expects around a text.
	AddSpecial bool
	// ParseSpecial turns text that spells a control token, such as a rendered chat template, into
	// that token's id. Without it control tokens can't be written: text never yields their ids.
	ParseSpecial bool
}

// Encode appends the ids of text to dst and returns the longer slice. Bytes that are not UTF-8 are
// encoded as U+FFFD.
func (t *Tokenizer) Encode(dst []int32, text string, o EncodeOptions) []int32 {
	if o.AddSpecial {
		dst = append(dst, t.prefix...)
	}
	if len(text) > 0 {
		dst = t.encodeText(dst, text, o.ParseSpecial)
	}
	if o.AddSpecial {
		dst = append(dst, t.suffix...)
	}
	return dst
}

func (t *tables) encodeText(dst []int32, text string, parseSpecial bool) []int32 {
	if !utf8.ValidString(text) {
		text = string(appendLossy(nil, text))
	}
	e, _ := t.encoders.Get().(*encoder)
	if e == nil {
		e = newEncoder(t)
	}
	e.dst, e.parseSpecial = dst, parseSpecial
	e.text(text)
	dst = e.dst
	e.release()
	return dst
}

// Decode returns the text of ids; see Decoder for what becomes of bytes that are not UTF-8. With
// skipSpecial, control tokens are left out. Ids outside the vocabulary stand for no text.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	d := t.NewDecoder(skipSpecial)
	dst := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		dst = d.Append(dst, id)
	}
	return string(d.Flush(dst))
}

// Vocab returns the number of ids, counting unused ones: every id is in [0, Vocab).
func (t *Tokenizer) Vocab() int { return len(t.vocab.pieces) }

// ID returns the id of a token, spelled as the tokenizer file spells it.
func (t *Tokenizer) ID(token string) (int32, bool) { return t.vocab.find(token) }

// Token returns the token as the tokenizer file spells it: "Ġthe", "▁the", "<0x0A>". It is ""
// for an id that is unused or out of range.
func (t *Tokenizer) Token(id int32) string {
	if !t.vocab.has(id) {
		return ""
	}
	return t.vocab.pieces[id]
}

// TokenBytes returns the bytes of text that id stands for, inside a text: " the", "\n", or one
// byte of a character. The slice is shared and must not be changed; it is empty for an id that is
// unused or out of range.
func (t *Tokenizer) TokenBytes(id int32) []byte {
	if !t.vocab.has(id) {
		return nil
	}
	return t.decoding.bytes.at(id)
}

// IsSpecial reports whether id is a control token, which Decode leaves out with skipSpecial.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return t.vocab.has(id) && t.vocab.flags[id]&flagSpecial != 0
}

// BOS returns the id that begins a text, or -1.
func (t *Tokenizer) BOS() int32 { return t.bos }

// EOS returns the id that ends a text, or -1. A tokenizer.json does not name it: see WithConfig.
func (t *Tokenizer) EOS() int32 { return t.eos }

// AddsBOS reports whether EncodeOptions.AddSpecial begins the text with BOS.
func (t *Tokenizer) AddsBOS() bool { return len(t.prefix) > 0 && t.prefix[0] == t.bos }
