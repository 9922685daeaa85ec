package tokenizer

import (
	"fmt"
	"slices"
)

// builder collects a tokenizer's parts, whichever file they come from.
type builder struct {
	t         tables
	added     []addedToken
	byteLevel bool // a step writes words in the byte alphabet
}

// setVocab must come first.
func (b *builder) setVocab(pieces []string, fl []flags) error {
	v, err := newVocab(pieces, fl)
	if err != nil {
		return err
	}
	b.t.vocab = v
	b.t.model.vocab = &b.t.vocab
	b.t.model.unk = -1
	return nil
}

// finish returns the tokenizer; BOS, EOS and what is put around a text are still to be set.
func (b *builder) finish() *Tokenizer {
	var raw, normalized []addedToken
	for _, a := range b.added {
		if a.normalized {
			a.content = b.normalizedContent(a.content)
			normalized = append(normalized, a)
		} else {
			raw = append(raw, a)
		}
	}
	b.t.added = addedTokens{raw: newTokenFinder(raw), normalized: newTokenFinder(normalized)}
	b.t.words = newWordCache()
	return &Tokenizer{tables: &b.t}
}

func (b *builder) normalizedContent(s string) string {
	e := &encoder{t: &b.t}
	return string([]byte(e.normalize(s)))
}

// bpeFromMerges completes a model whose merges are listed.
func (b *builder) bpeFromMerges(merges mergeList, keepFirst bool) error {
	m := &b.t.model
	if err := m.setMerges(merges, keepFirst); err != nil {
		return err
	}
	if b.byteLevel && b.everyByteHasToken() {
		m.byteLevel = true
		b.setByteSymbols()
		m.mapped = !b.bytesLast()
		b.setMapped(m.mapped)
		return nil
	}
	b.setMapped(true)
	all := b.setFallbackBytes()
	if m.byteFallback && all && !b.byteLevel {
		m.joins = mergeJoins(merges)
	}
	return nil
}

// bytesLast reports whether the byte-level step is the last one.
func (b *builder) bytesLast() bool {
	_, ok := b.t.steps[len(b.t.steps)-1].(byteLevelStep)
	return ok
}

// setMapped tells the byte-level step whether what reads its words wants the byte alphabet.
func (b *builder) setMapped(mapped bool) {
	for i, s := range b.t.steps {
		if s, ok := s.(byteLevelStep); ok {
			s.mapped = mapped
			b.t.steps[i] = s
		}
	}
}

// everyByteHasToken looks at the bytes that occur in UTF-8.
func (b *builder) everyByteHasToken() bool {
	for c := range 256 {
		if c == 0xC0 || c == 0xC1 || c >= 0xF5 {
			continue
		}
		if _, ok := b.t.vocab.model(string(alphabet(byte(c)))); !ok {
			return false
		}
	}
	return true
}

func (b *builder) setByteSymbols() {
	for c := range 256 {
		id, ok := b.t.vocab.model(string(alphabet(byte(c))))
		if !ok {
			id = -1
		}
		b.t.model.byteID[c] = id
	}
}

// setFallbackBytes finds the tokens <0x00> to <0xFF> and reports whether all are there.
func (b *builder) setFallbackBytes() bool {
	all := true
	for c := range 256 {
		id, ok := b.t.vocab.find(fmt.Sprintf("<0x%02X>", c))
		if !ok || b.t.vocab.flags[id]&flagSpecial != 0 {
			id, all = -1, false
		}
		b.t.model.byteID[c] = id
	}
	return all
}

// mergeJoins returns where words may be cut: between characters that no merge's result has side by
// side. Nowhere, if merges build on fallback bytes, whose spelling is not the text's.
func mergeJoins(merges mergeList) *adjacencies {
	joins := &adjacencies{}
	for i := range merges.len() {
		left, right, err := merges.at(i)
		if err != nil || isFallbackByte(left) || isFallbackByte(right) {
			return nil
		}
		joins.add(left + right)
	}
	return joins
}

func isFallbackByte(piece string) bool {
	_, ok := fallbackByte(piece)
	return ok
}

// fallbackByte reads <0xNN>.
func fallbackByte(piece string) (byte, bool) {
	if len(piece) != 6 || piece[:3] != "<0x" || piece[5] != '>' {
		return 0, false
	}
	hi := slices.Index([]byte("0123456789ABCDEF"), piece[3])
	lo := slices.Index([]byte("0123456789ABCDEF"), piece[4])
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}

// byteLevelText appends what a token of a byte-level vocabulary stands for. Added tokens stand for
// themselves, as does what is not in the alphabet. (The reference takes added tokens for bytes too,
// so DeepSeek's added token "ö", which it finds in text, comes back from it as a broken byte.)
func (b *builder) byteLevelText(dst []byte, id int32) []byte {
	v := &b.t.vocab
	if v.flags[id]&flagAdded == 0 {
		if text, ok := alphabetBytes(dst, v.pieces[id]); ok {
			return text
		}
	}
	return append(dst, v.pieces[id]...)
}
