package tokenizer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	noRank    = math.MaxUint32 // greater than every rank
	shortWord = 32             // symbols; above it a heap finds the next merge
)

// bpe encodes words. A word begins as one symbol per byte or character; then of all adjacent pairs
// that have a rank the lowest rank, leftmost first, becomes one symbol, until no pair has one.
// Ranks come from a list of merges, or from SentencePiece's scores: the rank of a pair is then
// that of the token which the pair spells.
type bpe struct {
	vocab        *vocab
	byteLevel    bool         // symbols are bytes; byteID holds their tokens
	mapped       bool         // byteLevel, but words arrive in the byte alphabet
	byteID       [256]int32   // byteLevel: symbols; otherwise fallback tokens; -1 = none
	byteFallback bool         // a character without token becomes its bytes' tokens
	pairs        pairTable    // merges
	ranks        []uint32     // by id, when scores rank the merges; nil = pairs
	longest      int          // bytes of the longest token, when scores rank the merges
	unk          int32        // for a character that nothing else encodes, -1 = dropped
	fuseUnk      bool         // a run of such characters is one token
	ignoreMerges bool         // a word that is a token is that token
	joins        *adjacencies // where a word may be cut without changing its tokens; nil = nowhere
}

// symbol is a piece of a word under merging.
type symbol struct {
	id         int32  // -1 = no token spells it (yet)
	start      int32  // byte offset in the word; -1 = merged into the symbol before
	rank       uint32 // of the pair with the next symbol
	into       int32  // the token which that pair becomes
	prev, next int32  // neighbours, -1 = none; only used above shortWord
}

// append encodes one word, cutting it first where no merge can cross.
func (m *bpe) append(e *encoder, dst []int32, word string) []int32 {
	if m.joins == nil {
		return m.appendCached(e, dst, word)
	}
	if m.ignoreMerges {
		if id, ok := m.whole(e, word); ok {
			return append(dst, id)
		}
	}
	start := 0
	for at, prev := 0, rune(-1); at < len(word); {
		r, n := utf8.DecodeRuneInString(word[at:])
		if at > 0 && !m.joins.has(prev, r) {
			dst = m.appendCached(e, dst, word[start:at])
			start = at
		}
		prev, at = r, at+n
	}
	return m.appendCached(e, dst, word[start:])
}

func (m *bpe) appendCached(e *encoder, dst []int32, word string) []int32 {
	if len(word) > maxCachedWord {
		return m.appendWord(e, dst, word)
	}
	h := e.t.words.hash(word)
	if ids := e.t.words.get(h, word); ids != nil {
		return append(dst, ids...)
	}
	n := len(dst)
	dst = m.appendWord(e, dst, word)
	e.t.words.put(h, word, dst[n:])
	return dst
}

func (m *bpe) appendWord(e *encoder, dst []int32, word string) []int32 {
	if m.ignoreMerges {
		if id, ok := m.whole(e, word); ok {
			return append(dst, id)
		}
	}
	if m.mapped {
		e.unmapped = appendUnmapped(e.unmapped[:0], word)
		word = view(e.unmapped)
	}
	e.symbols = m.split(e.symbols[:0], word)
	if len(e.symbols) <= shortWord {
		e.symbols = m.mergeShort(e.symbols, word)
	} else {
		e.heap = m.mergeLong(e.symbols, e.heap[:0], word)
	}
	return m.appendIDs(dst, e.symbols, word)
}

// whole returns the token that is the word.
func (m *bpe) whole(e *encoder, word string) (int32, bool) {
	if m.byteLevel && !m.mapped {
		e.mapped = appendMapped(e.mapped[:0], word)
		word = view(e.mapped)
	}
	return m.vocab.model(word)
}

func (m *bpe) split(dst []symbol, word string) []symbol {
	switch {
	case m.byteLevel:
		dst = slices.Grow(dst, len(word))
		for i := range len(word) {
			if id := m.byteID[word[i]]; id >= 0 {
				dst = append(dst, symbol{id: id, start: int32(i)})
			}
		}
		return dst
	case m.ranks != nil:
		for i := 0; i < len(word); {
			n := runeLen(word[i:])
			id, ok := m.vocab.model(word[i : i+n])
			if !ok {
				id = -1
			}
			dst = append(dst, symbol{id: id, start: int32(i)})
			i += n
		}
		return dst
	}
	return m.splitCharacters(dst, word)
}

// splitCharacters keeps the reference's order: an unknown character waits until the next known one
// (or the end) is met, so fallback bytes in between come first.
func (m *bpe) splitCharacters(dst []symbol, word string) []symbol {
	unknown := false
	for i := 0; i < len(word); {
		n := runeLen(word[i:])
		if id, ok := m.vocab.model(word[i : i+n]); ok {
			if unknown {
				dst = append(dst, symbol{id: m.unk, start: int32(i)})
				unknown = false
			}
			dst = append(dst, symbol{id: id, start: int32(i)})
		} else if m.byteFallback && m.hasBytes(word[i:i+n]) {
			for j := range n {
				dst = append(dst, symbol{id: m.byteID[word[i+j]], start: int32(i + j)})
			}
		} else if m.unk >= 0 {
			if unknown && !m.fuseUnk {
				dst = append(dst, symbol{id: m.unk, start: int32(i)})
			}
			unknown = true
		}
		i += n
	}
	if unknown {
		dst = append(dst, symbol{id: m.unk, start: int32(len(word))})
	}
	return dst
}

func (m *bpe) hasBytes(s string) bool {
	for i := range len(s) {
		if m.byteID[s[i]] < 0 {
			return false
		}
	}
	return true
}

// link sets the rank of the pair that begins at i and continues at j.
func (m *bpe) link(sy []symbol, i, j int32, word string) {
	s := &sy[i]
	s.rank = noRank
	if j < 0 || int(j) >= len(sy) {
		return
	}
	if m.ranks == nil {
		s.rank, s.into = m.pairs.get(s.id, sy[j].id)
		return
	}
	end := len(word)
	if after := m.after(sy, j); after >= 0 {
		end = int(sy[after].start)
	}
	if end-int(s.start) > m.longest {
		return
	}
	if id, ok := m.vocab.model(word[s.start:end]); ok {
		s.rank, s.into = m.ranks[id], id
	}
}

// after returns the symbol after j, or -1.
func (m *bpe) after(sy []symbol, j int32) int32 {
	if len(sy) > shortWord {
		return sy[j].next
	}
	if int(j)+1 < len(sy) {
		return j + 1
	}
	return -1
}

func (m *bpe) mergeShort(sy []symbol, word string) []symbol {
	for i := range sy {
		m.link(sy, int32(i), int32(i)+1, word)
	}
	for {
		best, rank := -1, uint32(noRank)
		for i := range sy {
			if sy[i].rank < rank {
				best, rank = i, sy[i].rank
			}
		}
		if best < 0 {
			return sy
		}
		sy[best].id = sy[best].into
		sy = append(sy[:best+1], sy[best+2:]...)
		m.link(sy, int32(best), int32(best)+1, word)
		if best > 0 {
			m.link(sy, int32(best)-1, int32(best), word)
		}
	}
}

func (m *bpe) appendIDs(dst []int32, sy []symbol, word string) []int32 {
	lastUnk := false
	for i := range sy {
		s := &sy[i]
		if s.start < 0 {
			continue
		}
		if s.id >= 0 {
			dst, lastUnk = append(dst, s.id), false
			continue
		}
		c := word[s.start:]
		c = c[:runeLen(c)]
		if m.hasBytes(c) {
			for j := range len(c) {
				dst = append(dst, m.byteID[c[j]])
			}
			lastUnk = false
		} else if !(lastUnk && m.fuseUnk) {
			dst, lastUnk = append(dst, m.unk), true
		}
	}
	return dst
}

// runeAt returns the character at s[i] and its length.
func runeAt(s string, i int) (rune, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	return utf8.DecodeRuneInString(s[i:])
}

// runeLen returns the number of bytes of the first character of s, which is UTF-8 and not empty.
func runeLen(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// pairTable maps pairs of ids to the rank and the result of their merge.
type pairTable struct {
	slots []pairSlot // open addressing, a power of two, at most three quarters full
	seed  uint64
}

type pairSlot struct {
	key  uint64 // left<<32 | right, plus 1; 0 = free
	rank uint32
	into int32
}

func newPairTable(n int) pairTable {
	size := 16
	for size < n+n/3+1 {
		size *= 2
	}
	t := pairTable{slots: make([]pairSlot, size), seed: rand.Uint64()}
	clear(t.slots) // as in newVocab
	return t
}

func pairKey(left, right int32) uint64 {
	return (uint64(uint32(left))<<32 | uint64(uint32(right))) + 1
}

// home is the place where a key is looked for first.
func (t *pairTable) home(key uint64) uint64 {
	h := (key ^ t.seed) * 0x9E3779B97F4A7C15
	h = (h ^ h>>32) * 0xD6E8FEB86659FD93
	return h >> 32 & uint64(len(t.slots)-1)
}

func (t *pairTable) slot(key uint64) *pairSlot {
	mask := uint64(len(t.slots) - 1)
	for at := t.home(key); ; at = (at + 1) & mask {
		if s := &t.slots[at]; s.key == key || s.key == 0 {
			return s
		}
	}
}

func (t *pairTable) get(left, right int32) (rank uint32, into int32) {
	key := pairKey(left, right)
	if s := t.slot(key); s.key == key {
		return s.rank, s.into
	}
	return noRank, -1
}

// mergeList is the list of merges of a file, the first to be merged first.
type mergeList interface {
	len() int
	at(i int) (left, right string, err error)
}

// joinedMerges are written "left right", as in all files whose tokens contain no space.
type joinedMerges []string

func (m joinedMerges) len() int { return len(m) }

func (m joinedMerges) at(i int) (string, string, error) {
	left, right, ok := strings.Cut(m[i], " ")
	if !ok || left == "" || right == "" || strings.IndexByte(right, ' ') >= 0 {
		return "", "", fmt.Errorf("merge %d, %.80q, is not two tokens and a space between", i, m[i])
	}
	return left, right, nil
}

// splitMerges are written as pairs.
type splitMerges [][2]string

func (m splitMerges) len() int                         { return len(m) }
func (m splitMerges) at(i int) (string, string, error) { return m[i][0], m[i][1], nil }

// setMerges ranks pairs by their order in the list. Of a pair that is listed twice the reference
// libraries keep different ranks: the last (keepFirst false) or the first.
func (m *bpe) setMerges(list mergeList, keepFirst bool) error {
	m.pairs = newPairTable(list.len())
	var b mergeBatch
	into := int32(-1)
	for first := 0; first < list.len(); first += len(b.left) {
		n := min(len(b.left), list.len()-first)
		if err := b.read(m.vocab, list, first, n); err != nil {
			return err
		}
		num := 0
		for i := range n {
			p, err := b.merge(m.vocab, i, first+i, into+1)
			if err != nil {
				return err
			}
			into = p.into
			if m.vocab.flags[into]&flagModel != 0 { // text must not yield a control token
				b.pairs[num] = p
				num++
			}
		}
		b.enter(&m.pairs, num, keepFirst)
	}
	return nil
}

// mergeBatch is merges that are looked up together.
type mergeBatch struct {
	left, right     [len(batch{})]string
	ofLeft, ofRight batch
	pairs, reached  [len(batch{})]pairSlot
	joined          []byte
}

func (b *mergeBatch) read(v *vocab, list mergeList, first, n int) error {
	var err error
	for i := range n {
		if b.left[i], b.right[i], err = list.at(first + i); err != nil {
			return err
		}
	}
	b.ofLeft.reach(v, b.left[:n])
	b.ofRight.reach(v, b.right[:n])
	return nil
}

// merge finds the parts and the result of the i-th merge, whose rank is given. Results mostly
// follow each other, so that guess is the one.
func (b *mergeBatch) merge(v *vocab, i, rank int, guess int32) (pairSlot, error) {
	l, okLeft := v.hashed(b.ofLeft[i].hash, b.left[i])
	r, okRight := v.hashed(b.ofRight[i].hash, b.right[i])
	into, okInto := guess, v.joins(guess, b.left[i], b.right[i])
	if !okInto {
		b.joined = append(append(b.joined[:0], b.left[i]...), b.right[i]...)
		into, okInto = v.find(view(b.joined))
	}
	if !okLeft || !okRight || !okInto || v.flags[l]&v.flags[r]&flagModel == 0 {
		return pairSlot{}, fmt.Errorf("merge %d, %.80q with %.80q: the parts and the result "+
			"must be tokens", rank, b.left[i], b.right[i])
	}
	return pairSlot{key: pairKey(l, r), rank: uint32(rank), into: into}, nil
}

// enter puts the first n pairs into the table. Of one that is there already, the first stays or the
// last.
func (b *mergeBatch) enter(t *pairTable, n int, keepFirst bool) {
	for i := range n {
		b.reached[i] = t.slots[t.home(b.pairs[i].key)] // as in batch
	}
	for i := range n {
		if s := t.slot(b.pairs[i].key); s.key == 0 || !keepFirst {
			*s = b.pairs[i]
		}
	}
}

// setScores ranks every token that text can yield: the higher its score, the earlier it is merged
// (SentencePiece).
func (m *bpe) setScores(scores []float32) error {
	m.ranks = make([]uint32, len(scores))
	for id, s := range scores {
		if s != s {
			return fmt.Errorf("the score of token %d is not a number", id)
		}
		bits := math.Float32bits(s + 0) // -0 becomes 0
		if bits>>31 == 0 {
			bits = ^bits &^ (1 << 31)
		}
		m.ranks[id] = min(bits, noRank-1)
		if m.vocab.flags[id]&flagModel != 0 {
			m.longest = max(m.longest, len(m.vocab.pieces[id]))
		}
	}
	return nil
}
