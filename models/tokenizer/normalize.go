package tokenizer

import (
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
	for len(s) > 0 {
		i := strings.IndexFunc(s, isPlainIn9().has)
		if i < 0 {
			i = len(s)
		}
		if len(buf) == 0 {
			buf = form.AppendString(buf, s[:i])
		} else {
			buf = append(buf, form.String(s[:i])...) // AppendString would look back
		}
		if s = s[i:]; len(s) > 0 {
			n := runeLen(s)
			buf, s = append(buf, s[:n]...), s[n:]
		}
	}
	return view(buf), buf
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
