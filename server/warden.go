package server

import (
	"basalt/server/api"
	"basalt/server/guardrail"
)

// warden is a request's guardrail at work: it looks at the prompt before it is made, and at the
// answer before the client has it.
type warden struct {
	rail    *guardrail.Guardrail
	trace   *api.GuardTrace
	async   bool
	blocked bool // the prompt: nothing is generated
	choices []guarded
}

// guarded is what a warden knows of one choice. A stream is looked at by blocks of text.
type guarded struct {
	stream  *guardrail.Stream
	found   *api.Assessment
	kind    api.EventKind // of the block
	over    bool          // the answer was cut off here
	written []byte        // by the model
}

// newWarden finds the guardrail of a request; nil where it asks for none.
func (s *Server) newWarden(req *api.Request) (*warden, *api.Error) {
	use := req.Guardrail
	if use == nil {
		return nil, nil
	}
	rail := s.cfg.Guardrails.Find(use.ID, use.Version)
	if rail == nil {
		return nil, &api.Error{
			Code: api.NotFound, Field: "guardrailIdentifier",
			Message: "The guardrail identifier or version provided in the request does not exist.",
		}
	}
	if req.Sampling.Logprobs.Set {
		return nil, api.FieldError("logprobs", "logprobs cannot be told of text that a guardrail "+
			"may change; leave out one of them")
	}
	return &warden{rail: rail, async: use.Async && req.Stream, trace: s.newTrace(rail, use.Trace)},
		nil
}

func (s *Server) newTrace(g *guardrail.Guardrail, mode api.TraceMode) *api.GuardTrace {
	return &api.GuardTrace{
		ID: g.ID, Version: g.Version, ARN: s.place().GuardrailARN(g.ID), Mode: mode,
		Reason: "No action.",
	}
}

// intervened notes what was done.
func intervened(t *api.GuardTrace, a *api.Assessment) {
	switch a.Action() {
	case api.GuardBlock:
		t.Intervened, t.Reason = true, "Guardrail blocked."
	case api.GuardMask:
		t.Intervened = true
		if t.Reason != "Guardrail blocked." {
			t.Reason = "Guardrail masked."
		}
	}
}

// readPrompt looks at a request's texts and masks them in place: at those that the client marks,
// where it marks any, else at all.
func (d *warden) readPrompt(req *api.Request) *api.Error {
	if d == nil {
		return nil
	}
	a := d.rail.New()
	marked := anyMarked(req)
	for i := range req.Messages {
		for j := range req.Messages[i].Content {
			d.readBlock(&req.Messages[i].Content[j], a, marked)
		}
	}
	for i := range req.Prompts {
		p := &req.Prompts[i]
		if p.Tokens != nil {
			return api.FieldError("prompt", "prompt is token ids, which no guardrail can read; "+
				"send text")
		}
		p.Text = d.rail.Check(p.Text, guardrail.Input, a)
	}
	d.trace.Input = a
	intervened(d.trace, a)
	d.blocked = a.Action() == api.GuardBlock
	return nil
}

func anyMarked(req *api.Request) bool {
	for i := range req.Messages {
		for j := range req.Messages[i].Content {
			if req.Messages[i].Content[j].Guard {
				return true
			}
		}
	}
	return false
}

func (d *warden) readBlock(b *api.Block, a *api.Assessment, marked bool) {
	for i := range b.Content {
		d.readBlock(&b.Content[i], a, marked)
	}
	if b.Kind == api.BlockToolUse {
		d.readInput(b, a, marked)
	}
	if b.Kind != api.BlockText && b.Kind != api.BlockReasoning {
		return
	}
	if marked && !b.Guard {
		a.Total += len([]rune(b.Text))
		return
	}
	b.Text = d.rail.Check(b.Text, guardrail.Input, a)
}

// readInput looks at the arguments of an earlier call. They are JSON, in which nothing can be
// masked: where something would be, they are left out.
func (d *warden) readInput(b *api.Block, a *api.Assessment, marked bool) {
	text := string(b.Input)
	if marked && !b.Guard {
		a.Total += len([]rune(text))
		return
	}
	if d.rail.Check(text, guardrail.Input, a) != text {
		b.Input = []byte("{}")
	}
}

// finish makes a whole answer what the client may have.
func (d *warden) finish(answer *api.Answer) {
	if d == nil {
		return
	}
	answer.Trace = d.trace
	if d.blocked {
		return
	}
	for i := range answer.Choices {
		c := &answer.Choices[i]
		a := d.rail.New()
		for j := range c.Content {
			if b := &c.Content[j]; b.Kind == api.BlockText || b.Kind == api.BlockReasoning {
				d.keepOutput(b.Text)
				b.Text = d.rail.Check(b.Text, guardrail.Output, a)
			}
		}
		d.trace.Outputs = append(d.trace.Outputs, *a)
		intervened(d.trace, a)
		if a.Action() == api.GuardBlock {
			c.Content = []api.Block{{Kind: api.BlockText, Text: d.rail.BlockedOutput}}
			c.Reason, c.StopString = api.FinishGuard, ""
		}
	}
}

func (d *warden) keepOutput(text string) {
	if d.trace.Mode != api.TraceOff {
		d.trace.ModelOutput = append(d.trace.ModelOutput, text)
	}
}

// told is what the guardrail did, nil without one.
func (d *warden) told() *api.GuardTrace {
	if d == nil {
		return nil
	}
	return d.trace
}

// refuses reports a prompt that was blocked, so that nothing is generated.
func (d *warden) refuses() bool { return d != nil && d.blocked }

// numChoices is how many choices the answer has.
func (g *generation) numChoices() int {
	if g.warden.refuses() {
		return max(1, len(g.req.Prompts)) * g.req.NumChoices
	}
	return len(g.seqs)
}

// watched puts the guardrail before a sink. A whole answer is looked at when it is complete.
func (g *generation) watched(to sink) sink {
	if g.warden == nil {
		return to
	}
	if g.kept != nil {
		to = &tee{to, g.kept}
	}
	if !g.req.Stream || g.warden.blocked {
		return to
	}
	g.warden.choices = make([]guarded, len(g.seqs))
	return &guardSink{g.warden, to}
}

// tee gives what it gets to two sinks.
type tee struct{ first, second sink }

func (t *tee) event(e *api.Event) {
	t.first.event(e)
	if e.Kind != api.End { // which the second gets before the record is made
		t.second.event(e)
	}
}

func (t *tee) flush() error { return t.first.flush() }

// refuse answers each choice with the message for prompts that are blocked.
func (d *warden) refuse(g *generation) {
	if !d.refuses() {
		return
	}
	for i := range g.numChoices() {
		g.emit(&api.Event{Kind: api.Start, Choice: i})
		text := []byte(d.rail.BlockedInput)
		g.emit(&api.Event{Kind: api.TextDelta, Choice: i, Text: text})
		g.emit(&api.Event{
			Kind: api.Finish, Choice: i, Reason: api.FinishGuard, Timing: g.timing(),
			Trace: d.trace,
		})
	}
	g.r.record.finish = api.FinishGuard
}

// guardSink looks at a stream on its way to another sink.
type guardSink struct {
	*warden
	to sink
}

func (k *guardSink) flush() error { return k.to.flush() }

func (k *guardSink) event(e *api.Event) {
	if e.Kind == api.End {
		k.to.event(e)
		return
	}
	c := &k.choices[e.Choice]
	switch {
	case e.Kind == api.Finish:
		k.close(c, e)
		if c.over {
			e.Reason, e.StopString = api.FinishGuard, ""
		}
		e.Trace = k.trace
		k.to.event(e)
	case c.over:
	case e.Kind == api.TextDelta || e.Kind == api.ReasoningDelta:
		if c.stream != nil && c.kind != e.Kind {
			k.close(c, e)
		}
		k.feed(c, e)
	default:
		k.close(c, e)
		if !c.over {
			k.to.event(e)
		}
	}
}

// feed takes text of a block, and passes on what may go out of it.
func (k *guardSink) feed(c *guarded, e *api.Event) {
	if c.over {
		return
	}
	if c.stream == nil {
		c.found, c.kind = k.rail.New(), e.Kind
		c.stream = k.rail.NewStream(k.async, c.found)
	}
	if k.trace.Mode != api.TraceOff {
		c.written = append(c.written, e.Text...)
	}
	k.give(c, e, c.stream.Feed(string(e.Text)))
}

// give passes on text, or the message in its place when it is blocked.
func (k *guardSink) give(c *guarded, e *api.Event, text string) {
	out := *e
	out.Kind, out.Text, out.Reason, out.StopString = c.kind, []byte(text), api.FinishNone, ""
	if c.stream.Blocked() {
		c.over = true
		out.Kind, out.Text = api.TextDelta, []byte(k.rail.BlockedOutput)
	}
	if len(out.Text) > 0 {
		k.to.event(&out)
	}
}

// close ends the block that is open.
func (k *guardSink) close(c *guarded, e *api.Event) {
	if c.stream == nil {
		return
	}
	if !c.over {
		k.give(c, e, c.stream.Close())
	}
	if k.trace.Mode != api.TraceOff {
		k.trace.ModelOutput = append(k.trace.ModelOutput, string(c.written))
		c.written = c.written[:0]
	}
	c.stream = nil
	k.trace.Outputs = append(k.trace.Outputs, *c.found)
	intervened(k.trace, c.found)
}

// cut reports a choice of which nothing more is wanted.
func (d *warden) cut(choice int) bool {
	return d != nil && d.choices != nil && d.choices[choice].over
}
