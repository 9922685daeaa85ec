package tokenizer

import (
	"fmt"
	"hash/maphash"
	"strings"
	"unicode/utf8"
)

const (
	maxVocab    = 1 << 20 // ids; the largest published vocabularies hold about 900,000
	maxMerges   = 1 << 23
	maxPieceLen = 1 << 12 // bytes
)

type flags uint8

const (
	flagUsed    flags = 1 << iota // the id has a token
	flagModel                     // the model may produce it from text
	flagAdded                     // it is looked for in the text before the model runs
	flagSpecial                   // control token
	flagByte                      // stands for one byte, "<0xNN>"
)

// vocab maps ids to tokens and back. Its strings lie in one block that it owns, so the memory the
// tokens were read from may go.
type vocab struct {
	pieces []string
	flags  []flags
	slots  []slot // open addressing, a power of two, at most half full
	seed   maphash.Seed
}

type slot struct {
	tag uint32 // high bits of the hash
	end int32  // id + 1; 0 = free
}

// newVocab indexes tokens by id; those without flagUsed are holes.
func newVocab(pieces []string, fl []flags) (vocab, error) {
	v := vocab{pieces: ownStrings(pieces), flags: fl, seed: maphash.MakeSeed()}
	size := 16
	for size < 2*len(pieces) {
		size *= 2
	}
	v.slots = make([]slot, size)
	clear(v.slots) // writes: a page that is read first, then written, faults twice
	var b batch
	for first := 0; first < len(pieces); first += len(b) {
		end := min(first+len(b), len(pieces))
		b.reach(&v, v.pieces[first:end])
		for id := first; id < end; id++ {
			if fl[id]&flagUsed == 0 {
				continue
			}
			if err := v.add(b[id-first].hash, int32(id)); err != nil {
				return vocab{}, err
			}
		}
	}
	return v, nil
}

// batch is the hashes of strings that are looked up one after the other. Their slots are read
// before the first is needed: the reads wait for memory together instead of each alone.
type batch [64]struct {
	hash uint64
	slot slot
}

func (b *batch) reach(v *vocab, list []string) {
	for i, p := range list {
		b[i].hash = maphash.String(v.seed, p)
	}
	mask := len(v.slots) - 1
	for i := range list {
		b[i].slot = v.slots[int(b[i].hash)&mask]
	}
}

func (v *vocab) add(hash uint64, id int32) error {
	p := v.pieces[id]
	if err := checkPiece(p); err != nil {
		return fmt.Errorf("token %d: %w", id, err)
	}
	if other, ok := v.insert(hash, p, id); !ok {
		return fmt.Errorf("token %q has two ids, %d and %d", p, other, id)
	}
	return nil
}

func checkPiece(p string) error {
	if len(p) > maxPieceLen {
		return fmt.Errorf("has %d bytes, more than %d", len(p), maxPieceLen)
	}
	if !utf8.ValidString(p) {
		return fmt.Errorf("%q is not UTF-8", p)
	}
	return nil
}

func ownStrings(list []string) []string {
	total := 0
	for _, s := range list {
		total += len(s)
	}
	var b strings.Builder
	b.Grow(total)
	for _, s := range list {
		b.WriteString(s)
	}
	block, own := b.String(), make([]string, len(list))
	for i, s := range list {
		own[i], block = block[:len(s)], block[len(s):]
	}
	return own
}

// insert returns the id that holds p, whose hash is h, already and false, or true.
func (v *vocab) insert(h uint64, p string, id int32) (int32, bool) {
	at, found := v.lookup(h, p)
	if found {
		return v.slots[at].end - 1, false
	}
	v.slots[at] = slot{tag: uint32(h >> 32), end: id + 1}
	return id, true
}

// lookup returns the slot that holds p, whose hash is h, or the free one where it belongs.
func (v *vocab) lookup(h uint64, p string) (int, bool) {
	tag, mask := uint32(h>>32), len(v.slots)-1
	for at := int(h) & mask; ; at = (at + 1) & mask {
		s := v.slots[at]
		if s.end == 0 {
			return at, false
		}
		if s.tag == tag && v.pieces[s.end-1] == p {
			return at, true
		}
	}
}

func (v *vocab) find(p string) (int32, bool) {
	if len(v.slots) == 0 {
		return -1, false
	}
	return v.hashed(maphash.String(v.seed, p), p)
}

func (v *vocab) hashed(h uint64, p string) (int32, bool) {
	at, ok := v.lookup(h, p)
	return v.slots[at].end - 1, ok
}

// joins reports whether the token id is left and right together.
func (v *vocab) joins(id int32, left, right string) bool {
	if !v.has(id) {
		return false
	}
	p := v.pieces[id]
	return len(p) == len(left)+len(right) && p[:len(left)] == left && p[len(left):] == right
}

// model returns the id of p if the model may produce it.
func (v *vocab) model(p string) (int32, bool) {
	id, ok := v.find(p)
	return id, ok && v.flags[id]&flagModel != 0
}

func (v *vocab) has(id int32) bool {
	return id >= 0 && int(id) < len(v.flags) && v.flags[id]&flagUsed != 0
}
