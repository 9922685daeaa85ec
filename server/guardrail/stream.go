package guardrail

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"basalt/server/api"
)

// Stream looks at a model's text while it comes. Text is held back as long as it may be a part of a
// match; with Async it is given out at once, is not masked, and is looked at afterwards. It belongs
// to one goroutine.
type Stream struct {
	g     *Guardrail
	async bool
	a     *api.Assessment
	// before is given out already and only tells what stands before the text; it ends where held
	// begins.
	before  string
	held    string
	looked  int // bytes of held that were looked at
	blocked bool
}

// step is how many new bytes are awaited before the text is looked at again, and border how many
// bytes before the held text are looked at with it.
const (
	step   = 64
	border = 16
)

// NewStream begins a text; what is found is added to a.
func (g *Guardrail) NewStream(async bool, a *api.Assessment) *Stream {
	return &Stream{g: g, async: async, a: a}
}

// Blocked reports that the text must not go on.
func (s *Stream) Blocked() bool { return s.blocked }

// Feed takes more text and gives the text that may go out, masked.
func (s *Stream) Feed(text string) string {
	s.held += text
	if s.async {
		s.count(text)
		if len(s.held)-s.looked >= step {
			s.look()
		}
		return text
	}
	if s.blocked || len(s.held) < s.g.reach+step {
		return ""
	}
	return s.release(len(s.held) - s.g.reach)
}

// Close ends the text and gives what was held back.
func (s *Stream) Close() string {
	if s.async {
		s.look()
		return ""
	}
	return s.release(len(s.held))
}

// look looks at text that is out already, and keeps what may begin a match.
func (s *Stream) look() {
	begun := time.Now()
	text := s.before + s.held
	for _, f := range s.g.finds(text) {
		if f.end > len(s.before)+s.looked {
			report(s.a, &f, text, Output)
			s.blocked = s.blocked || f.rule.action[Output] == api.GuardBlock
		}
	}
	s.keep(max(0, len(s.held)-s.g.reach))
	s.looked = len(s.held)
	s.a.Latency += time.Since(begun)
}

// release gives the first n bytes of the held text, less where a match goes on behind them, after
// looking at all of it. Nothing of it comes out when it is blocked.
func (s *Stream) release(n int) string {
	begun := time.Now()
	text, from := s.before+s.held, len(s.before)
	found := slices.DeleteFunc(s.g.finds(text), func(f find) bool { return f.start < from })
	cut := from + n
	for cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut--
	}
	for _, f := range found {
		if f.start < cut && f.end > cut {
			cut = f.start
		}
	}
	for i := range found {
		if f := &found[i]; f.end <= cut || f.rule.action[Output] == api.GuardBlock {
			report(s.a, f, text, Output)
			s.blocked = s.blocked || f.rule.action[Output] == api.GuardBlock
		}
	}
	s.a.Latency += time.Since(begun)
	if s.blocked {
		return ""
	}
	for i := range found {
		found[i].start -= from
		found[i].end -= from
	}
	out := text[from:cut]
	s.count(out)
	s.keep(cut - from)
	return mask(out, slices.DeleteFunc(found, func(f find) bool { return f.end > len(out) }),
		Output)
}

func (s *Stream) count(text string) {
	n := utf8.RuneCountInString(text)
	s.a.Guarded += n
	s.a.Total += n
	s.a.Units = (s.a.Guarded + unit - 1) / unit
}

// keep moves the first n bytes of the held text before it.
func (s *Stream) keep(n int) {
	gone := s.before + s.held[:n]
	at := max(0, len(gone)-border)
	for at < len(gone) && !utf8.RuneStart(gone[at]) {
		at++
	}
	s.before = strings.Clone(gone[at:])
	s.held = s.held[n:]
}
