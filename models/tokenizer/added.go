package tokenizer

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is looked for in the text before the model sees it.
type addedToken struct {
	id         int32
	content    string
	special    bool
	singleWord bool // not inside a word
	lstrip     bool // takes the whitespace before it
	rstrip     bool // takes the whitespace behind it
	normalized bool // is looked for after normalisation, and normalised itself
}

type addedTokens struct {
	raw, normalized tokenFinder
}

// tokenFinder finds tokens in text: leftmost, and of those that begin at one place the longest.
// The tokens are sorted, so all that begin with the same bytes lie together.
type tokenFinder struct {
	tokens     []addedToken // by content
	first      [256]bool    // bytes that a token begins with
	onlyFirst  byte         // the one byte that all begin with, if numFirst is 1
	numFirst   int
	anyRegular bool // some token is not special
}

func newTokenFinder(list []addedToken) tokenFinder {
	f := tokenFinder{}
	for _, t := range list {
		if len(t.content) > 0 {
			f.tokens = append(f.tokens, t)
		}
	}
	sort.SliceStable(f.tokens, func(i, j int) bool {
		return f.tokens[i].content < f.tokens[j].content
	})
	for _, t := range f.tokens {
		b := t.content[0]
		if !f.first[b] {
			f.first[b], f.onlyFirst = true, b
			f.numFirst++
		}
		f.anyRegular = f.anyRegular || !t.special
	}
	return f
}

// found is a token in a text, with the whitespace that it takes.
type found struct {
	id         int32
	start, end int
	textEnd    int // without that whitespace: the next token is looked for from here
}

// next returns the first token behind the one before, which may reach into whitespace that the
// one before has taken. Special tokens are passed over unless parseSpecial is set.
func (f *tokenFinder) next(s string, before found, parseSpecial bool) (found, bool) {
	if len(f.tokens) == 0 || !parseSpecial && !f.anyRegular {
		return found{}, false
	}
	for at := f.candidate(s, before.textEnd); at >= 0; {
		t := f.longest(s[at:])
		if t == nil {
			at = f.candidate(s, at+1)
			continue
		}
		end := at + len(t.content)
		if t.special && !parseSpecial || t.singleWord && insideWord(s, at, end) {
			at = f.candidate(s, end)
			continue
		}
		hit := found{id: t.id, start: at, end: end, textEnd: end}
		if from := before.end; t.lstrip && at > from {
			hit.start = from + len(strings.TrimRightFunc(s[from:at], unicode.IsSpace))
		}
		if t.rstrip {
			hit.end = len(s) - len(strings.TrimLeftFunc(s[end:], unicode.IsSpace))
		}
		return hit, true
	}
	return found{}, false
}

// candidate returns the first place at or behind from where a token could begin, or -1.
func (f *tokenFinder) candidate(s string, from int) int {
	if from >= len(s) {
		return -1
	}
	if f.numFirst == 1 {
		if i := strings.IndexByte(s[from:], f.onlyFirst); i >= 0 {
			return from + i
		}
		return -1
	}
	for i := from; i < len(s); i++ {
		if f.first[s[i]] {
			return i
		}
	}
	return -1
}

// longest returns the longest token that s begins with, or nil.
func (f *tokenFinder) longest(s string) *addedToken {
	var best *addedToken
	lo, hi := 0, len(f.tokens)
	for d := 0; ; d++ {
		// tokens[lo:hi] are those that begin with s[:d]; one that ends there sorts first.
		for lo < hi && len(f.tokens[lo].content) == d {
			best = &f.tokens[lo]
			lo++
		}
		if lo == hi || d == len(s) {
			return best
		}
		lo, hi = f.narrow(lo, hi, d, s[d])
	}
}

// narrow keeps the tokens with b at place d.
func (f *tokenFinder) narrow(lo, hi, d int, b byte) (int, int) {
	list := f.tokens[lo:hi]
	if list[0].content[d] == b && list[len(list)-1].content[d] == b {
		return lo, hi
	}
	from := sort.Search(len(list), func(i int) bool { return list[i].content[d] >= b })
	to := sort.Search(len(list), func(i int) bool { return list[i].content[d] > b })
	return lo + from, lo + to
}

// insideWord reports whether s[start:end] touches a word on either side.
func insideWord(s string, start, end int) bool {
	before, n := utf8.DecodeLastRuneInString(s[:start])
	after, m := utf8.DecodeRuneInString(s[end:])
	return n > 0 && wordSet().has(before) || m > 0 && wordSet().has(after)
}

// text encodes a whole text: between the added tokens that it holds, what lies there is
// normalised, searched once more, and cut into words.
func (e *encoder) text(s string) {
	for at := (found{}); ; {
		hit, ok := e.t.added.raw.next(s, at, e.parseSpecial)
		if !ok {
			e.segment(s[at.end:], at.end == 0)
			return
		}
		if at.end < hit.start {
			e.segment(s[at.end:hit.start], at.end == 0)
		}
		e.dst = append(e.dst, hit.id)
		at = hit
	}
}

func (e *encoder) segment(s string, first bool) {
	s = e.normalize(s)
	for at := (found{}); ; {
		hit, ok := e.t.added.normalized.next(s, at, e.parseSpecial)
		if !ok {
			e.run(0, s[at.end:], first && at.end == 0)
			return
		}
		if at.end < hit.start {
			e.run(0, s[at.end:hit.start], first && at.end == 0)
		}
		e.dst = append(e.dst, hit.id)
		at = hit
	}
}
