package batcher

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// Stream carries the events of one request, in order, from the loop to one reader. The loop never
// waits for the reader: events queue up. There is no more backpressure than that, and none is
// needed: a sequence has at most one event for each token that it may generate and one for its end,
// and holds a slot while it generates.
type Stream struct {
	loop    *Loop
	req     *Request
	aborted atomic.Bool

	// Of the loop's goroutine alone.
	seq *Sequence // nil before it is admitted
	at  int       // index in Loop.live

	mu     sync.Mutex
	events ring
	ended  bool // the last event was read
	ready  chan struct{}
}

func newStream(l *Loop, r *Request) *Stream {
	return &Stream{loop: l, req: r, ready: make(chan struct{}, 1)}
}

// push appends an event; the loop's goroutine calls it.
func (s *Stream) push(e Event) {
	s.mu.Lock()
	s.events.push(e)
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// TryNext gives the next event if there is one.
func (s *Stream) TryNext() (Event, bool) {
	e, ok, _ := s.take()
	return e, ok
}

func (s *Stream) take() (e Event, ok, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.events.n == 0 {
		return Event{}, false, s.ended
	}
	e = s.events.pop()
	s.ended = e.Finish != FinishNone
	return e, true, false
}

// Next waits for the next event. After the last one (Finish is not FinishNone) it gives io.EOF.
// When ctx ends first it gives the context's cause; the request goes on until Abort.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		e, ok, ended := s.take()
		switch {
		case ok:
			return e, nil
		case ended:
			return Event{}, io.EOF
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

// Abort ends the request: its last event is FinishAborted, unless it ended before, and its blocks
// are free once the step in flight has ended. It may be called at any time, more than once, from
// any goroutine, and never waits for the device.
func (s *Stream) Abort() {
	if !s.aborted.Swap(true) {
		s.loop.in.abort(s)
	}
}
