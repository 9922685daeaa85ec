package jinja

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// digits matches (\d+_)*\d+ at i and returns the position after it, or i.
func digits(src string, i int) int {
	for i < len(src) {
		switch c := src[i]; {
		case c >= '0' && c <= '9':
			i++
		case c == '_' && i+1 < len(src) && src[i+1] >= '0' && src[i+1] <= '9' &&
			isDigitAt(src, i-1):
			i++
		default:
			return i
		}
	}
	return i
}

func isDigitAt(src string, i int) bool {
	return i >= 0 && i < len(src) && src[i] >= '0' && src[i] <= '9'
}

func (l *lexer) number() {
	if end := l.floatEnd(); end >= 0 {
		l.emit(tokFloat, strings.ReplaceAll(l.src[l.pos:end], "_", ""))
		l.advance(end)
		return
	}
	end := intEnd(l.src, l.pos)
	l.emit(tokInt, strings.ReplaceAll(l.src[l.pos:end], "_", ""))
	l.advance(end)
}

// floatEnd returns where a float literal at the position ends, or -1 where there is none.
func (l *lexer) floatEnd() int {
	if l.pos > 0 && l.src[l.pos-1] == '.' {
		return -1
	}
	whole := digits(l.src, l.pos)
	end := whole
	if whole < len(l.src) && l.src[whole] == '.' && isDigitAt(l.src, whole+1) {
		end = digits(l.src, whole+1)
	}
	if end < len(l.src) && (l.src[end] == 'e' || l.src[end] == 'E') {
		exp := end + 1
		if exp < len(l.src) && (l.src[exp] == '+' || l.src[exp] == '-') {
			exp++
		}
		if isDigitAt(l.src, exp) {
			return digits(l.src, exp)
		}
	}
	if end == whole {
		return -1
	}
	return end
}

func intEnd(src string, i int) int {
	if src[i] != '0' {
		return digits(src, i)
	}
	if i+1 < len(src) {
		set := ""
		switch src[i+1] {
		case 'b', 'B':
			set = "01"
		case 'o', 'O':
			set = "01234567"
		case 'x', 'X':
			set = "0123456789abcdefABCDEF"
		}
		end := i + 2
		for set != "" && end < len(src) && (src[end] == '_' ||
			strings.IndexByte(set, src[end]) >= 0) {
			end++
		}
		if end > i+2 {
			return end
		}
	}
	end := i
	for end < len(src) && (src[end] == '0' || src[end] == '_' && isDigitAt(src, end+1)) {
		end++
	}
	return end
}

// parseInt reads an integer literal of any base; the lexer has checked its form.
func parseInt(text string) (Value, error) {
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return n, nil
	}
	if len(text) > 4300 {
		return nil, fmt.Errorf("integer of %d digits; at most 4300", len(text))
	}
	n, ok := new(big.Int).SetString(text, 0)
	if !ok {
		n, ok = new(big.Int).SetString(text, 10)
	}
	if !ok {
		return nil, fmt.Errorf("bad integer %q", text)
	}
	return normInt(n), nil
}

// unescape resolves the escapes of a string literal as Python's unicode-escape codec does.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			i++
			continue
		}
		n, err := unescapeOne(&b, s[i+1:])
		if err != nil {
			return "", err
		}
		i += 1 + n
	}
	return b.String(), nil
}

// unescapeOne writes what the escape s (after its backslash) stands for and returns its length.
func unescapeOne(b *strings.Builder, s string) (int, error) {
	c := s[0]
	if i := strings.IndexByte("\\'\"abfnrtv", c); i >= 0 {
		b.WriteByte("\\'\"\a\b\f\n\r\t\v"[i])
		return 1, nil
	}
	switch {
	case c == '\n':
		return 1, nil
	case c >= '0' && c <= '7':
		n := 1
		for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		code, _ := strconv.ParseUint(s[:n], 8, 16)
		b.WriteRune(rune(code))
		return n, nil
	case c == 'x' || c == 'u' || c == 'U':
		return unescapeHex(b, s, map[byte]int{'x': 2, 'u': 4, 'U': 8}[c])
	case c == 'N':
		return 0, fmt.Errorf("\\N{...} escapes are not supported")
	case c >= utf8.RuneSelf:
		// The codec sees \xe9 for é, so a backslash before it escapes that backslash.
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r < 0x100:
			fmt.Fprintf(b, "\\x%02x", r)
		case r < 0x10000:
			fmt.Fprintf(b, "\\u%04x", r)
		default:
			fmt.Fprintf(b, "\\U%08x", r)
		}
		return size, nil
	}
	b.WriteByte('\\')
	b.WriteByte(c)
	return 1, nil
}

func unescapeHex(b *strings.Builder, s string, n int) (int, error) {
	if len(s) < 1+n {
		return 0, fmt.Errorf("truncated \\%c escape", s[0])
	}
	code, err := strconv.ParseUint(s[1:1+n], 16, 32)
	if err != nil || code > utf8.MaxRune {
		return 0, fmt.Errorf("bad \\%c escape", s[0])
	}
	b.WriteRune(rune(code))
	return 1 + n, nil
}
