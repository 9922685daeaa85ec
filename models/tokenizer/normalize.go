package tokenizer

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites text before it is cut into words. It returns s itself if nothing changes, or
// the text in buf, which it may grow and hands back.
type normalizer interface {
	apply(buf []byte, s string) (string, []byte)
}

// normalize runs all normalisers; two buffers take turns.
func (e *encoder) normalize(s string) string {
	for i, n := range e.t.norm {
		buf := &e.normBufs[i&1]
		s, *buf = n.apply((*buf)[:0], s)
	}
	return s
}

// unicodeForm is NFC, NFD, NFKC or NFKD, by Unicode 9.
type unicodeForm norm.Form

func (f unicodeForm) apply(buf []byte, s string) (string, []byte) {
	form := norm.Form(f)
	if form.QuickSpanString(s) == len(s) {
		return s, buf
	}
	if isOrdinary(s) {
		buf = form.AppendString(buf, s)
	} else {
		buf = f.appendPlain(buf, s)
	}
	return view(buf), buf
}

// maxMarks is how many marks in a row x/text/unicode/norm surely takes: it breaks up more than 30,
// counted after decomposition, with a joiner (the Stream-Safe Text Format), which the reference
// does not.
const maxMarks = 8

// isOrdinary reports whether norm's tables and ways are those of the reference for s.
func isOrdinary(s string) bool {
	marks := 0
	for i := 0; i < len(s); {
		r, n := runeAt(s, i)
		if r >= utf8.RuneSelf && isPlainIn9().has(r) {
			return false
		}
		if r < 0x300 || norm.NFD.PropertiesString(s[i:i+n]).LeadCCC() == 0 {
			marks = 0
		} else if marks++; marks > maxMarks {
			return false
		}
		i += n
	}
	return true
}

// combiningClass returns the canonical combining class, by Unicode 9.
func combiningClass(r rune) int {
	if r < 0x300 || isPlainIn9().has(r) {
		return 0
	}
	var b [utf8.UTFMax]byte
	return int(norm.NFD.Properties(b[:utf8.EncodeRune(b[:], r)]).CCC())
}

type classedRune struct {
	r     rune
	class int
}

// appendPlain is the algorithm of Unicode Standard Annex 15, character by character.
func (f unicodeForm) appendPlain(buf []byte, s string) []byte {
	form, decompose := norm.Form(f), norm.NFD
	if form == norm.NFKC || form == norm.NFKD {
		decompose = norm.NFKD
	}
	var all []classedRune
	for _, r := range s {
		parts := string(r)
		if !isPlainIn9().has(r) {
			parts = decompose.String(parts)
		}
		for _, r := range parts {
			all = append(all, classedRune{r, combiningClass(r)})
		}
	}
	sortMarks(all)
	if form == norm.NFC || form == norm.NFKC {
		all = compose(all)
	}
	for _, c := range all {
		buf = utf8.AppendRune(buf, c.r)
	}
	return buf
}

// sortMarks brings each run of marks into the order of their classes.
func sortMarks(all []classedRune) {
	for i := 0; i < len(all); i++ {
		end := i
		for end < len(all) && all[end].class != 0 {
			end++
		}
		run := all[i:end]
		sort.SliceStable(run, func(i, j int) bool { return run[i].class < run[j].class })
		i = max(i, end-1)
	}
}

// compose joins each character with the starter before it, if nothing in between blocks it.
func compose(all []classedRune) []classedRune {
	out := all[:0]
	starter, last := -1, -1 // its place, and the class of what came behind it latest
	for _, c := range all {
		if starter >= 0 && last < c.class {
			if joined, ok := composite(out[starter].r, c.r); ok {
				out[starter].r = joined
				continue
			}
		}
		if last = c.class; c.class == 0 {
			starter, last = len(out), -1
		}
		out = append(out, c)
	}
	return out
}

// composite returns the primary composite of two characters.
func composite(a, b rune) (rune, bool) {
	if b < 0x300 || isPlainIn9().has(a) || isPlainIn9().has(b) {
		return 0, false
	}
	joined := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(joined)
	return r, n == len(joined)
}

// prependText puts a text before every text that is not empty.
type prependText string

func (p prependText) apply(buf []byte, s string) (string, []byte) {
	if len(s) == 0 {
		return s, buf
	}
	buf = append(append(buf, p...), s...)
	return view(buf), buf
}

// replaceText replaces a string.
type replaceText struct{ old, with string }

func (r replaceText) apply(buf []byte, s string) (string, []byte) {
	if !strings.Contains(s, r.old) {
		return s, buf
	}
	buf = appendReplaced(buf, s, r.old, r.with)
	return view(buf), buf
}

// replacePattern replaces the matches of a regular expression.
type replacePattern struct {
	re   *regex
	with string
}

func (r replacePattern) apply(buf []byte, s string) (string, []byte) {
	found := r.re.find(&encoder{}, nil, s)
	if len(found) == 0 {
		return s, buf
	}
	at := 0
	for _, f := range found {
		buf = append(append(buf, s[at:f.start]...), r.with...)
		at = f.end
	}
	buf = append(buf, s[at:]...)
	return view(buf), buf
}

// lowercase maps each character by itself, as the reference does: no final sigma, but the dotted
// capital I becomes two characters.
type lowercase struct{}

func (lowercase) apply(buf []byte, s string) (string, []byte) {
	for _, r := range s {
		if r == '\u0130' {
			buf = append(buf, "i\u0307"...)
		} else {
			buf = utf8.AppendRune(buf, toLower17(r))
		}
	}
	return view(buf), buf
}

// strip removes whitespace around the text.
type strip struct{ left, right bool }

func (p strip) apply(buf []byte, s string) (string, []byte) {
	if p.left {
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
	}
	if p.right {
		s = strings.TrimRightFunc(s, unicode.IsSpace)
	}
	return s, buf
}
