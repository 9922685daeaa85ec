package load

import (
	"bytes"
	"strconv"
)

// fields walks the members of a JSON object without allocating. It trusts the text to be JSON and
// stops where it is not.
type fields struct {
	rest       []byte
	key, value []byte // of the current member; the key without its quotes
}

func object(text []byte) fields {
	i := space(text, 0)
	if i >= len(text) || text[i] != '{' {
		return fields{}
	}
	return fields{rest: text[i+1:]}
}

// next goes to the next member, and says whether there is one.
func (f *fields) next() bool {
	b := f.rest
	i := space(b, 0)
	if i < len(b) && b[i] == ',' {
		i = space(b, i+1)
	}
	if i >= len(b) || b[i] != '"' {
		return false
	}
	end := skip(b, i)
	if end < 0 {
		return false
	}
	f.key = b[i+1 : end-1]
	if i = space(b, end); i >= len(b) || b[i] != ':' {
		return false
	}
	i = space(b, i+1)
	if end = skip(b, i); end < 0 {
		return false
	}
	f.value, f.rest = b[i:end], b[end:]
	return true
}

// find is an object's member, nil when it has none of that name.
func find(text []byte, key string) []byte {
	for f := object(text); f.next(); {
		if string(f.key) == key {
			return f.value
		}
	}
	return nil
}

// firstElement is the first element of an array, nil for an empty one or none.
func firstElement(text []byte) []byte {
	i := space(text, 0)
	if i >= len(text) || text[i] != '[' {
		return nil
	}
	i = space(text, i+1)
	end := skip(text, i)
	if end < 0 {
		return nil
	}
	return text[i:end]
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skip gives the end of the value that begins at i, or -1 where there is none.
func skip(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth--; depth < 0 {
				return -1
			}
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return -1
			}
			i++
			continue
		default:
			i = literalEnd(b, i)
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

// stringEnd is the index behind the closing quote of the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		slashes := 0
		for k := i - 1; b[k] == '\\'; k-- {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
	return -1
}

func literalEnd(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r', ':', '"', '{', '[':
			return i
		}
	}
	return i
}

// empty says whether a value brings no text: absent, null, "", [] or {}.
func empty(value []byte) bool {
	switch string(value) {
	case "", "null", `""`, "[]", "{}":
		return true
	}
	return false
}

func isNull(value []byte) bool { return len(value) == 0 || string(value) == "null" }

func number(value []byte) int {
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return 0
	}
	return n
}

// unquoted is the text of a JSON string, "" for anything else.
func unquoted(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1])
	}
	return decodeString(value)
}
