package tokenizer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads JSON (RFC 8259) in one pass, in place: a tokenizer.json is 10 MB of vocabulary
// and merges, which a reflecting decoder would go through four times.
type jsonReader struct {
	s     string
	at    int
	depth int
}

const maxJSONDepth = 64

var errJSONEnd = errors.New("ends too early")

func (r *jsonReader) fail(err error) error {
	return fmt.Errorf("byte %d: %w", r.at, err)
}

// peek returns the first byte of the next value or delimiter, or 0 at the end.
func (r *jsonReader) peek() byte {
	for r.at < len(r.s) {
		switch c := r.s[r.at]; c {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return c
		}
	}
	return 0
}

func (r *jsonReader) want(c byte) error {
	if got := r.peek(); got != c {
		if got == 0 {
			return r.fail(errJSONEnd)
		}
		return r.fail(fmt.Errorf("want %q, have %q", c, got))
	}
	r.at++
	return nil
}

// list calls item for each element between open and closed.
func (r *jsonReader) list(open, closed byte, item func() error) error {
	if err := r.want(open); err != nil {
		return err
	}
	if r.depth++; r.depth > maxJSONDepth {
		return r.fail(fmt.Errorf("more than %d levels deep", maxJSONDepth))
	}
	defer func() { r.depth-- }()
	if r.peek() == closed {
		r.at++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if r.peek() == ',' {
			r.at++
			continue
		}
		return r.want(closed)
	}
}

func (r *jsonReader) object(field func(name string) error) error {
	return r.list('{', '}', func() error {
		name, err := r.str()
		if err != nil {
			return err
		}
		if err := r.want(':'); err != nil {
			return err
		}
		return field(name)
	})
}

func (r *jsonReader) array(item func() error) error { return r.list('[', ']', item) }

// str reads a string. Without escapes it is a part of the input.
func (r *jsonReader) str() (string, error) {
	if err := r.want('"'); err != nil {
		return "", err
	}
	for i := r.at; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '"':
			s := r.s[r.at:i]
			r.at = i + 1
			return s, nil
		case c == '\\':
			return r.escaped(i)
		case c < ' ':
			r.at = i
			return "", r.fail(errors.New("control character in a string"))
		}
	}
	return "", r.fail(errJSONEnd)
}

// escaped reads on from the first backslash of a string.
func (r *jsonReader) escaped(i int) (string, error) {
	b := []byte(r.s[r.at:i])
	for r.at = i; r.at < len(r.s); {
		c := r.s[r.at]
		r.at++
		switch {
		case c == '"':
			return string(b), nil
		case c < ' ':
			return "", r.fail(errors.New("control character in a string"))
		case c != '\\':
			b = append(b, c)
			continue
		}
		char, err := r.escape()
		if err != nil {
			return "", err
		}
		b = utf8.AppendRune(b, char)
	}
	return "", r.fail(errJSONEnd)
}

func (r *jsonReader) escape() (rune, error) {
	if r.at >= len(r.s) {
		return 0, r.fail(errJSONEnd)
	}
	c := r.s[r.at]
	r.at++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, r.fail(fmt.Errorf("unknown escape %q", c))
	}
	char, err := r.hex4()
	if err != nil || !utf16.IsSurrogate(char) {
		return char, err
	}
	low := rune(0)
	if strings.HasPrefix(r.s[r.at:], `\u`) {
		r.at += 2
		if low, err = r.hex4(); err != nil {
			return 0, err
		}
	}
	if char = utf16.DecodeRune(char, low); char == utf8.RuneError {
		return 0, r.fail(errors.New("lone surrogate"))
	}
	return char, nil
}

func (r *jsonReader) hex4() (rune, error) {
	if len(r.s)-r.at < 4 {
		return 0, r.fail(errJSONEnd)
	}
	n, err := strconv.ParseUint(r.s[r.at:r.at+4], 16, 16)
	if err != nil {
		return 0, r.fail(errors.New(`\u wants 4 hexadecimal digits`))
	}
	r.at += 4
	return rune(n), nil
}

// integer reads a whole number without fraction or exponent.
func (r *jsonReader) integer() (int64, error) {
	r.peek()
	start := r.at
	for r.at < len(r.s) && strings.IndexByte("+-.0123456789Ee", r.s[r.at]) >= 0 {
		r.at++
	}
	n, err := strconv.ParseInt(r.s[start:r.at], 10, 64)
	if err != nil {
		return 0, r.fail(fmt.Errorf("want a whole number, have %.20q", r.s[start:r.at]))
	}
	return n, nil
}

// raw returns the text of the next value, of any type.
func (r *jsonReader) raw() (string, error) {
	first := r.peek()
	start := r.at
	var err error
	switch first {
	case '{':
		err = r.object(func(string) error { return r.skip() })
	case '[':
		err = r.array(r.skip)
	case '"':
		_, err = r.str()
	case 0:
		err = r.fail(errJSONEnd)
	default:
		for r.at < len(r.s) && strings.IndexByte("+-._", r.s[r.at]) >= 0 ||
			r.at < len(r.s) && isAlphanumeric(r.s[r.at]) {
			r.at++
		}
		if r.at == start {
			err = r.fail(fmt.Errorf("unexpected %q", first))
		}
	}
	return r.s[start:r.at], err
}

func (r *jsonReader) skip() error {
	_, err := r.raw()
	return err
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
