package api

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is one value of a parsed JSON document.
type Value struct {
	doc *document
	i   int32
}

func (v Value) node() *node { return &v.doc.nodes[v.i] }

func (v Value) isKind(k jsonKind) bool { return v.doc != nil && v.node().kind == k }

// IsNull reports null.
func (v Value) IsNull() bool { return v.isKind(jsonNull) }

// IsString reports a string.
func (v Value) IsString() bool { return v.isKind(jsonString) }

// IsNumber reports a number.
func (v Value) IsNumber() bool { return v.isKind(jsonNumber) }

// IsArray reports an array.
func (v Value) IsArray() bool { return v.isKind(jsonArray) }

// IsObject reports an object.
func (v Value) IsObject() bool { return v.isKind(jsonObject) }

// IsBool reports true or false.
func (v Value) IsBool() bool { return v.isKind(jsonBool) }

// Raw is a copy of the value's JSON text.
func (v Value) Raw() []byte {
	n := v.node()
	if n.kind == jsonString {
		return bytes.Clone(v.doc.data[n.start-1 : n.end+1])
	}
	return bytes.Clone(v.doc.data[n.start:n.end])
}

// bytes is the value's text in the body, for strings as it is escaped.
func (v Value) bytes() []byte {
	n := v.node()
	return v.doc.data[n.start:n.end]
}

// text is a copy of a string's text with escapes resolved.
func (v Value) text() string {
	if !v.node().escaped {
		return string(v.bytes())
	}
	return string(unescape(v.bytes()))
}

// unescape resolves checked escapes. Half of a surrogate pair alone becomes U+FFFD.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '\\' {
			out = append(out, b[i])
			i++
			continue
		}
		if b[i+1] != 'u' {
			out = append(out, plainEscape(b[i+1]))
			i += 2
			continue
		}
		r := hexRune(b[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			low := rune(-1)
			if i+6 <= len(b) && b[i] == '\\' && b[i+1] == 'u' {
				low = hexRune(b[i+2:])
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 6
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

func hexRune(b []byte) rune {
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	if err != nil {
		panic("BUG: unchecked escape")
	}
	return rune(n)
}

// Err is the first fault that reading fields of the document found.
func (v Value) Err() *Error { return v.doc.err }

// Fail records a fault of this value, unless one is known already. The message follows the field's
// name: "must be ...".
func (v Value) Fail(format string, args ...any) {
	v.failAt(v.Path(), format, args...)
}

func (v Value) failAt(path, format string, args ...any) {
	if v.doc.err == nil {
		name := path
		if name == "" {
			name = "the body"
		}
		v.doc.err = FieldError(path, "%s "+format, append([]any{name}, args...)...)
	}
}

// FailWith records an error as it is, unless one is known already.
func (v Value) FailWith(err *Error) {
	if v.doc.err == nil {
		v.doc.err = err
	}
}

// Path names the value by the keys and indices that lead to it: messages[0].content. It is for
// messages: it searches the document.
func (v Value) Path() string {
	path := []byte{}
	at := int32(0)
	for at != v.i {
		n := &v.doc.nodes[at]
		child, index := at+1, 0
		for n.kind == jsonArray && v.doc.nodes[child].next <= v.i {
			child = v.doc.nodes[child].next
			index++
		}
		if n.kind == jsonArray {
			path = append(strconv.AppendInt(append(path, '['), int64(index), 10), ']')
			at = child
			continue
		}
		key := child
		for child = key + 1; v.doc.nodes[child].next <= v.i; child = key + 1 {
			key = v.doc.nodes[child].next
		}
		if len(path) > 0 {
			path = append(path, '.')
		}
		path = append(path, clip(Value{v.doc, key}.text())...)
		at = child
	}
	return string(path)
}

// show is the value as an error message shows it: numbers and words only, never a client's text.
func (v Value) show() string {
	switch v.node().kind {
	case jsonString:
		return "a string"
	case jsonArray:
		return "an array"
	case jsonObject:
		return "an object"
	default:
		return clip(string(v.bytes()))
	}
}

func clip(s string) string {
	const maxShown = 40
	if len(s) <= maxShown {
		return s
	}
	n := maxShown
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

// Str reads a string.
func (v Value) Str() string {
	if !v.IsString() {
		v.Fail("must be a string, not %s", v.show())
		return ""
	}
	return v.text()
}

// Bool reads true or false.
func (v Value) Bool() bool {
	if !v.IsBool() {
		v.Fail("must be true or false, not %s", v.show())
		return false
	}
	return v.bytes()[0] == 't'
}

// Float reads a number in [lo, hi].
func (v Value) Float(lo, hi float64) float64 {
	if !v.IsNumber() {
		v.Fail("must be a number between %g and %g, not %s", lo, hi, v.show())
		return lo
	}
	x, err := strconv.ParseFloat(string(v.bytes()), 64)
	if err != nil || x < lo || x > hi {
		v.Fail("must be between %g and %g, not %s", lo, hi, v.show())
		return lo
	}
	return x
}

// Int reads a whole number in [lo, hi]. 3.0 is one, as JavaScript has no other numbers.
func (v Value) Int(lo, hi int64) int64 {
	if !v.IsNumber() {
		v.Fail("must be a whole number between %d and %d, not %s", lo, hi, v.show())
		return lo
	}
	x, err := strconv.ParseInt(string(v.bytes()), 10, 64)
	if err != nil {
		const exact = 1 << 53
		f, ferr := strconv.ParseFloat(string(v.bytes()), 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > exact {
			v.Fail("must be a whole number between %d and %d, not %s", lo, hi, v.show())
			return lo
		}
		x = int64(f)
	}
	if x < lo || x > hi {
		v.Fail("must be between %d and %d, not %s", lo, hi, v.show())
		return lo
	}
	return x
}

// Len is the number of elements of an array, 0 for anything else.
func (v Value) Len() int {
	n := 0
	for range v.Elements() {
		n++
	}
	return n
}

// Elements yields the elements of an array. Anything else is a fault.
func (v Value) Elements() func(func(int, Value) bool) {
	return func(yield func(int, Value) bool) {
		if !v.IsArray() {
			v.Fail("must be an array, not %s", v.show())
			return
		}
		end := v.node().next
		for i, n := v.i+1, 0; i < end; i, n = v.doc.nodes[i].next, n+1 {
			if !yield(n, Value{v.doc, i}) {
				return
			}
		}
	}
}

// Strings reads an array of at most limit strings of 1 to maxLen bytes each.
func (v Value) Strings(limit, maxLen int) []string {
	if n := v.Len(); n > limit {
		v.Fail("has %d strings; at most %d are allowed", n, limit)
		return nil
	}
	var out []string
	for _, e := range v.Elements() {
		s := e.Str()
		if e.IsString() && (s == "" || len(s) > maxLen) {
			e.Fail("must have 1 to %d bytes, not %d", maxLen, len(s))
		}
		out = append(out, s)
	}
	return out
}

// Object reads an object. Anything else is a fault and reads as an empty one.
func (v Value) Object() *Object {
	if !v.IsObject() {
		v.Fail("must be an object, not %s", v.show())
		return &Object{v: v}
	}
	o := &Object{v: v}
	end := v.node().next
	for k := v.i + 1; k < end; k = v.doc.nodes[k+1].next {
		o.keys = append(o.keys, k)
	}
	o.seen = make([]bool, len(o.keys))
	return o
}
