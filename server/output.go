package server

import (
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"

	"basalt/models/chat"
	"basalt/server/api"
)

// outputParser takes a choice's text apart into text, reasoning and tool calls. nil passes all of
// it as text.
type outputParser struct {
	parser *chat.Parser
	short  bool   // the family's templates want ids of 9 characters
	forced string // the beginning of the output, which stands in the prompt
	one    bool   // the first call ends the output
	tools  []api.Tool
	calls  int
	broken bool
	over   bool // nothing that follows counts
}

// newOutputParser makes the parser of one choice: nil where nothing is to be found, as in raw
// continuations.
func newOutputParser(g *generation) *outputParser {
	if g.req.Kind != api.Chat {
		return nil
	}
	f := g.model.format.ForPrompt(g.rendered)
	if len(g.req.Tools) == 0 || g.req.ToolChoice.Mode == api.ToolNone {
		f.Calls = nil
	}
	if f.Think == "" && len(f.Calls) == 0 && len(f.Ignore) == 0 {
		return nil
	}
	return &outputParser{
		parser: chat.NewParser(f), short: f.Name == "mistral", forced: g.forced,
		one: g.req.OneTool, tools: g.req.Tools,
	}
}

func (p *outputParser) feed(q *sequence, text []byte) {
	if p == nil {
		q.emitText(api.TextDelta, text)
		return
	}
	p.begin(q)
	if !p.over {
		p.emit(q, p.parser.Feed(string(text)))
	}
}

// begin takes what the prompt has of the answer.
func (p *outputParser) begin(q *sequence) {
	if p.forced != "" {
		text := p.forced
		p.forced = ""
		p.emit(q, p.parser.Feed(text))
	}
}

// ended reports an output that is complete though the model goes on.
func (p *outputParser) ended() bool { return p != nil && p.over }

// end flushes what is held and says how a choice ended that stopped by itself.
func (p *outputParser) end(q *sequence) api.FinishReason {
	if p == nil {
		return api.FinishStop
	}
	p.begin(q)
	if !p.over {
		p.emit(q, p.parser.Close())
	}
	switch {
	case p.broken:
		return api.FinishBadTool
	case p.calls > 0:
		return api.FinishToolUse
	}
	return api.FinishStop
}

func (p *outputParser) emit(q *sequence, events []chat.Event) {
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case chat.EventText:
			q.emitText(api.TextDelta, []byte(e.Text))
		case chat.EventReasoning:
			q.emitText(api.ReasoningDelta, []byte(e.Text))
		case chat.EventCallStart:
			p.calls++
			out := q.begin(api.ToolStart)
			out.ToolID, out.ToolName = p.callID(e.ID), p.callName(e.Name)
			q.g.emit(out)
		case chat.EventCallArgs:
			q.emitText(api.ToolDelta, []byte(e.Text))
		case chat.EventCallEnd:
			p.broken = p.broken || e.Broken
			q.g.emit(q.begin(api.ToolStop))
			if p.one {
				p.over = true
				return
			}
		default: // markers
		}
	}
}

// maxCallName is how long a name may be in all dialects.
const maxCallName = 64

// callName is the name as the model wrote it, also of a function that was not offered: the client
// can tell the model so. What no dialect takes back in a later message is replaced, and the call is
// malformed.
func (p *outputParser) callName(own string) string {
	offered := func(t api.Tool) bool { return t.Name == own }
	if slices.ContainsFunc(p.tools, offered) {
		return own
	}
	name := []byte(own)
	for i, c := range name {
		if !fitsNames(c) {
			name[i] = '_'
		}
	}
	name = name[:min(len(name), maxCallName)]
	if len(name) == 0 {
		name = []byte("_")
	}
	p.broken = p.broken || string(name) != own
	return string(name)
}

// fitsNames reports what names and ids may have in all dialects.
func fitsNames(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// callID is the model's own id where it fits all dialects, else a random one.
func (p *outputParser) callID(own string) string {
	const maxID = 64
	unfit := func(r rune) bool { return r >= utf8.RuneSelf || !fitsNames(byte(r)) }
	if own != "" && len(own) <= maxID && strings.IndexFunc(own, unfit) < 0 {
		return own
	}
	var b [12]byte
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	id := hex.EncodeToString(b[:])
	if p.short {
		return id[:9]
	}
	return "call_" + id
}
