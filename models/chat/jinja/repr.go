package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// str is Python's str(v): what {{ v }} prints.
func (in *interp) str(v Value) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case Markup:
		return string(v), nil
	case *Undefined:
		return "", nil
	}
	return in.repr(v)
}

// repr is Python's repr(v).
func (in *interp) repr(v Value) (string, error) {
	b, err := in.appendRepr(nil, v, 0)
	return string(b), err
}

// appendRepr accounts for what it appends, element by element: a list may hold itself many times.
func (in *interp) appendRepr(b []byte, v Value, depth int) ([]byte, error) {
	if depth > maxDataDepth {
		return nil, in.tooDeep("printed values")
	}
	start := len(b)
	var err error
	switch v := v.(type) {
	case None:
		b = append(b, "None"...)
	case bool:
		b = append(b, pyBool(v)...)
	case int64:
		b = strconv.AppendInt(b, v, 10)
	case *big.Int: // conversion is quadratic
		if err := in.work(v.BitLen() >> 4); err != nil {
			return nil, err
		}
		b = v.Append(b, 10)
	case float64:
		b = appendFloat(b, v)
	case string:
		b = appendQuoted(b, v)
	case Markup:
		b = append(appendQuoted(append(b, "Markup("...), string(v)), ')')
	case *List:
		return in.appendList(b, v, depth)
	case *Dict:
		return in.appendDict(b, v, depth)
	default:
		b, err = in.appendObject(b, v, depth)
	}
	if err != nil {
		return nil, err
	}
	return b, in.grow(2 * (len(b) - start + 1)) // twice: the buffer grows by copying
}

func pyBool(v bool) string {
	if v {
		return "True"
	}
	return "False"
}

func (in *interp) appendList(b []byte, l *List, depth int) ([]byte, error) {
	opening, closing := byte('['), byte(']')
	if l.tuple {
		opening, closing = '(', ')'
	}
	// Brackets and commas, four times over: they are copied while the buffer grows.
	if err := in.grow(8 + 8*len(l.items)); err != nil {
		return nil, err
	}
	b = append(b, opening)
	for i, item := range l.items {
		if i > 0 {
			b = append(b, ", "...)
		}
		var err error
		if b, err = in.appendRepr(b, item, depth+1); err != nil {
			return nil, err
		}
	}
	if l.tuple && len(l.items) == 1 {
		b = append(b, ',')
	}
	return append(b, closing), nil
}

func (in *interp) appendDict(b []byte, d *Dict, depth int) ([]byte, error) {
	if err := in.grow(8 + 16*len(d.entries)); err != nil {
		return nil, err
	}
	b = append(b, '{')
	for i := range d.entries {
		if i > 0 {
			b = append(b, ", "...)
		}
		var err error
		if b, err = in.appendRepr(b, d.entries[i].key, depth+1); err != nil {
			return nil, err
		}
		b = append(b, ": "...)
		if b, err = in.appendRepr(b, d.entries[i].val, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func (in *interp) appendObject(b []byte, v Value, depth int) ([]byte, error) {
	switch v := v.(type) {
	case *Undefined:
		return append(b, "Undefined"...), nil
	case *namespace:
		b, err := in.appendRepr(append(b, "<Namespace "...), v.attrs, depth+1)
		return append(b, '>'), err
	case *view:
		seq, err := in.elements(v)
		if err != nil {
			return nil, err
		}
		b = append(append(b, typeName(v)...), '(')
		b, err = in.appendRepr(b, NewList(seq...), depth+1)
		return append(b, ')'), err
	case *span:
		b = strconv.AppendInt(append(b, "range("...), v.start, 10)
		b = strconv.AppendInt(append(b, ", "...), v.stop, 10)
		if v.step != 1 {
			b = strconv.AppendInt(append(b, ", "...), v.step, 10)
		}
		return append(b, ')'), nil
	case *macro:
		return append(appendQuoted(append(b, "<Macro "...), v.def.name), '>'), nil
	case *loopState:
		b = strconv.AppendInt(append(b, "<LoopContext "...), int64(v.index+1), 10)
		b = strconv.AppendInt(append(b, '/'), int64(v.seq.n), 10)
		return append(b, '>'), nil
	}
	// Python prints an address here, which no template can depend on.
	return append(append(append(b, '<'), typeName(v)...), " object>"...), nil
}

// appendFloat is Python's repr of a float: the shortest digits that read back, and always a point
// or an exponent.
func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 0):
		if f < 0 {
			b = append(b, '-')
		}
		return append(b, "inf"...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if !strings.Contains(string(b[start:]), ".") {
		b = append(b, ".0"...)
	}
	return b
}

// appendQuoted is Python's repr of a str.
func appendQuoted(b []byte, s string) []byte {
	quote := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		quote = '"'
	}
	b = append(b, quote)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case unicode.IsPrint(r):
			b = append(b, s[i:i+size]...)
		default:
			b = appendEscape(b, r)
		}
		i += size
	}
	return append(b, quote)
}

func appendEscape(b []byte, r rune) []byte {
	digits, letter := 8, byte('U')
	switch {
	case r < 0x100:
		digits, letter = 2, 'x'
	case r < 0x10000:
		digits, letter = 4, 'u'
	}
	b = append(b, '\\', letter)
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[r>>shift&15])
	}
	return b
}
