package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Request is one request. Its prompt is Tokens, Text or Messages.
type Request struct {
	Tokens    []int32   // ids; OpenAI's completions only
	Text      string    // becomes the user's message where the API has messages
	Messages  []Message // what follows the conversation so far
	Tools     []Tool
	InputLen  int // tokens of the prompt, as far as known; the server's count replaces it
	OutputLen int // tokens to generate
}

// Session is a row of requests, each sent when the one before it was answered. Where it has
// several, the conversation so far, with the server's own answers, precedes each.
type Session struct {
	Requests []Request
	At       time.Duration // when a trace begins it; -1 leaves that to the rate
}

// conversation is the messages of a request behind those of the past.
func (r *Request) conversation(past []Message) []Message {
	own := r.Messages
	if len(own) == 0 {
		own = []Message{{Role: "user", Content: r.Text}}
	}
	return append(past[:len(past):len(past)], own...)
}

// Workload says what is asked.
type Workload struct {
	// Kind is "random": independent prompts; "prefix": prompts that begin alike; "fanout": groups
	// of Fan prompts that share a prefix; "conversation": sessions of Turns turns; "tools": prompts
	// with functions to call.
	Kind   string
	Num    int     // requests, or sessions of conversations
	Input  int     // tokens of a prompt behind its prefix, or of a turn
	Output int     // tokens to generate
	Range  float64 // lengths are drawn evenly from [1-Range, 1+Range] times Input and Output
	Prefix int     // tokens of a shared prefix
	Fan    int     // prompts for each prefix of a fanout
	Turns  int     // turns of a conversation
	Vocab  int     // prompts are random ids below it; 0 makes random English words instead
	Seed   uint64
}

// Kinds of workloads, in the order of help texts.
func Kinds() []string { return []string{"random", "prefix", "fanout", "conversation", "tools"} }

// Sessions makes a workload's sessions. They depend on nothing but w.
func (w *Workload) Sessions() ([]Session, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	m := newMaker(*w, rand.NewPCG(w.Seed, streamPrompts))
	prefix := m.draw(w.Prefix)
	sessions := make([]Session, w.Num)
	for i := range sessions {
		if w.Kind == "fanout" && i%w.Fan == 0 {
			prefix = m.draw(w.Prefix)
		}
		sessions[i] = m.session(prefix)
	}
	return sessions, nil
}

func (w *Workload) check() error {
	known := false
	for _, k := range Kinds() {
		known = known || k == w.Kind
	}
	const most = 1 << 22
	switch {
	case !known:
		return fmt.Errorf("unknown workload %q; there are %v", w.Kind, Kinds())
	case w.Num < 1 || w.Num > most:
		return fmt.Errorf("%d requests; 1 to %d are possible", w.Num, most)
	case w.Input < 1 || w.Output < 1 || w.Input > most || w.Output > most || w.Prefix > most:
		return fmt.Errorf("%d tokens in and %d out; both must be 1 to %d", w.Input, w.Output, most)
	case !(w.Range >= 0 && w.Range < 1):
		return fmt.Errorf("range ratio %g; it must be at least 0 and less than 1", w.Range)
	case w.Prefix < 0 || (w.Kind == "prefix" || w.Kind == "fanout") && w.Prefix == 0:
		return fmt.Errorf("a workload %q needs a prefix of at least one token", w.Kind)
	case w.Kind == "fanout" && w.Fan < 1:
		return fmt.Errorf("a fan-out of %d prompts; at least 1 is needed", w.Fan)
	case w.Kind == "conversation" && (w.Turns < 1 || w.Turns > 1000):
		return fmt.Errorf("%d turns; 1 to 1000 are possible", w.Turns)
	case w.Kind == "conversation" && w.Vocab > 0:
		return errors.New("a conversation is of words; leave the vocabulary out")
	case w.Vocab < 0:
		return fmt.Errorf("a vocabulary of %d ids", w.Vocab)
	}
	return nil
}

type maker struct {
	Workload
	lengths, prompts *rand.Rand
	common           []string
}

func newMaker(w Workload, prompts rand.Source) *maker {
	return &maker{
		Workload: w, lengths: rand.New(rand.NewPCG(w.Seed, streamLengths)),
		prompts: rand.New(prompts), common: strings.Fields(commonWords),
	}
}

// prompt is ids, or words of about one token each.
type prompt struct {
	ids   []int32
	words []string
}

func (m *maker) draw(n int) prompt {
	var p prompt
	for range n {
		if m.Vocab > 0 {
			p.ids = append(p.ids, m.prompts.Int32N(int32(m.Vocab)))
		} else {
			p.words = append(p.words, m.common[m.prompts.IntN(len(m.common))])
		}
	}
	return p
}

// length is near n, as the range ratio says.
func (m *maker) length(n int) int {
	spread := int(float64(n) * m.Range)
	return max(1, n-spread+m.lengths.IntN(2*spread+1))
}

func (m *maker) session(prefix prompt) Session {
	turns := 1
	if m.Kind == "conversation" {
		turns = m.Turns
	}
	s := Session{At: -1, Requests: make([]Request, turns)}
	for i := range s.Requests {
		in, out := m.length(m.Input), m.length(m.Output)
		own := m.draw(in)
		r := Request{InputLen: in, OutputLen: out}
		if m.Kind == "prefix" || m.Kind == "fanout" || i == 0 && m.Kind == "conversation" {
			own.ids = append(prefix.ids[:len(prefix.ids):len(prefix.ids)], own.ids...)
			own.words = append(prefix.words[:len(prefix.words):len(prefix.words)], own.words...)
			r.InputLen += m.Prefix
		}
		if r.Tokens = own.ids; m.Vocab == 0 {
			r.Text = sentence(own.words)
		}
		if m.Kind == "tools" {
			r.Tools = tools()
		}
		s.Requests[i] = r
	}
	if m.Kind == "conversation" {
		s.asMessages()
	}
	return s
}

// asMessages turns a conversation's texts into messages: the past precedes them. Ids have no
// roles, so that a conversation is always of words.
func (s *Session) asMessages() {
	for i := range s.Requests {
		r := &s.Requests[i]
		r.Messages = []Message{{Role: "user", Content: r.Text}}
		r.Text = ""
	}
}
