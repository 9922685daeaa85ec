package chat

import "encoding/json"

// objectState is where in {"name": ..., "arguments": {...}} a callReader is.
type objectState uint8

const (
	wantObject objectState = iota
	wantKeyOrEnd
	wantKey
	inKey
	wantColon
	wantValue
	inValue
	wantCommaOrEnd
	wantArgs // of ShapeNamed, between the marker and the arguments
)

// callStatus is how far a callReader got.
type callStatus uint8

const (
	callMore   callStatus = iota // needs more text
	callDone                     // the call is complete
	callBroken                   // this is no call, or no longer one
	callNone                     // a complete object that is no call
)

// callReader reads one call. Until it has both a name and the start of arguments it emits nothing,
// so that what turns out to be no call can be given back as text.
type callReader struct {
	emit  func(Event)
	state objectState
	scan  jsonScan
	raw   []byte // text that no event stands for yet

	bare  bool // without a marker: every key must be one that calls have
	named bool // ShapeNamed: the value is all there is

	key, name, id string
	value         int    // where in raw the key or value being read begins
	args          string // complete arguments that came before the name
	hasArgs       bool
	started       bool // EventCallStart is out
	streaming     bool // the value being read is the arguments, given out piece by piece
}

// begin prepares for a call that raw, already read, introduces.
func (r *callReader) begin(raw string, bare bool) {
	*r = callReader{emit: r.emit, scan: r.scan, raw: append(r.raw[:0], raw...), bare: bare}
}

// read takes text and reports how much of it belongs to the call.
func (r *callReader) read(text string) (n int, status callStatus) {
	for i := 0; i < len(text); i++ {
		again, status := r.step(text[i])
		switch {
		case status == callBroken:
			return i, callBroken
		case again:
			i--
		case status == callDone || status == callNone:
			return i + 1, status
		}
	}
	r.flush()
	return len(text), callMore
}

// step takes one byte; again says that it ended a value without being part of it.
func (r *callReader) step(c byte) (again bool, status callStatus) {
	switch r.state {
	case inKey, inValue:
		return r.within(c)
	}
	if isJSONSpace(c) {
		r.raw = append(r.raw, c)
		return false, callMore
	}
	switch {
	case r.state == wantObject && c == '{':
		r.state = wantKeyOrEnd
	case (r.state == wantKey || r.state == wantKeyOrEnd) && c == '"':
		r.enter(inKey)
		return r.within(c)
	case r.state == wantColon && c == ':':
		r.state = wantValue
	case r.state == wantValue:
		return r.beginValue(c)
	case r.state == wantArgs && c == '{':
		r.key, r.named = "arguments", true
		return r.beginValue(c)
	case r.state == wantCommaOrEnd && c == ',':
		r.state = wantKey
	case (r.state == wantCommaOrEnd || r.state == wantKeyOrEnd) && c == '}':
		r.raw = append(r.raw, c)
		return false, r.endObject()
	default:
		return false, callBroken
	}
	r.raw = append(r.raw, c)
	return false, callMore
}

func (r *callReader) enter(state objectState) {
	r.state = state
	r.value = len(r.raw)
	r.scan.reset()
}

func isArgsKey(key string) bool { return key == "arguments" || key == "parameters" }

func (r *callReader) beginValue(c byte) (bool, callStatus) {
	if isArgsKey(r.key) {
		if c != '{' && c != '"' && c != 'n' {
			return false, callBroken
		}
		if c == '{' && r.name != "" && !r.started {
			r.start()
			r.streaming = true
		}
	}
	r.enter(inValue)
	return r.within(c)
}

// start gives out the beginning of the call, with all the text before its arguments.
func (r *callReader) start() {
	r.emit(Event{Kind: EventCallStart, ID: r.id, Name: r.name, Raw: string(r.raw)})
	r.started = true
	r.raw = r.raw[:0]
}

// flush gives out the arguments read so far.
func (r *callReader) flush() {
	if r.streaming && len(r.raw) > 0 {
		text := string(r.raw)
		r.emit(Event{Kind: EventCallArgs, Text: text, Raw: text})
		r.raw = r.raw[:0]
	}
}

// within takes a byte of a key or value.
func (r *callReader) within(c byte) (again bool, status callStatus) {
	switch r.scan.step(c) {
	case scanBad:
		return false, callBroken
	case scanMore:
		r.raw = append(r.raw, c)
		return false, callMore
	case scanBefore:
		return true, r.endValue()
	}
	r.raw = append(r.raw, c)
	if status = r.endValue(); status == callBroken {
		r.raw = r.raw[:len(r.raw)-1]
	}
	return false, status
}

func (r *callReader) endValue() callStatus {
	if r.streaming {
		r.flush()
		r.streaming = false
		r.state = wantCommaOrEnd
		if r.named {
			return r.end()
		}
		return callMore
	}
	text := string(r.raw[r.value:])
	if r.state == inKey {
		r.key, r.state = unquote(text), wantColon
		if r.bare && !isCallKey(r.key) {
			return callBroken
		}
		return callMore
	}
	r.state = wantCommaOrEnd
	switch r.key {
	case "name", "tool_name":
		if r.name = unquote(text); r.name == "" {
			return callBroken
		}
	case "id", "tool_call_id":
		r.id = unquote(text)
	case "arguments", "parameters":
		r.args, r.hasArgs = argsText(text), true
	}
	return callMore
}

func isCallKey(key string) bool {
	return key == "name" || key == "type" || key == "id" || isArgsKey(key)
}

// unquote is the text of a JSON string, "" if it is none.
func unquote(text string) string {
	var s string
	if json.Unmarshal([]byte(text), &s) != nil {
		return ""
	}
	return s
}

// argsText is the arguments as an object's text: some models write the object inside a string.
func argsText(value string) string {
	switch value[0] {
	case '"':
		return unquote(value)
	case 'n':
		return ""
	}
	return value
}

// endObject is called after the object's closing brace.
func (r *callReader) endObject() callStatus {
	if !r.started {
		if r.name == "" || r.bare && !r.hasArgs {
			r.giveBack()
			return callNone
		}
		r.start()
		if r.args != "" {
			r.emit(Event{Kind: EventCallArgs, Text: r.args})
		}
	}
	return r.end()
}

func (r *callReader) end() callStatus {
	r.emit(Event{Kind: EventCallEnd, ID: r.id, Raw: string(r.raw)})
	r.raw = r.raw[:0]
	return callDone
}

// giveBack gives out as text what was held for a call that is none.
func (r *callReader) giveBack() {
	text := string(r.raw)
	r.emit(Event{Kind: EventText, Text: text, Raw: text})
	r.raw = r.raw[:0]
}

// abandon ends the call where its text stopped making sense.
func (r *callReader) abandon() {
	if !r.started {
		r.giveBack()
		return
	}
	r.flush()
	r.emit(Event{Kind: EventCallEnd, ID: r.id, Broken: true, Raw: string(r.raw)})
	r.raw = r.raw[:0]
}
