package jinja

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// DecodeJSON turns one JSON text into values as Python's json.loads does: keys keep their order, an
// integer stays an integer, a repeated key keeps its first place and its last value. It refuses
// nesting beyond 64, numbers of more than 4,300 digits and what is not JSON. A lone surrogate
// becomes U+FFFD.
func DecodeJSON(text []byte) (Value, error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("cannot decode JSON: not UTF-8")
	}
	d := jsonReader{s: string(text)}
	v, err := d.value(0)
	if err == nil {
		if d.space(); d.i < len(d.s) {
			err = d.fail("text after the value")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot decode JSON: %w", err)
	}
	return v, nil
}

type jsonReader struct {
	s string
	i int
}

func (d *jsonReader) fail(what string) error { return fmt.Errorf("%s at byte %d", what, d.i) }

func (d *jsonReader) space() {
	for d.i < len(d.s) && strings.IndexByte(" \t\n\r", d.s[d.i]) >= 0 {
		d.i++
	}
}

// peek is the next byte after white space, 0 at the end.
func (d *jsonReader) peek() byte {
	d.space()
	if d.i < len(d.s) {
		return d.s[d.i]
	}
	return 0
}

func (d *jsonReader) value(depth int) (Value, error) {
	if depth > maxDataDepth {
		return nil, d.fail(fmt.Sprintf("values nested more than %d deep", maxDataDepth))
	}
	switch c := d.peek(); {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		return d.str()
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	for _, w := range [...]struct {
		text string
		v    Value
	}{{"true", true}, {"false", false}, {"null", None{}}} {
		if strings.HasPrefix(d.s[d.i:], w.text) {
			d.i += len(w.text)
			return w.v, nil
		}
	}
	return nil, d.fail("no value")
}

func (d *jsonReader) object(depth int) (Value, error) {
	d.i++
	dict := NewDict(4)
	if d.peek() == '}' {
		d.i++
		return dict, nil
	}
	for {
		if d.peek() != '"' {
			return nil, d.fail("no object key")
		}
		key, err := d.str()
		if err != nil {
			return nil, err
		}
		if d.peek() != ':' {
			return nil, d.fail("no ':' after the object key")
		}
		d.i++
		val, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		dict.set(key, key, val)
		switch d.peek() {
		case ',':
			d.i++
		case '}':
			d.i++
			return dict, nil
		default:
			return nil, d.fail("neither ',' nor '}' in an object")
		}
	}
}

func (d *jsonReader) array(depth int) (Value, error) {
	d.i++
	l := &List{}
	if d.peek() == ']' {
		d.i++
		return l, nil
	}
	for {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, v)
		switch d.peek() {
		case ',':
			d.i++
		case ']':
			d.i++
			return l, nil
		default:
			return nil, d.fail("neither ',' nor ']' in an array")
		}
	}
}

func (d *jsonReader) number() (Value, error) {
	start := d.i
	if d.s[d.i] == '-' {
		d.i++
	}
	digits := d.digits()
	if digits == 0 || digits > 1 && d.s[d.i-digits] == '0' {
		return nil, d.fail("bad number")
	}
	whole := true
	if d.i < len(d.s) && d.s[d.i] == '.' {
		whole = false
		if d.i++; d.digits() == 0 {
			return nil, d.fail("bad number")
		}
	}
	if d.i < len(d.s) && (d.s[d.i] == 'e' || d.s[d.i] == 'E') {
		whole = false
		if d.i++; d.i < len(d.s) && (d.s[d.i] == '-' || d.s[d.i] == '+') {
			d.i++
		}
		if d.digits() == 0 {
			return nil, d.fail("bad number")
		}
	}
	text := d.s[start:d.i]
	if !whole {
		// Out of range is infinity, as in Python.
		f, _ := strconv.ParseFloat(text, 64)
		return f, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if digits > 4300 {
		return nil, d.fail(fmt.Sprintf("integer of %d digits (at most 4300)", digits))
	}
	n, _ := new(big.Int).SetString(text, 10)
	return n, nil
}

func (d *jsonReader) digits() int {
	start := d.i
	for isDigitAt(d.s, d.i) {
		d.i++
	}
	return d.i - start
}

func (d *jsonReader) str() (Value, error) {
	d.i++
	start := d.i
	for d.i < len(d.s) && d.s[d.i] != '"' && d.s[d.i] != '\\' && d.s[d.i] >= ' ' {
		d.i++
	}
	if d.i < len(d.s) && d.s[d.i] == '"' {
		d.i++
		return d.s[start : d.i-1], nil
	}
	var b strings.Builder
	b.WriteString(d.s[start:d.i])
	for d.i < len(d.s) {
		switch c := d.s[d.i]; {
		case c == '"':
			d.i++
			return b.String(), nil
		case c < ' ':
			return nil, d.fail("control character in a string")
		case c != '\\':
			b.WriteByte(c)
			d.i++
		default:
			if err := d.escape(&b); err != nil {
				return nil, err
			}
		}
	}
	return nil, d.fail("string without an end")
}

func (d *jsonReader) escape(b *strings.Builder) error {
	d.i++
	if d.i >= len(d.s) {
		return d.fail("string without an end")
	}
	c := d.s[d.i]
	d.i++
	if c != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return d.fail("bad escape")
		}
		b.WriteByte("\"\\/\b\f\n\r\t"[i])
		return nil
	}
	r, ok := d.hex4()
	if !ok {
		return d.fail("bad \\u escape")
	}
	if utf16.IsSurrogate(r) && strings.HasPrefix(d.s[d.i:], `\u`) {
		at := d.i
		d.i += 2
		low, ok := d.hex4()
		if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
			b.WriteRune(pair)
			return nil
		}
		d.i = at
	}
	b.WriteRune(r) // a lone surrogate becomes U+FFFD
	return nil
}

func (d *jsonReader) hex4() (rune, bool) {
	if d.i+4 > len(d.s) {
		return 0, false
	}
	n, err := strconv.ParseUint(d.s[d.i:d.i+4], 16, 32)
	if err != nil {
		return 0, false
	}
	d.i += 4
	return rune(n), true
}
