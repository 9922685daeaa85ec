package tokenizer

import (
	"fmt"
	"sort"
	"sync"
	"unicode"
	"unicode/utf8"
)

// runeSet is a set of characters: a bit map of the basic plane and sorted ranges above it.
type runeSet struct {
	bmp   [1 << 16 / 64]uint64
	above []runeRange
}

type runeRange struct{ lo, hi rune }

func (s *runeSet) has(r rune) bool {
	if uint32(r) < 1<<16 {
		return s.bmp[r>>6]>>(r&63)&1 != 0
	}
	i := sort.Search(len(s.above), func(i int) bool { return s.above[i].hi >= r })
	return i < len(s.above) && s.above[i].lo <= r
}

func newRuneSet(list []runeRange) *runeSet {
	s := &runeSet{}
	for _, r := range mergeRanges(list) {
		for c := r.lo; c <= r.hi && c < 1<<16; c++ {
			s.bmp[c>>6] |= 1 << (c & 63)
		}
		if r.hi >= 1<<16 {
			s.above = append(s.above, runeRange{max(r.lo, 1<<16), r.hi})
		}
	}
	return s
}

// mergeRanges sorts ranges and joins those that touch.
func mergeRanges(list []runeRange) []runeRange {
	list = append([]runeRange(nil), list...)
	sort.Slice(list, func(i, j int) bool { return list[i].lo < list[j].lo })
	var merged []runeRange
	for _, r := range list {
		if n := len(merged); n > 0 && r.lo <= merged[n-1].hi+1 {
			merged[n-1].hi = max(merged[n-1].hi, r.hi)
		} else {
			merged = append(merged, r)
		}
	}
	return merged
}

func complement(list []runeRange) []runeRange {
	var rest []runeRange
	from := rune(0)
	for _, r := range mergeRanges(list) {
		if r.lo > from {
			rest = append(rest, runeRange{from, r.lo - 1})
		}
		from = r.hi + 1
	}
	if from <= unicode.MaxRune {
		rest = append(rest, runeRange{from, unicode.MaxRune})
	}
	return rest
}

// category returns the characters of \p{name}: a general category or a script, as of Unicode 16.
func category(name string) ([]runeRange, error) {
	table := unicode.Categories[name]
	if table == nil {
		table = unicode.Scripts[name]
	}
	if table == nil {
		return nil, fmt.Errorf(`\p{%s} is no general category or script`, name)
	}
	list := tableRanges(table)
	for _, part := range newIn16[name] {
		list = append(list, parseRanges(part)...)
	}
	return list, nil
}

func mustCategory(name string) []runeRange {
	list, err := category(name)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return list
}

func tableRanges(t *unicode.RangeTable) []runeRange {
	var list []runeRange
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			list = append(list, runeRange{lo, hi})
			return
		}
		for c := lo; c <= hi; c += stride {
			list = append(list, runeRange{c, c})
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return list
}

// whitespace is Unicode's White_Space, \s.
func whitespace() []runeRange { return tableRanges(unicode.White_Space) }

// class is what the hand-written scanners need to know of a character.
type class uint8

const (
	letter  class = 1 << iota // \p{L}
	number                    // \p{N}
	space                     // \s
	newline                   // \r, \n
	mark                      // \p{M}
)

type classTable [unicode.MaxRune + 1]class

// classes is built once, on first use: 1.1 MB, of which a text touches little.
var classes = sync.OnceValue(func() *classTable {
	t := new(classTable)
	t.set(mustCategory("L"), letter)
	t.set(mustCategory("N"), number)
	t.set(mustCategory("M"), mark)
	t.set(whitespace(), space)
	t.set([]runeRange{{'\n', '\n'}, {'\r', '\r'}}, newline)
	return t
})

func (t *classTable) set(list []runeRange, c class) {
	for _, r := range list {
		for at := r.lo; at <= r.hi; at++ {
			t[at] |= c
		}
	}
}

// at returns the class and the length of the character at s[i].
func (t *classTable) at(s string, i int) (class, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return t[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return t[r], n
}

// during returns the end of the run from i of characters with one of the classes.
func (t *classTable) during(s string, i int, c class) int {
	for i < len(s) {
		is, n := t.at(s, i)
		if is&c == 0 {
			break
		}
		i += n
	}
	return i
}

// until returns the end of the run from i of characters with none of the classes.
func (t *classTable) until(s string, i int, c class) int {
	for i < len(s) {
		is, n := t.at(s, i)
		if is&c != 0 {
			break
		}
		i += n
	}
	return i
}
