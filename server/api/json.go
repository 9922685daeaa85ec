package api

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// Limits of a JSON body. They bound memory and stack, whatever a client sends.
const (
	MaxJSONDepth  = 100
	MaxJSONValues = 1 << 20
)

type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

// node is a value or an object's key in document order. Its text is data[start:end], for strings
// without the quotes. The members of an object are a key node followed by the value's nodes.
type node struct {
	start, end int32
	next       int32 // index of the first node after this one's subtree
	kind       jsonKind
	escaped    bool
}

// document is a parsed body: one flat array, no values unpacked yet. err is the first fault that a
// reader of fields found.
type document struct {
	data  []byte
	nodes []node
	err   *Error
}

// ParseJSON checks data and returns its root. It is stricter than RFC 8259 asks: duplicate keys are
// refused (another reader on the way may take the other one), as are bytes that are not UTF-8, text
// after the value, and more than MaxJSONDepth levels or MaxJSONValues values. data must not change
// while the result is read.
func ParseJSON(data []byte) (Value, *Error) {
	if len(bytes.TrimLeft(data, " \t\r\n")) == 0 {
		return Value{}, Errorf(Invalid, "the body is empty; it must be a JSON object")
	}
	if !utf8.Valid(data) {
		return Value{}, Errorf(Invalid, "the body is not valid UTF-8 at byte %d", badUTF8(data))
	}
	p := parser{doc: &document{data: data}}
	p.doc.nodes = make([]node, 0, min(64, len(data)))
	p.space()
	p.value(0)
	p.space()
	if p.err == "" && p.pos < len(data) {
		p.fail("text after the JSON value")
	}
	if p.err != "" {
		return Value{}, Errorf(Invalid, "the body is not valid JSON: %s at byte %d", p.err, p.pos)
	}
	return Value{doc: p.doc}, nil
}

func badUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(data)
}

type parser struct {
	doc *document
	pos int
	err string
}

func (p *parser) fail(what string) {
	if p.err == "" {
		p.err = what
	}
}

// peek returns the next byte, 0 at the end or after a fault.
func (p *parser) peek() byte {
	if p.err != "" || p.pos >= len(p.doc.data) {
		return 0
	}
	return p.doc.data[p.pos]
}

func (p *parser) space() {
	for {
		switch p.peek() {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// open appends a node that starts here and returns its index.
func (p *parser) open(k jsonKind) int {
	if len(p.doc.nodes) >= MaxJSONValues {
		p.fail("more than " + strconv.Itoa(MaxJSONValues) + " values")
	}
	p.doc.nodes = append(p.doc.nodes, node{start: int32(p.pos), kind: k})
	return len(p.doc.nodes) - 1
}

func (p *parser) close(i, end int) {
	p.doc.nodes[i].end = int32(end)
	p.doc.nodes[i].next = int32(len(p.doc.nodes))
}

func (p *parser) value(depth int) {
	switch c := p.peek(); {
	case depth >= MaxJSONDepth && (c == '{' || c == '['):
		p.fail("more than " + strconv.Itoa(MaxJSONDepth) + " levels")
	case c == '{':
		p.object(depth)
	case c == '[':
		p.array(depth)
	case c == '"':
		p.string()
	case c == '-' || c >= '0' && c <= '9':
		p.number()
	case c == 't':
		p.word("true", jsonBool)
	case c == 'f':
		p.word("false", jsonBool)
	case c == 'n':
		p.word("null", jsonNull)
	case p.pos >= len(p.doc.data):
		p.fail("unexpected end")
	default:
		p.fail("unexpected character")
	}
}

func (p *parser) word(w string, k jsonKind) {
	i := p.open(k)
	if !bytes.HasPrefix(p.doc.data[p.pos:], []byte(w)) {
		p.fail("unexpected character")
		return
	}
	p.pos += len(w)
	p.close(i, p.pos)
}

func (p *parser) object(depth int) {
	i := p.open(jsonObject)
	p.pos++
	p.space()
	keys := keySet{}
	for first := true; p.peek() != '}'; first = false {
		if !p.comma(first) {
			return
		}
		if p.peek() != '"' {
			p.fail("expected a key")
			return
		}
		k := len(p.doc.nodes)
		p.string()
		if p.err == "" && !keys.add(p.doc, k) {
			p.fail("duplicate key " + strconv.Quote(clip(Value{p.doc, int32(k)}.text())))
		}
		p.space()
		if p.peek() != ':' {
			p.fail("expected a colon")
			return
		}
		p.pos++
		p.space()
		p.value(depth + 1)
		p.space()
	}
	p.pos++
	p.close(i, p.pos)
}

func (p *parser) array(depth int) {
	i := p.open(jsonArray)
	p.pos++
	p.space()
	for first := true; p.peek() != ']'; first = false {
		if !p.comma(first) {
			return
		}
		p.value(depth + 1)
		p.space()
	}
	p.pos++
	p.close(i, p.pos)
}

// comma steps over the separator before every member but the first.
func (p *parser) comma(first bool) bool {
	if !first {
		if p.peek() != ',' {
			p.fail("expected a comma or the end of the list")
			return false
		}
		p.pos++
		p.space()
	}
	return p.err == ""
}

func (p *parser) string() {
	p.pos++
	i := p.open(jsonString)
	data := p.doc.data
	for p.pos < len(data) && p.err == "" {
		switch c := data[p.pos]; {
		case c == '"':
			p.close(i, p.pos)
			p.pos++
			return
		case c == '\\':
			p.doc.nodes[i].escaped = true
			p.escape()
		case c < ' ':
			p.fail("a control character in a string")
		default:
			p.pos++
		}
	}
	p.fail("unexpected end in a string")
}

func (p *parser) escape() {
	p.pos++
	switch p.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		p.pos++
	case 'u':
		if len(p.doc.data)-p.pos < 5 || !isHex(p.doc.data[p.pos+1:p.pos+5]) {
			p.fail("a broken \\u escape")
			return
		}
		p.pos += 5
	default:
		p.fail("an unknown escape")
	}
}

func isHex(b []byte) bool {
	for _, c := range b {
		lower := c | 0x20
		if (c < '0' || c > '9') && (lower < 'a' || lower > 'f') {
			return false
		}
	}
	return true
}

func (p *parser) number() {
	i := p.open(jsonNumber)
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else if !p.digits() {
		return
	}
	if p.peek() == '.' {
		p.pos++
		if !p.digits() {
			return
		}
	}
	if p.peek()|0x20 == 'e' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if !p.digits() {
			return
		}
	}
	p.close(i, p.pos)
}

func (p *parser) digits() bool {
	start := p.pos
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.pos++
	}
	if p.pos == start {
		p.fail("a broken number")
	}
	return p.pos > start
}

// keySet finds duplicate keys of one object: by comparison while there are few, then by a map.
type keySet struct {
	few  []int32
	many map[string]struct{}
}

func (s *keySet) add(d *document, k int) bool {
	const maxFew = 16
	if s.many == nil {
		for _, other := range s.few {
			if sameKey(d, int(other), k) {
				return false
			}
		}
		if s.few = append(s.few, int32(k)); len(s.few) < maxFew {
			return true
		}
		s.many = make(map[string]struct{}, 2*maxFew)
		for _, other := range s.few {
			s.many[Value{d, other}.text()] = struct{}{}
		}
		return true
	}
	name := Value{d, int32(k)}.text()
	_, dup := s.many[name]
	s.many[name] = struct{}{}
	return !dup
}

func sameKey(d *document, a, b int) bool {
	x, y := d.nodes[a], d.nodes[b]
	if !x.escaped && !y.escaped {
		return bytes.Equal(d.data[x.start:x.end], d.data[y.start:y.end])
	}
	return Value{d, int32(a)}.text() == Value{d, int32(b)}.text()
}
