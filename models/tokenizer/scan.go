package tokenizer

import "unicode/utf8"

// A scanner returns the length of the first word of s, which is not empty. Together the words are
// the whole text. Each one does by hand what the regular expression above it matches.
type scanner func(t *classTable, s string) int

const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

func scanGPT2(t *classTable, s string) int {
	if n := contraction(s, false); n > 0 {
		return n
	}
	i := 0
	if s[0] == ' ' && len(s) > 1 {
		i = 1
	}
	c, n := t.at(s, i)
	switch {
	case c&letter != 0:
		return t.during(s, i+n, letter)
	case c&number != 0:
		return t.during(s, i+n, number)
	case c&space == 0:
		return t.until(s, i+n, letter|number|space)
	}
	return t.spaces(s, t.during(s, 0, space))
}

// The pattern of Llama 3, with \p{N}{1,3}, and of Qwen 2, with \p{N}.
const (
	cl100kPattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|` + `\p{N}{1,3}` +
		cl100kRest
	qwen2Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|` + `\p{N}` +
		cl100kRest
	cl100kRest = `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

func scanCL100K(t *classTable, s string) int { return t.cl100k(s, letter, 3) }
func scanQwen2(t *classTable, s string) int  { return t.cl100k(s, letter, 1) }

// The pattern of Qwen 3.5 takes marks for letters, except before a letter.
const qwen35Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}` +
	`| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

func scanQwen35(t *classTable, s string) int { return t.cl100k(s, letter|mark, 1) }

// cl100k takes words of the given classes and numbers of maxDigits at most.
func (t *classTable) cl100k(s string, word class, maxDigits int) int {
	if n := contraction(s, true); n > 0 {
		return n
	}
	c, n := t.at(s, 0)
	switch {
	case c&letter != 0:
		return t.during(s, n, word)
	case c&number != 0:
		for ; maxDigits > 1 && n < len(s); maxDigits-- {
			c, width := t.at(s, n)
			if c&number == 0 {
				break
			}
			n += width
		}
		return n
	case c&newline == 0 && n < len(s):
		if c, width := t.at(s, n); c&word != 0 {
			return t.during(s, n+width, word)
		}
	}
	if c&word != 0 {
		return n
	}
	return t.cl100kOther(s, word)
}

// cl100kOther matches ` ?[^\s\p{L}\p{N}]+[\r\n]*` and the rest of the pattern.
func (t *classTable) cl100kOther(s string, word class) int {
	i := 0
	if s[0] == ' ' && len(s) > 1 {
		i = 1
	}
	if end := t.until(s, i, word|number|space); end > i {
		return t.during(s, end, newline)
	}
	end := t.during(s, 0, space)
	for i := end - 1; i >= 0; i-- {
		if s[i] == '\n' || s[i] == '\r' {
			return i + 1
		}
	}
	return t.spaces(s, end)
}

// spaces matches `\s+(?!\S)|\s+` where a run of whitespace ends at end: before other text its last
// character is left to the next word.
func (t *classTable) spaces(s string, end int) int {
	if end == len(s) {
		return end
	}
	_, n := utf8.DecodeLastRuneInString(s[:end])
	if n == end {
		return end
	}
	return end - n
}

// contraction matches 's, 't, 're, 've, 'm, 'll, 'd. With fold in either case, and as Unicode folds
// it: U+017F, the long s, is an s.
func contraction(s string, fold bool) int {
	if s[0] != '\'' || len(s) < 2 {
		return 0
	}
	lower := byte(0)
	if fold {
		lower = 0x20
		if len(s) > 2 && s[1:3] == "\u017f" {
			return 3
		}
	}
	a, b := s[1]|lower, byte(0)
	if len(s) > 2 {
		b = s[2] | lower
	}
	switch {
	case a == 's', a == 't', a == 'm', a == 'd':
		return 2
	case a == 'r' && b == 'e', a == 'v' && b == 'e', a == 'l' && b == 'l':
		return 3
	}
	return 0
}
