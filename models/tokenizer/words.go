package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	numWordSlots  = 1 << 16
	maxCachedWord = 64 // bytes
	maxCachedIDs  = 14
)

// wordCache remembers the ids of recent words. It is two-way associative and lock-free: a slot
// holds an immutable entry, and a newer word simply takes the place of an older one. Full, it holds
// about 14 MB.
type wordCache struct {
	seed  maphash.Seed
	slots []atomic.Pointer[wordEntry]
}

type wordEntry struct {
	word string
	n    int
	ids  [maxCachedIDs]int32
}

func newWordCache() wordCache {
	slots := make([]atomic.Pointer[wordEntry], numWordSlots)
	return wordCache{seed: maphash.MakeSeed(), slots: slots}
}

func (c *wordCache) hash(word string) uint64 { return maphash.String(c.seed, word) }

// get returns the ids of word, not to be changed, or nil.
func (c *wordCache) get(h uint64, word string) []int32 {
	at := h % numWordSlots
	if e := c.slots[at].Load(); e != nil && e.word == word {
		return e.ids[:e.n]
	}
	if e := c.slots[at^1].Load(); e != nil && e.word == word {
		return e.ids[:e.n]
	}
	return nil
}

func (c *wordCache) put(h uint64, word string, ids []int32) {
	if len(ids) == 0 || len(ids) > maxCachedIDs {
		return
	}
	e := &wordEntry{word: strings.Clone(word), n: len(ids)}
	copy(e.ids[:], ids)
	at := h % numWordSlots
	if c.slots[at].Load() != nil && (c.slots[at^1].Load() == nil || h>>63 != 0) {
		at ^= 1
	}
	c.slots[at].Store(e)
}

// adjacencies is a set of pairs of characters, with false positives: the pairs that stand side by
// side in some token. Between two characters that don't, no merge can happen.
type adjacencies [1 << 12]uint64

func (a *adjacencies) at(left, right rune) (word, bit uint32) {
	h := (uint32(left)*0x9E3779B1 ^ uint32(right)) * 0x85EBCA6B
	return h >> 20, h >> 14 & 63
}

func (a *adjacencies) has(left, right rune) bool {
	word, bit := a.at(left, right)
	return a[word]>>bit&1 != 0
}

// add enters all pairs of a token.
func (a *adjacencies) add(piece string) {
	prev := rune(-1)
	for _, r := range piece {
		if prev >= 0 {
			word, bit := a.at(prev, r)
			a[word] |= 1 << bit
		}
		prev = r
	}
}
