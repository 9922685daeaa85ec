package chat

// maxCallDepth bounds the nesting of a call's arguments.
const maxCallDepth = 64

// scanResult is what one byte did to a jsonScan.
type scanResult uint8

const (
	scanMore   scanResult = iota // the value goes on
	scanEnd                      // the byte ended the value
	scanBefore                   // the value ended before the byte, which is not part of it
	scanBad                      // the byte cannot stand here
)

// jsonScan checks one JSON value byte by byte (RFC 8259). The zero value is ready for a value.
type jsonScan struct {
	open  []byte // the containers that are open: { or [
	state scanState
	key   bool   // the string being read is a key
	hex   int    // digits of a \u escape still to come
	rest  string // of a literal
}

type scanState uint8

const (
	atValue scanState = iota
	atValueOrEnd
	atKey
	atKeyOrEnd
	atColon
	atCommaOrEnd
	inString
	inEscape
	inLiteral
	inMinus
	inZero
	inInt
	inPoint
	inFraction
	inExp
	inExpSign
	inExpDigits
)

func (s *jsonScan) reset() { *s = jsonScan{open: s.open[:0]} }

func isJSONSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (s *jsonScan) step(c byte) scanResult {
	switch s.state {
	case inString, inEscape:
		return s.inString(c)
	case inLiteral:
		if c != s.rest[0] {
			return scanBad
		}
		if s.rest = s.rest[1:]; s.rest == "" {
			return s.ended()
		}
		return scanMore
	case inMinus, inZero, inInt, inPoint, inFraction, inExp, inExpSign, inExpDigits:
		return s.number(c)
	}
	if isJSONSpace(c) {
		return scanMore
	}
	return s.structure(c)
}

// structure handles a byte between values.
func (s *jsonScan) structure(c byte) scanResult {
	switch s.state {
	case atKeyOrEnd, atKey:
		if c == '"' {
			s.state, s.key = inString, true
			return scanMore
		}
		if c == '}' && s.state == atKeyOrEnd {
			return s.close('{')
		}
		return scanBad
	case atColon:
		if c != ':' {
			return scanBad
		}
		s.state = atValue
		return scanMore
	case atCommaOrEnd:
		top := s.open[len(s.open)-1]
		switch {
		case c == ',' && top == '{':
			s.state = atKey
		case c == ',':
			s.state = atValue
		case c == '}', c == ']':
			return s.close(c - 2) // { and [ stand two before } and ]
		default:
			return scanBad
		}
		return scanMore
	}
	if c == ']' && s.state == atValueOrEnd {
		return s.close('[')
	}
	return s.begin(c)
}

func (s *jsonScan) close(opening byte) scanResult {
	top := len(s.open) - 1
	if s.open[top] != opening {
		return scanBad
	}
	s.open = s.open[:top]
	return s.ended()
}

// ended is called when a value is complete with the current byte.
func (s *jsonScan) ended() scanResult {
	s.state = atCommaOrEnd
	if len(s.open) == 0 {
		return scanEnd
	}
	return scanMore
}

func (s *jsonScan) begin(c byte) scanResult {
	switch {
	case c == '{' || c == '[':
		if len(s.open) == maxCallDepth {
			return scanBad
		}
		s.open = append(s.open, c)
		s.state = atKeyOrEnd
		if c == '[' {
			s.state = atValueOrEnd
		}
	case c == '"':
		s.state, s.key = inString, false
	case c == '-':
		s.state = inMinus
	case c == '0':
		s.state = inZero
	case c >= '1' && c <= '9':
		s.state = inInt
	case c == 't':
		s.state, s.rest = inLiteral, "rue"
	case c == 'f':
		s.state, s.rest = inLiteral, "alse"
	case c == 'n':
		s.state, s.rest = inLiteral, "ull"
	default:
		return scanBad
	}
	return scanMore
}

func (s *jsonScan) inString(c byte) scanResult {
	switch {
	case s.hex > 0:
		if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
			return scanBad
		}
		s.hex--
	case s.state == inEscape:
		s.state = inString
		switch c {
		case 'u':
			s.hex = 4
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		default:
			return scanBad
		}
	case c == '\\':
		s.state = inEscape
	case c < ' ':
		return scanBad
	case c == '"' && s.key:
		s.state = atColon
	case c == '"':
		return s.ended()
	}
	return scanMore
}

func (s *jsonScan) number(c byte) scanResult {
	digit := c >= '0' && c <= '9'
	next := s.state
	switch {
	case digit && s.state == inMinus:
		if next = inInt; c == '0' {
			next = inZero
		}
	case digit && s.state == inPoint:
		next = inFraction
	case digit && (s.state == inExp || s.state == inExpSign):
		next = inExpDigits
	case digit && (s.state == inInt || s.state == inFraction || s.state == inExpDigits):
	case c == '.' && (s.state == inZero || s.state == inInt):
		next = inPoint
	case c|0x20 == 'e' && (s.state == inZero || s.state == inInt || s.state == inFraction):
		next = inExp
	case (c == '-' || c == '+') && s.state == inExp:
		next = inExpSign
	case s.state == inZero, s.state == inInt, s.state == inFraction, s.state == inExpDigits:
		if s.ended() == scanEnd {
			return scanBefore
		}
		return s.step(c)
	default:
		return scanBad
	}
	s.state = next
	return scanMore
}
