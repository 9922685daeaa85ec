package batcher

import (
	"context"
	"io"
	"sync"
)

// Stream carries the events of one request from the loop to one reader. The loop never waits for
// the reader: events queue up, at most one for each token that the request may generate.
type Stream struct {
	loop *Loop
	req  *Request
	seq  *sequence // set and read by the loop's goroutine alone

	mu     sync.Mutex
	events []Event // not yet read, from head on
	head   int
	closed bool // the last event was read
	ready  chan struct{}
}

func newStream(l *Loop, r *Request) *Stream {
	return &Stream{loop: l, req: r, ready: make(chan struct{}, 1)}
}

// push appends an event; the loop's goroutine calls it.
func (s *Stream) push(e Event) {
	s.mu.Lock()
	if s.head == len(s.events) {
		s.events, s.head = s.events[:0], 0
	}
	s.events = append(s.events, e)
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// TryNext gives the next event if there is one.
func (s *Stream) TryNext() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head == len(s.events) {
		return Event{}, false
	}
	e := s.events[s.head]
	s.head++
	s.closed = e.Finish != FinishNone
	return e, true
}

// Next waits for the next event. After the last one (Finish is not FinishNone) it gives io.EOF.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		if e, ok := s.TryNext(); ok {
			return e, nil
		}
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if closed {
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
// are free within one step. It may be called at any time, more than once, from any goroutine.
func (s *Stream) Abort() { s.loop.abort(s) }
