package server

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"basalt/batcher"
	"basalt/models/tokenizer"
	"basalt/server/api"
)

// sequence is one choice: it turns ids into text and text into events. Text that may be the
// beginning of a stop string waits until that is certain.
type sequence struct {
	g      *generation
	index  int
	stream *batcher.Stream
	dec    *tokenizer.Decoder
	stop   *stopper
	parse  *outputParser // nil: all output is text
	done   bool
	tokens int
	event  api.Event // reused

	text     []byte // decoded and not released
	checked  int    // bytes of text that the stopper has read
	released int    // bytes released before text
	runes    int    // of all text decoded, when logprobs are wanted
	logprobs []heldLogprob
	given    []api.TokenLogprob // of the event being emitted
}

// heldLogprob waits for the text of its token.
type heldLogprob struct {
	at  int // where the token's text begins, in bytes of the choice
	tok api.TokenLogprob
}

// seedTokens is how much of a prompt the decoder sees, so that a character or a leading space at
// its border comes out right.
const seedTokens = 8

func newSequence(g *generation, index int, stream *batcher.Stream, prompt []int32,
	stop *stopper,
) *sequence {
	q := &sequence{g: g, index: index, stream: stream, dec: g.model.Tokenizer.NewDecoder(false)}
	for _, id := range prompt[max(0, len(prompt)-seedTokens):] {
		if !g.model.Tokenizer.IsSpecial(id) {
			q.text = q.dec.Append(q.text[:0], id)
		}
	}
	q.text = q.text[:0]
	if stop != nil {
		own := *stop // the automaton is shared, its state is not
		q.stop = &own
	}
	q.parse = newOutputParser(g)
	return q
}

// take accepts a token.
func (q *sequence) take(e *batcher.Event) error {
	if e.Finish == batcher.FinishError || e.Finish == batcher.FinishAborted {
		q.done = true
		return q.broken(e)
	}
	if e.Token >= 0 {
		q.g.observeToken(time.Now())
		q.g.usage.Output++
		q.tokens++
		if e.Finish != batcher.FinishStop {
			q.decode(e)
		}
	}
	if q.findStop() {
		q.done = true
		q.stream.Abort()
		return nil
	}
	if e.Finish == batcher.FinishNone {
		q.release(len(q.text)-q.stop.held(), false)
		if q.parse.ended() || q.g.warden.cut(q.index) {
			q.done = true
			q.stream.Abort()
			q.conclude(api.FinishStop, "")
		}
		return nil
	}
	q.done = true
	q.finish(e.Finish)
	return nil
}

// broken is the error of a sequence that the loop gave up.
func (q *sequence) broken(e *batcher.Event) error {
	cause := context.Cause(q.g.r.ctx)
	switch {
	case errors.Is(cause, errClientGone):
		return errClientGone
	case errors.Is(cause, errDrained):
		return drained()
	case e.Finish == batcher.FinishAborted:
		return &api.Error{
			Code: api.Unavailable, Retry: time.Second,
			Message: "the answer was ended by the server; send the request again",
		}
	}
	q.g.s.log.Error("sequence failed", zap.String("request", q.g.r.id), zap.Error(e.Err))
	return &api.Error{
		Code: api.DeviceFailed, Retry: time.Second,
		Message: "the device that runs the model failed; send the request again",
	}
}

func (q *sequence) decode(e *batcher.Event) {
	before := len(q.text)
	if q.g.req.Sampling.Logprobs.Set {
		q.logprobs = append(q.logprobs, heldLogprob{q.released + before, q.logprob(e)})
	}
	if !q.g.model.hidden(e.Token) {
		q.text = q.dec.Append(q.text, e.Token)
	}
	if q.g.req.Sampling.Logprobs.Set {
		q.runes += utf8.RuneCount(q.text[before:])
	}
}

func (q *sequence) logprob(e *batcher.Event) api.TokenLogprob {
	tok := q.token(e.Token, e.Logprob)
	for _, t := range e.Top {
		tok.Top = append(tok.Top, q.token(t.ID, t.Logprob))
	}
	return tok
}

func (q *sequence) token(id int32, logprob float32) api.TokenLogprob {
	b := q.g.model.Tokenizer.TokenBytes(id)
	return api.TokenLogprob{Token: toValid(b), Bytes: b, Logprob: logprob, Offset: q.runes}
}

// toValid is the text of a token, which may be a part of a character.
func toValid(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}

// findStop looks for a stop string in what is new. When one is there, the text before it is
// released, the rest dropped, and the choice ended.
func (q *sequence) findStop() bool {
	read, match := q.stop.feed(q.text[q.checked:])
	q.checked += read
	if match == 0 {
		return false
	}
	stop := string(q.text[q.checked-match : q.checked])
	q.text = q.text[:q.checked-match]
	q.conclude(api.FinishStopString, stop)
	return true
}

// finish ends the choice for a reason of the loop's.
func (q *sequence) finish(r batcher.FinishReason) {
	q.text = q.dec.Flush(q.text)
	if q.findStop() {
		return
	}
	switch r {
	case batcher.FinishLength:
		q.conclude(api.FinishLength, "")
	case batcher.FinishContext:
		q.conclude(api.FinishContext, "")
	default:
		q.conclude(api.FinishStop, "")
	}
}

// conclude releases all that is held and emits the end.
func (q *sequence) conclude(reason api.FinishReason, stop string) {
	q.release(len(q.text), true)
	if r := q.parse.end(q); reason == api.FinishStop {
		reason = r
	}
	e := q.begin(api.Finish)
	e.Reason, e.StopString, e.Timing = reason, stop, q.g.timing()
	e.Seed = q.g.r.record.params.Seed
	q.g.emit(e)
	q.g.s.metrics.finished(q.g, reason)
	q.g.r.record.finish = reason
}

// release gives away the first n bytes of the held text.
func (q *sequence) release(n int, last bool) {
	if n <= 0 {
		return
	}
	q.released += n
	q.giveLogprobs(last)
	q.parse.feed(q, q.text[:n])
	kept := copy(q.text, q.text[n:])
	q.text = q.text[:kept]
	q.checked -= n
}

// giveLogprobs moves the entries of released text into the next event. Entries of text behind a
// stop string are dropped with it.
func (q *sequence) giveLogprobs(last bool) {
	n := 0
	for n < len(q.logprobs) && (q.logprobs[n].at < q.released || last && q.stop == nil) {
		q.given = append(q.given, q.logprobs[n].tok)
		n++
	}
	q.logprobs = append(q.logprobs[:0], q.logprobs[n:]...)
}

// begin prepares the reused event.
func (q *sequence) begin(k api.EventKind) *api.Event {
	q.event = api.Event{Kind: k, Choice: q.index, Usage: q.g.usage}
	if len(q.given) > 0 && k != api.Start {
		q.event.Logprobs = q.given
		q.given = q.given[:0]
	}
	return &q.event
}

// emitText emits a delta of text or reasoning.
func (q *sequence) emitText(k api.EventKind, text []byte) {
	e := q.begin(k)
	e.Text = text
	q.g.emit(e)
}
