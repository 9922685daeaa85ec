package server

import (
	"context"
	"errors"
	"io"
	"runtime/pprof"
	"slices"
	"sync/atomic"
	"time"

	"basalt/batcher"
	"basalt/runtime"
	"basalt/server/api"
	"basalt/server/identity"
)

// generation is one request on its way through a model. It is owned by the request's goroutine.
type generation struct {
	s     *Server
	r     *request
	op    *operation
	req   *api.Request
	codec api.Codec
	model *model
	seqs  []*sequence
	sink  sink
	usage api.Usage
	// rendered is the prompt's text of a chat: what the output follows.
	rendered string
	// forced begins the output: it stands in the prompt, but is part of the answer.
	forced string
	warden *warden // nil: no guardrail
	lease  *identity.Lease
	// fetched are the bytes of objects that the request names.
	fetched int64
	// started is the time, in ns, from arrival to the first step of the first choice; 0 before it.
	started atomic.Int64
	first   time.Duration // from arrival to the first token, 0 before it
	last    time.Time     // of the newest token
	ended   bool
	kept    *collector // what a stream amounts to, for the audit log; nil: not wanted
}

// sink takes events. event must copy what it keeps; flush follows the events of each token.
type sink interface {
	event(e *api.Event)
	flush() error
}

// generate serves an operation that generates.
func (s *Server) generate(r *request, op *operation) reply {
	g, err := s.begin(r, op)
	if err != nil {
		return s.refuse(r, op.dialect, err)
	}
	if g.req.Stream {
		return g.streamReply()
	}
	return g.wholeReply()
}

// begin decodes a request and submits its sequences. On success the generation is counted as in
// flight until end.
func (s *Server) begin(r *request, op *operation) (*generation, *api.Error) {
	req, codec, err := op.decode(s, r)
	if err != nil {
		return nil, err
	}
	req.ID, req.Tenant = r.id, r.who.Tenant
	r.record.operation, r.record.asked = req.Operation, req.Model
	m := s.modelOf(req.Model)
	if m == nil {
		return nil, unknownModel(req.Model, op.modelField)
	}
	r.record.model = m.ID
	g := &generation{s: s, r: r, op: op, req: req, codec: codec, model: m}
	if err := g.permit(); err != nil {
		return nil, err
	}
	if err := s.admit(); err != nil {
		g.lease.End(0)
		return nil, err
	}
	if err := g.submit(); err != nil {
		g.abort()
		g.letGo()
		g.lease.End(0)
		s.inFlight.Add(-1)
		return nil, err
	}
	g.keepContent()
	return g, nil
}

// permit checks that the policy lets the request's principal use the model now.
func (g *generation) permit() (err *api.Error) {
	if err := g.r.permitModel(g.model); err != nil {
		return err
	}
	if err := g.s.auditable(); err != nil {
		return err
	}
	if err := g.s.demandGuardrail(g.r, g.req); err != nil {
		return err
	}
	g.lease, err = g.s.meter.Begin(g.r.who)
	return err
}

// admit counts a generation in, unless there are too many or the server is going down. Counting
// comes first: Shutdown sets draining and then waits for the count.
func (s *Server) admit() *api.Error {
	n := s.inFlight.Add(1)
	switch {
	case s.draining.Load():
		s.inFlight.Add(-1)
		return &api.Error{
			Code: api.Unavailable, Retry: time.Second,
			Message: "the server is shutting down; send the request to another one",
		}
	case n > int64(s.limits.MaxInFlight):
		s.inFlight.Add(-1)
		return &api.Error{
			Code: api.Throttled, Retry: time.Second,
			Message: "too many requests are being answered; try again later",
		}
	}
	return nil
}

// submit makes the prompts and hands one sequence for each choice to the loop.
func (g *generation) submit() (err *api.Error) {
	if err = g.fetch(); err != nil {
		return err
	}
	if g.warden, err = g.s.newWarden(g.req); err != nil {
		return err
	}
	if err := g.warden.readPrompt(g.req); err != nil || g.warden.refuses() {
		return err
	}
	params, err := g.model.params(g.req)
	if err != nil {
		return err
	}
	prompts, err := g.prompts()
	if err != nil {
		return err
	}
	limits, err := g.reserve(prompts)
	if err != nil {
		return err
	}
	g.r.record.params = params
	if len(limits) > 0 {
		g.r.record.params.MaxTokens = slices.Max(limits)
	}
	stop := newStopper(g.req.Stop)
	for i, prompt := range prompts {
		params.MaxTokens = limits[i]
		g.usage.Input += len(prompt)
		for n := range g.req.NumChoices {
			params.Choice = uint32(n)
			// Each sequence owns its prompt.
			if err := g.submitOne(slices.Clone(prompt), params, stop); err != nil {
				return err
			}
		}
	}
	return nil
}

// reserve gives the greatest number of tokens that each prompt may be answered with, and takes all
// that the request may use out of its principal's quota.
func (g *generation) reserve(prompts [][]int32) ([]int, *api.Error) {
	limits := make([]int, len(prompts))
	total := 0
	for i, prompt := range prompts {
		n, err := g.model.maxTokens(g.req, len(prompt), g.r.who.Grant.MaxContext)
		if err != nil {
			return nil, err
		}
		limits[i] = n
		total += len(prompt) + n*g.req.NumChoices
	}
	return limits, g.lease.Reserve(total)
}

func (g *generation) submitOne(prompt []int32, p runtime.SamplingParams, stop *stopper) *api.Error {
	priority := g.r.who.Grant.Priority
	if g.req.Background {
		priority++
	}
	stream, err := g.model.Loop.Submit(&batcher.Request{
		ID: g.req.ID, Tenant: g.req.Tenant, Prompt: prompt, Params: p, Priority: priority,
		Started: func() { g.started.CompareAndSwap(0, int64(time.Since(g.r.arrived))) },
	})
	if err != nil {
		return submitError(err)
	}
	g.seqs = append(g.seqs, newSequence(g, len(g.seqs), stream, prompt, stop))
	return nil
}

func submitError(err error) *api.Error {
	var long *batcher.TooLongError
	var bad *batcher.InvalidError
	switch {
	case errors.As(err, &bad):
		return api.Errorf(api.Invalid, "the request cannot be computed: %s", bad)
	case errors.As(err, &long):
		return api.Errorf(api.ContextExceeded,
			"Input is too long for requested model. It needs %d "+
				"tokens; at most %d fit.", long.Tokens, long.Limit)
	case errors.Is(err, batcher.ErrQueueFull):
		return &api.Error{
			Code: api.Throttled, Retry: time.Second,
			Message: "the queue is full; try again later",
		}
	case errors.Is(err, batcher.ErrDraining):
		return &api.Error{
			Code: api.Unavailable, Retry: time.Second,
			Message: "the model is being unloaded; send the request to another server",
		}
	case errors.Is(err, batcher.ErrDevice):
		return &api.Error{
			Code: api.Unavailable, Retry: 5 * time.Second,
			Message: "the device that runs the model has failed; GET /health says more",
		}
	}
	return &api.Error{Code: api.Internal, Message: "the request could not be queued"}
}

// run passes the events of all sequences to the sink until every one has ended. After an error the
// sink has what came before it. The error is errClientGone or an *api.Error for the client.
func (g *generation) run(to sink) error {
	pprof.SetGoroutineLabels(g.s.encoding)
	defer pprof.SetGoroutineLabels(context.Background())
	g.sink = g.watched(to)
	for _, q := range g.seqs {
		g.emit(&api.Event{Kind: api.Start, Choice: q.index, Usage: g.usage})
	}
	g.warden.refuse(g)
	if to.flush() != nil {
		return errClientGone
	}
	var err error
	if len(g.seqs) == 1 {
		err = g.runOne(g.seqs[0])
	} else {
		err = g.runMany()
	}
	if err != nil {
		return err
	}
	if err := g.conclude(); err != nil {
		return err
	}
	if to.flush() != nil {
		return errClientGone
	}
	return nil
}

// conclude emits the end. A stream is recorded before: without its record it must not seem whole.
func (g *generation) conclude() error {
	e := &api.Event{Kind: api.End, Usage: g.usage, Timing: g.timing(), Trace: g.warden.told()}
	if g.kept != nil {
		g.kept.event(e)
	}
	if g.req.Stream && !g.end(nil, 200) {
		return g.s.unrecorded()
	}
	g.sink.event(e)
	return nil
}

func (g *generation) emit(e *api.Event) {
	g.sink.event(e)
	if g.kept != nil && g.warden == nil {
		g.kept.event(e)
	}
}

func (g *generation) timing() api.Timing {
	return api.Timing{Latency: time.Since(g.r.arrived), FirstByte: g.first}
}

// maxTokensPerWrite bounds what is encoded before it is sent to a client that lags behind.
const maxTokensPerWrite = 64

func (g *generation) runOne(q *sequence) error {
	for !q.done {
		e, err := q.stream.Next(g.r.ctx)
		if err != nil {
			return g.nextError(err)
		}
		// What has come meanwhile goes out in the same write.
		more := true
		for n := 1; more; n++ {
			if err := q.take(&e); err != nil {
				return err
			}
			if q.done || n == maxTokensPerWrite {
				break
			}
			e, more = q.stream.TryNext()
		}
		if g.sink.flush() != nil {
			return errClientGone
		}
	}
	return nil
}

// step takes one token of a sequence, or the error in place of one.
func (g *generation) step(q *sequence, e *batcher.Event, err error) error {
	if err != nil {
		return g.nextError(err)
	}
	if err := q.take(e); err != nil {
		return err
	}
	if g.sink.flush() != nil {
		return errClientGone
	}
	return nil
}

// nextError says why a sequence has no next token.
func (g *generation) nextError(err error) error {
	cause := context.Cause(g.r.ctx)
	switch {
	case errors.Is(cause, errClientGone):
		return errClientGone
	case errors.Is(cause, errDrained):
		return drained()
	case errors.Is(err, io.EOF):
		return api.Errorf(api.Internal, "the answer ended early")
	}
	return api.Errorf(api.Internal, "the answer was interrupted")
}

func drained() *api.Error {
	return &api.Error{
		Code: api.Unavailable, Retry: time.Second,
		Message: "the server is shutting down; the answer is not complete, send the request again",
	}
}

// result is a token of one of several sequences.
type result struct {
	q   *sequence
	e   batcher.Event
	err error
}

// runMany gathers several sequences, each waited for by a goroutine of its own.
func (g *generation) runMany() error {
	results := make(chan result, 2*len(g.seqs))
	stop := make(chan struct{})
	defer close(stop)
	for _, q := range g.seqs {
		go g.wait(q, results, stop)
	}
	for open := len(g.seqs); open > 0; {
		r := <-results
		if r.q.done {
			continue
		}
		if err := g.step(r.q, &r.e, r.err); err != nil {
			return err
		}
		if r.q.done {
			open--
		}
	}
	return nil
}

// wait passes on a sequence's tokens until its last one, an error, or the end of the request.
func (g *generation) wait(q *sequence, results chan<- result, stop <-chan struct{}) {
	defer func() {
		if v := recover(); v != nil {
			g.s.logPanic(g.r, v)
			send(results, stop, result{q: q, err: errPanicked})
		}
	}()
	for {
		e, err := q.stream.Next(g.r.ctx)
		if !send(results, stop, result{q, e, err}) {
			return
		}
		if err != nil || e.Finish != batcher.FinishNone {
			return
		}
	}
}

func send(results chan<- result, stop <-chan struct{}, r result) bool {
	select {
	case results <- r:
		return true
	case <-stop:
		return false
	}
}

// errPanicked ends a request whose code failed.
var errPanicked = errors.New("panic")

// abort ends what still runs. It may be called twice.
func (g *generation) abort() {
	for _, q := range g.seqs {
		if !q.done {
			q.done = true
			q.stream.Abort()
		}
	}
}

// end is called once, after the last byte: whatever still runs is aborted and the request counted.
// It reports whether the audit log has what it must.
func (g *generation) end(err error, status int) bool {
	if g.ended {
		return true
	}
	g.ended = true
	g.abort()
	g.letGo()
	g.lease.End(g.usage.Input + g.usage.Output)
	g.r.record.ended, g.r.record.generation = err, g
	recorded := g.s.finishRecord(g.r, status)
	g.s.inFlight.Add(-1)
	return recorded
}
