package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// isSpace is Python's str.isspace for one character.
func isSpace(r rune) bool { return r >= 0x1c && r <= 0x1f || unicode.IsSpace(r) }

func isLowerRune(r rune) bool {
	return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r)
}

func isUpperRune(r rune) bool {
	return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r)
}

func isCased(r rune) bool { return isLowerRune(r) || isUpperRune(r) || unicode.IsTitle(r) }

func isLower(s string) bool {
	cased := false
	for _, r := range s {
		if isUpperRune(r) || unicode.IsTitle(r) {
			return false
		}
		cased = cased || isLowerRune(r)
	}
	return cased
}

func isUpper(s string) bool {
	cased := false
	for _, r := range s {
		if isLowerRune(r) || unicode.IsTitle(r) {
			return false
		}
		cased = cased || isUpperRune(r)
	}
	return cased
}

// special looks r up in one of the tables of casemap.go; "" if it is not there.
func special(table string, r rune) string {
	if r < 0xdf || r > 0xfb17 {
		return ""
	}
	key := " " + string(r)
	_, found, ok := strings.Cut(table, key)
	if !ok {
		return ""
	}
	found, _, _ = strings.Cut(found, " ")
	return found
}

func upper(s string) string {
	return mapCase(s, func(b *strings.Builder, _ int, r rune) {
		if to := special(upperSpecial, r); to != "" {
			b.WriteString(to)
			return
		}
		b.WriteRune(unicode.ToUpper(r))
	})
}

func lower(s string) string {
	return mapCase(s, func(b *strings.Builder, i int, r rune) { writeLower(b, s, i, r) })
}

func writeLower(b *strings.Builder, s string, i int, r rune) {
	switch {
	case r == 'İ':
		b.WriteString("i̇")
	case r == 'Σ' && isFinalSigma(s, i):
		b.WriteRune('ς')
	default:
		b.WriteRune(unicode.ToLower(r))
	}
}

// isFinalSigma is the Final_Sigma condition of Unicode for the sigma at byte i.
func isFinalSigma(s string, i int) bool {
	before := strings.TrimRightFunc(s[:i], isCaseIgnorable)
	r, _ := utf8.DecodeLastRuneInString(before)
	if before == "" || !isCased(r) {
		return false
	}
	after := strings.TrimLeftFunc(s[i+len("Σ"):], isCaseIgnorable)
	r, _ = utf8.DecodeRuneInString(after)
	return after == "" || !isCased(r)
}

func isCaseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:^`\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027"+
			"\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}

func writeTitle(b *strings.Builder, r rune) {
	if to := special(titleSpecial, r); to != "" {
		b.WriteString(to)
		return
	}
	b.WriteRune(unicode.ToTitle(r))
}

func mapCase(s string, write func(b *strings.Builder, i int, r rune)) string {
	var b strings.Builder
	b.Grow(len(s))
	for i, r := range s {
		write(&b, i, r)
	}
	return b.String()
}

func capitalize(s string) string {
	return mapCase(s, func(b *strings.Builder, i int, r rune) {
		if i == 0 {
			writeTitle(b, r)
		} else {
			writeLower(b, s, i, r)
		}
	})
}

// title is str.title: a letter after a cased one is lowered.
func title(s string) string {
	inWord := false
	return mapCase(s, func(b *strings.Builder, i int, r rune) {
		if inWord {
			writeLower(b, s, i, r)
		} else {
			writeTitle(b, r)
		}
		inWord = isCased(r)
	})
}

// titleWords is the filter title: words start after white space and - ( { [ <.
func titleWords(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		isBreak := func(r rune) bool { return isSpace(r) || strings.ContainsRune("-({[<", r) }
		word := strings.TrimLeftFunc(s, isBreak)
		b.WriteString(s[:len(s)-len(word)])
		end := strings.IndexFunc(word, isBreak)
		if end < 0 {
			end = len(word)
		}
		if end > 0 {
			_, size := utf8.DecodeRuneInString(word)
			b.WriteString(upper(word[:size]))
			b.WriteString(lower(word[size:end]))
		}
		s = word[end:]
	}
	return b.String()
}

func swapCase(s string) string {
	return mapCase(s, func(b *strings.Builder, i int, r rune) {
		switch {
		case isUpperRune(r):
			writeLower(b, s, i, r)
		case isLowerRune(r):
			b.WriteString(upper(string(r)))
		default:
			b.WriteRune(r)
		}
	})
}

func isTitle(s string) bool {
	inWord, any := false, false
	for _, r := range s {
		switch {
		case isUpperRune(r) || unicode.IsTitle(r):
			if inWord {
				return false
			}
			inWord, any = true, true
		case isLowerRune(r):
			if !inWord {
				return false
			}
			any = true
		default:
			inWord = false
		}
	}
	return any
}

// splitLines is str.splitlines.
func splitLines(s string, keep bool) []string {
	var lines []string
	for s != "" {
		i := strings.IndexAny(s, "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029")
		if i < 0 {
			return append(lines, s)
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			size = 2
		}
		end := i
		if keep {
			end += size
		}
		lines = append(lines, s[:end])
		s = s[i+size:]
	}
	return lines
}

// splitFields is str.split() at white space, at most n times if n >= 0.
func splitFields(s string, n int) []string {
	var out []string
	for s = strings.TrimLeftFunc(s, isSpace); s != ""; s = strings.TrimLeftFunc(s, isSpace) {
		i := strings.IndexFunc(s, isSpace)
		if n == 0 || i < 0 {
			return append(out, s)
		}
		out = append(out, s[:i])
		s = s[i:]
		n--
	}
	return out
}

// splitFieldsRight is str.rsplit() at white space.
func splitFieldsRight(s string, n int) []string {
	var out []string
	for s = strings.TrimRightFunc(s, isSpace); s != ""; s = strings.TrimRightFunc(s, isSpace) {
		i := strings.LastIndexFunc(s, isSpace)
		if n == 0 || i < 0 {
			out = append(out, s)
			break
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		out = append(out, s[i+size:])
		s = s[:i]
		n--
	}
	reverse(out)
	return out
}

// splitRight is str.rsplit(sep).
func splitRight(s, sep string, n int) []string {
	var out []string
	for n != 0 {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		out = append(out, s[i+len(sep):])
		s = s[:i]
		n--
	}
	out = append(out, s)
	reverse(out)
	return out
}

func reverse(s []string) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}
