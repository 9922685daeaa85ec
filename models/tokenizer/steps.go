package tokenizer

import "strings"

// step is one pre-tokenizer: it cuts or rewrites the piece s and hands the parts, in order, to
// e.run(k+1, ...), k being its own place in the sequence. first says that s begins the text.
type step interface {
	apply(e *encoder, k int, s string, first bool)
}

// encoder is the scratch memory of one Encode call.
type encoder struct {
	t            *tables
	dst          []int32
	parseSpecial bool
	normBufs     [2][]byte
	stepBufs     [][]byte // per step: the text that it has rewritten
	stepSpans    [][]span // per step: what it has found
	cover        []span   // splitStep.cut
	backtrack    []frame  // regex
	mapped       []byte
	unmapped     []byte
	symbols      []symbol
	heap         []uint64
}

func newEncoder(t *tables) *encoder {
	n := len(t.steps)
	return &encoder{t: t, stepBufs: make([][]byte, n), stepSpans: make([][]span, n)}
}

const maxPooled = 1 << 21 // bytes; the memory of a longer text goes back to the collector

// release returns e to the pool unless it has grown large.
func (e *encoder) release() {
	e.dst = nil
	size := 24*(cap(e.symbols)+cap(e.cover)+cap(e.backtrack)) + 8*cap(e.heap) + cap(e.mapped) +
		cap(e.unmapped) + cap(e.normBufs[0]) + cap(e.normBufs[1])
	for k := range e.stepBufs {
		size += cap(e.stepBufs[k]) + 24*cap(e.stepSpans[k])
	}
	if size <= maxPooled {
		e.t.encoders.Put(e)
	}
}

// run gives s to the k-th step, or to the model after the last.
func (e *encoder) run(k int, s string, first bool) {
	if len(s) == 0 {
		return
	}
	if k == len(e.t.steps) {
		e.dst = e.t.model.append(e, e.dst, s)
		return
	}
	e.t.steps[k].apply(e, k, s, first)
}

// scanStep cuts with a hand-written scanner.
type scanStep struct {
	scan  scanner
	table *classTable
}

func (p scanStep) apply(e *encoder, k int, s string, first bool) {
	for len(s) > 0 {
		n := p.scan(p.table, s)
		e.run(k+1, s[:n], first)
		s, first = s[n:], false
	}
}

// span is a part of a piece, by byte offsets.
type span struct {
	start, end int
	match      bool
}

// finder appends the matches in s, in order and without overlap.
type finder interface {
	find(e *encoder, dst []span, s string) []span
}

// behaviour says what becomes of a delimiter that a finder has found.
type behaviour uint8

const (
	isolated behaviour = iota
	removed
	mergedWithPrevious
	mergedWithNext
	contiguous
)

// splitStep cuts at the matches of a finder; inverted, at the text between them.
type splitStep struct {
	finder    finder
	behaviour behaviour
	invert    bool
}

func (p splitStep) apply(e *encoder, k int, s string, first bool) {
	found := p.finder.find(e, e.stepSpans[k][:0], s)
	e.stepSpans[k] = found
	if p.behaviour != isolated {
		found = p.cut(e, found, len(s))
		e.stepSpans[k] = found
		for i := range found {
			at := found[i]
			e.run(k+1, s[at.start:at.end], first && at.start == 0)
		}
		return
	}
	from := 0
	for i := range found {
		at := found[i]
		e.run(k+1, s[from:at.start], first && from == 0)
		e.run(k+1, s[at.start:at.end], first && at.start == 0)
		from = at.end
	}
	e.run(k+1, s[from:], first && from == 0)
}

// cut turns matches in a piece of n bytes into the parts that remain.
func (p splitStep) cut(e *encoder, found []span, n int) []span {
	all := e.cover[:0]
	from := 0
	for _, f := range found {
		if f.start > from {
			all = append(all, span{from, f.start, p.invert})
		}
		all = append(all, span{f.start, f.end, !p.invert})
		from = f.end
	}
	if from < n {
		all = append(all, span{from, n, p.invert})
	}
	e.cover = all
	parts := found[:0]
	for i, a := range all {
		joins := false
		switch p.behaviour {
		case removed:
			if a.match {
				continue
			}
		case contiguous:
			joins = len(parts) > 0 && a.match == all[i-1].match
		case mergedWithPrevious:
			joins = len(parts) > 0 && a.match && !all[i-1].match
		case mergedWithNext:
			joins = len(parts) > 0 && !a.match && all[i-1].match
		}
		if joins {
			parts[len(parts)-1].end = a.end
		} else {
			parts = append(parts, a)
		}
	}
	return parts
}

// literal finds a string.
type literal string

func (l literal) find(_ *encoder, dst []span, s string) []span {
	for at := 0; ; {
		i := strings.Index(s[at:], string(l))
		if i < 0 {
			return dst
		}
		dst = append(dst, span{at + i, at + i + len(l), true})
		at += i + len(l)
	}
}

// runs finds the runs of characters of a set, of max characters each at most.
type runs struct {
	set *runeSet
	max int
}

func (p runs) find(_ *encoder, dst []span, s string) []span {
	for at := 0; at < len(s); {
		if end := p.end(s, at); end > at {
			dst = append(dst, span{at, end, true})
			at = end
		} else {
			at += runeLen(s[at:])
		}
	}
	return dst
}

// end returns the end of the run that begins at the given byte.
func (p runs) end(s string, at int) int {
	for count := 0; at < len(s) && count < p.max; count++ {
		r, n := runeAt(s, at)
		if !p.set.has(r) {
			break
		}
		at += n
	}
	return at
}

// trailingSpace finds `\s+$`, where $ is the end or stands before a newline.
type trailingSpace struct{ space *runeSet }

func (p trailingSpace) find(_ *encoder, dst []span, s string) []span {
	if strings.IndexByte(s, '\n') < 0 {
		if n := len(strings.TrimRightFunc(s, p.space.has)); n < len(s) {
			dst = append(dst, span{n, len(s), true})
		}
		return dst
	}
	all := runs{set: p.space, max: len(s)}
	for at := 0; at < len(s); {
		end := all.end(s, at)
		if end == at {
			at += runeLen(s[at:])
			continue
		}
		cut := end
		if end < len(s) {
			cut = at + max(0, strings.LastIndexByte(s[at:end], '\n'))
		}
		if cut > at {
			dst = append(dst, span{at, cut, true})
		}
		at = end
	}
	return dst
}

// byteLevelStep is the reference's ByteLevel: a space before the text, GPT-2's words, and, where
// something reads the words but the model in bytes, the byte alphabet.
type byteLevelStep struct {
	addPrefixSpace, words, mapped bool
	table                         *classTable
}

func (p byteLevelStep) apply(e *encoder, k int, s string, first bool) {
	if p.addPrefixSpace && s[0] != ' ' {
		e.stepBufs[k] = append(append(e.stepBufs[k][:0], ' '), s...)
		s = view(e.stepBufs[k])
	}
	if !p.words {
		e.run(k+1, p.spell(e, s), first)
		return
	}
	for len(s) > 0 {
		n := scanGPT2(p.table, s)
		e.run(k+1, p.spell(e, s[:n]), first)
		s, first = s[n:], false
	}
}

func (p byteLevelStep) spell(e *encoder, word string) string {
	if !p.mapped {
		return word
	}
	e.mapped = appendMapped(e.mapped[:0], word)
	return view(e.mapped)
}

// metaspaceStep is SentencePiece's treatment of spaces: ▁ for each, one more before the text.
type metaspaceStep struct {
	replacement string
	prepend     prepend
	split       bool
}

type prepend uint8

const (
	prependNever prepend = iota
	prependFirst
	prependAlways
)

func (p metaspaceStep) apply(e *encoder, k int, s string, first bool) {
	buf := e.stepBufs[k][:0]
	if p.prepend == prependAlways || p.prepend == prependFirst && first {
		if s[0] != ' ' && !strings.HasPrefix(s, p.replacement) {
			buf = append(buf, p.replacement...)
		}
	}
	buf = appendReplaced(buf, s, " ", p.replacement)
	e.stepBufs[k], s = buf, view(buf)
	for p.split {
		i := strings.Index(s[1:], p.replacement)
		if i < 0 {
			break
		}
		e.run(k+1, s[:i+1], first)
		s, first = s[i+1:], false
	}
	e.run(k+1, s, first)
}

// appendReplaced appends s with every old replaced.
func appendReplaced(dst []byte, s, old, with string) []byte {
	for {
		i := strings.Index(s, old)
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(append(dst, s[:i]...), with...)
		s = s[i+len(old):]
	}
}
