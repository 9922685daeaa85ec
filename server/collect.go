package server

import (
	"errors"

	"basalt/server/api"
)

// collector gathers events into one answer.
type collector struct {
	answer api.Answer
	texts  [][]byte // of the open block of each choice
}

func newCollector(numChoices int) *collector {
	return &collector{
		answer: api.Answer{Choices: make([]api.Choice, numChoices)},
		texts:  make([][]byte, numChoices),
	}
}

func (c *collector) flush() error { return nil }

func (c *collector) event(e *api.Event) {
	if e.Kind == api.End {
		c.answer.Usage, c.answer.Timing, c.answer.Trace = e.Usage, e.Timing, e.Trace
		return
	}
	choice := &c.answer.Choices[e.Choice]
	choice.Logprobs = append(choice.Logprobs, e.Logprobs...)
	switch e.Kind {
	case api.TextDelta:
		c.open(e.Choice, api.BlockText)
		c.texts[e.Choice] = append(c.texts[e.Choice], e.Text...)
	case api.ReasoningDelta:
		c.open(e.Choice, api.BlockReasoning)
		c.texts[e.Choice] = append(c.texts[e.Choice], e.Text...)
	case api.ToolStart:
		c.close(e.Choice)
		choice.Content = append(choice.Content, api.Block{
			Kind: api.BlockToolUse, ToolID: e.ToolID,
			ToolName: e.ToolName,
		})
	case api.ToolDelta:
		c.texts[e.Choice] = append(c.texts[e.Choice], e.Text...)
	case api.Finish:
		c.close(e.Choice)
		choice.Reason, choice.StopString = e.Reason, e.StopString
		c.answer.Seed = e.Seed
	default: // the others bring no content
	}
}

// open makes the last block of a choice one of kind k.
func (c *collector) open(i int, k api.BlockKind) {
	blocks := c.answer.Choices[i].Content
	if n := len(blocks); n > 0 && blocks[n-1].Kind == k {
		return
	}
	c.close(i)
	c.answer.Choices[i].Content = append(blocks, api.Block{Kind: k})
}

// close moves the gathered text into the last block.
func (c *collector) close(i int) {
	blocks := c.answer.Choices[i].Content
	if len(blocks) == 0 || len(c.texts[i]) == 0 {
		return
	}
	b := &blocks[len(blocks)-1]
	if b.Kind == api.BlockToolUse {
		b.Input = append(b.Input, c.texts[i]...)
	} else {
		b.Text += string(c.texts[i])
	}
	c.texts[i] = c.texts[i][:0]
}

// wholeReply runs the generation to its end and answers with one body.
func (g *generation) wholeReply() (p reply) {
	var failed error
	defer func() {
		if v := recover(); v != nil {
			g.s.logPanic(g.r, v)
			failed = internalError()
			p = g.op.dialect.fail(internalError(), g.r.id)
		}
		g.r.record.output = p.body
		if !g.end(failed, p.status) {
			p = g.op.dialect.fail(g.s.unrecorded(), g.r.id)
		}
	}()
	out := newCollector(g.numChoices())
	if failed = g.run(out); failed != nil {
		p = g.op.dialect.fail(asAPI(failed), g.r.id)
		p.close = errors.Is(failed, errClientGone)
		return p
	}
	p = reply{status: 200, contentType: "application/json"}
	g.warden.finish(&out.answer)
	p.body = g.codec.AppendAnswer(nil, &out.answer)
	p.set(g.op.dialect.idHeader, g.r.id)
	p.headers = append(p.headers, g.echoed()...)
	if g.op.whole != nil {
		g.op.whole(&p, &out.answer)
	}
	return p
}
