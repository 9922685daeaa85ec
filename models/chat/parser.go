package chat

import "strings"

// Parser splits the text that a model generates into Events, piece by piece. It holds text back
// only while that may be the start of a marker or of a call that is not yet certain. One goroutine
// uses it.
type Parser struct {
	format  Format
	markers []string // that may stand in text
	mode    parseMode
	buf     string // fed, not decided on
	call    callReader
	syntax  CallSyntax // of the call being read or just read
	closed  bool       // its Close has been seen
	events  []Event
}

type parseMode uint8

const (
	atStart     parseMode = iota // before any text: reasoning or a call without marker may come
	afterThink                   // the same after reasoning
	inThink                      // reasoning, after its first character
	beginThink                   // reasoning, before its first character
	inText                       // text for the user
	afterMarker                  // what follows decides the syntax of the call
	inName                       // the name of a ShapeNamed call
	inCall                       // the callReader has the text
	inList                       // between the objects of a ShapeList
	afterCall                    // white space, the call's Close, further calls
)

// NewParser returns a Parser for the output of one request.
func NewParser(format Format) *Parser {
	p := &Parser{format: format}
	p.call.emit = p.emit
	for _, c := range format.Calls {
		if c.Open != "" {
			p.markers = append(p.markers, c.Open)
		}
	}
	p.markers = append(p.markers, format.Ignore...)
	if format.Thinking {
		p.mode = beginThink
	}
	return p
}

// Feed takes the next piece of output. The Events are valid until the next call.
func (p *Parser) Feed(text string) []Event {
	p.events = p.events[:0]
	p.buf += text
	for p.buf != "" && p.advance(false) {
	}
	return p.events
}

// Close says that the output has ended and gives out what was held back.
func (p *Parser) Close() []Event {
	p.events = p.events[:0]
	for p.buf != "" && p.advance(true) {
	}
	switch p.mode {
	case inCall:
		p.call.abandon()
	case afterMarker, inName:
		p.call.giveBack()
	}
	p.mode = inText
	return p.events
}

// emit appends e, joining text to text.
func (p *Parser) emit(e Event) {
	if e.Raw == "" && e.Kind != EventCallStart && e.Kind != EventCallArgs &&
		e.Kind != EventCallEnd {
		return
	}
	if n := len(p.events); n > 0 && p.events[n-1].Kind == e.Kind && e.Kind != EventCallStart &&
		e.Kind != EventCallEnd {
		p.events[n-1].Text += e.Text
		p.events[n-1].Raw += e.Raw
		return
	}
	p.events = append(p.events, e)
}

// take emits the first n bytes of buf.
func (p *Parser) take(kind EventKind, n int) {
	e := Event{Kind: kind, Raw: p.buf[:n]}
	if kind != EventSkip {
		e.Text = e.Raw
	}
	p.emit(e)
	p.buf = p.buf[n:]
}

// advance decides on the front of buf. It reports false when it needs more text; with final there
// will be none, and it decides on all of it.
func (p *Parser) advance(final bool) bool {
	switch p.mode {
	case atStart, afterThink:
		return p.start(final)
	case beginThink, inThink:
		return p.think(final)
	case afterMarker:
		return p.chooseSyntax()
	case inName:
		return p.readName(final)
	case inCall:
		return p.readCall()
	case inList:
		return p.betweenObjects(final)
	case afterCall:
		return p.afterCall(final)
	}
	return p.text(final)
}

func (p *Parser) start(final bool) bool {
	rest := strings.TrimLeft(p.buf, " \t\r\n")
	space := len(p.buf) - len(rest)
	think := p.format.Think != "" && p.mode == atStart
	switch {
	case rest == "" && final && p.mode == afterThink:
		p.take(EventSkip, space)
	case rest == "":
		p.mode = orText(p.mode, final)
		return final
	case think && strings.HasPrefix(rest, p.format.Think):
		p.take(EventSkip, space+len(p.format.Think))
		p.mode = beginThink
	case think && mayBecome(rest, p.format.Think) && !final:
		return false
	case rest[0] == '{' && p.bareSyntax():
		p.beginCall(space, true)
	default:
		if p.mode == afterThink {
			p.take(EventSkip, space)
		}
		p.mode = inText
	}
	return true
}

func orText(mode parseMode, final bool) parseMode {
	if final {
		return inText
	}
	return mode
}

// bareSyntax chooses the family's call without a marker.
func (p *Parser) bareSyntax() bool {
	for _, c := range p.format.Calls {
		if c.Open == "" {
			p.syntax = c
			return true
		}
	}
	return false
}

// think gives reasoning out, less the line breaks next to its markers.
func (p *Parser) think(final bool) bool {
	if p.mode == beginThink {
		rest := strings.TrimLeft(p.buf, "\n")
		p.take(EventSkip, len(p.buf)-len(rest))
		if rest == "" {
			return false
		}
		p.mode = inThink
	}
	if end := strings.Index(p.buf, p.format.EndThink); end >= 0 {
		inner := len(strings.TrimRight(p.buf[:end], "\n"))
		p.take(EventReasoning, inner)
		p.take(EventSkip, end-inner+len(p.format.EndThink))
		p.mode = afterThink
		return true
	}
	keep := 0
	if !final {
		keep = pending(p.buf, []string{p.format.EndThink})
		keep = len(p.buf) - len(strings.TrimRight(p.buf[:len(p.buf)-keep], "\n"))
	}
	p.take(EventReasoning, len(p.buf)-keep)
	return false
}

func (p *Parser) text(final bool) bool {
	at, marker := firstMarker(p.buf, p.markers)
	if at < 0 {
		keep := 0
		if !final {
			keep = pending(p.buf, p.markers)
		}
		p.take(EventText, len(p.buf)-keep)
		return false
	}
	p.take(EventText, at)
	if p.ignored(marker) {
		p.take(EventSkip, len(marker))
		return true
	}
	p.syntax = CallSyntax{Open: marker}
	p.beginCall(len(marker), false)
	p.mode = afterMarker
	return true
}

func (p *Parser) ignored(marker string) bool {
	for _, c := range p.format.Calls {
		if c.Open == marker {
			return false
		}
	}
	return true
}

// beginCall hands the first n bytes of buf, which introduce a call, to the callReader.
func (p *Parser) beginCall(n int, bare bool) {
	p.call.begin(p.buf[:n], bare)
	p.buf = p.buf[n:]
	p.closed = false
	p.mode = inCall
}

// hold moves the first n bytes of buf to the text that the call is answerable for.
func (p *Parser) hold(n int) {
	p.call.raw = append(p.call.raw, p.buf[:n]...)
	p.buf = p.buf[n:]
}

// chooseSyntax looks at the first byte after a marker.
func (p *Parser) chooseSyntax() bool {
	p.hold(len(p.buf) - len(strings.TrimLeft(p.buf, " \t\r\n")))
	if p.buf == "" {
		return false
	}
	want := ShapeNamed
	switch p.buf[0] {
	case '{':
		want = ShapeObject
	case '[':
		want = ShapeList
	}
	for _, c := range p.format.Calls {
		if c.Open != p.syntax.Open || c.Shape != want {
			continue
		}
		p.syntax = c
		switch want {
		case ShapeObject:
			p.mode = inCall
		case ShapeList:
			p.hold(1)
			p.mode = inCall
		default:
			p.mode = inName
		}
		return true
	}
	p.call.giveBack()
	p.mode = inText
	return true
}

// maxNameText bounds the name, id and marker of a ShapeNamed call.
const maxNameText = 512

// readName reads name, perhaps an id, and the marker before the arguments.
func (p *Parser) readName(final bool) bool {
	name, id := nameEnd(p.buf), ""
	rest := p.buf[name:]
	if before := p.syntax.BeforeID; before != "" && strings.HasPrefix(rest, before) {
		rest = rest[len(before):]
		id = rest[:nameEnd(rest)]
		rest = rest[len(id):]
	}
	switch {
	case name > 0 && strings.HasPrefix(rest, p.syntax.BeforeArgs):
		p.call.name, p.call.id = p.buf[:name], id
		p.hold(len(p.buf) - len(rest) + len(p.syntax.BeforeArgs))
		p.call.state = wantArgs
		p.mode = inCall
	case !final && len(p.buf) <= maxNameText && (rest == "" ||
		mayBecome(rest, p.syntax.BeforeArgs, p.syntax.BeforeID)):
		return false
	default:
		p.call.giveBack()
		p.mode = inText
	}
	return true
}

// nameEnd is the length of the function name at the front of s.
func nameEnd(s string) int {
	end := strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("_-.:", r))
	})
	if end < 0 {
		return len(s)
	}
	return end
}

func (p *Parser) readCall() bool {
	n, status := p.call.read(p.buf)
	p.buf = p.buf[n:]
	switch status {
	case callMore:
		return false
	case callBroken:
		p.call.abandon()
		p.mode = inText
	case callNone:
		p.mode = inText
	case callDone:
		p.mode = afterCall
		if p.syntax.Shape == ShapeList {
			p.mode = inList
		}
	}
	return true
}

func (p *Parser) betweenObjects(final bool) bool {
	rest := strings.TrimLeft(p.buf, " \t\r\n")
	space := len(p.buf) - len(rest)
	switch {
	case rest == "" && !final:
		return false
	case rest == "":
		p.take(EventSkip, space)
	case rest[0] == ',':
		p.beginCall(space+1, false)
	case rest[0] == ']':
		p.take(EventSkip, space+1)
		p.mode = afterCall
	default:
		p.mode = inText
	}
	return true
}

// afterCall skips white space and the call's closing marker, and finds a further call.
func (p *Parser) afterCall(final bool) bool {
	bare := p.syntax.Open == "" && p.syntax.Shape == ShapeObject
	between := " \t\r\n"
	if bare {
		between += ";"
	}
	rest := strings.TrimLeft(p.buf, between)
	space := len(p.buf) - len(rest)
	shut := p.syntax.Close != "" && !p.closed
	switch {
	case rest == "" && !final:
		return false
	case rest == "":
		p.take(EventSkip, space)
	case shut && strings.HasPrefix(rest, p.syntax.Close):
		p.take(EventSkip, space+len(p.syntax.Close))
		p.closed = true
	case !final && (mayBecome(rest, p.markers...) || shut && mayBecome(rest, p.syntax.Close)):
		return false
	case beginsWith(rest, p.markers):
		p.take(EventSkip, space)
		p.mode = inText
	case bare && rest[0] == '{':
		p.beginCall(space, true)
	default:
		p.mode = inText
	}
	return true
}
