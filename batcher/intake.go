package batcher

import "sync"

// intake is where other goroutines leave work for the loop.
type intake struct {
	mu       sync.Mutex
	arrivals []*Stream
	aborts   []*Stream
	draining bool
	broken   error // set once the loop can no longer serve
	waiting  int   // sequences that wait in the scheduler, as of the last cycle
	wake     chan struct{}
}

func newIntake() *intake { return &intake{wake: make(chan struct{}, 1)} }

// submit queues a stream within the limit.
func (in *intake) submit(s *Stream, limit int) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.broken != nil:
		return in.broken
	case in.draining:
		return ErrDraining
	case len(in.arrivals)+in.waiting >= limit:
		return ErrQueueFull
	}
	in.arrivals = append(in.arrivals, s)
	in.ring()
	return nil
}

func (in *intake) abort(s *Stream) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.broken == nil {
		in.aborts = append(in.aborts, s)
		in.ring()
	}
}

// ring wakes the loop.
func (in *intake) ring() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// drain hands what has come over; the given slices become the new, empty queues.
func (in *intake) drain(arrivals, aborts []*Stream) (a, b []*Stream) {
	in.mu.Lock()
	defer in.mu.Unlock()
	a, b = in.arrivals, in.aborts
	in.arrivals, in.aborts = arrivals[:0], aborts[:0]
	in.waiting += len(a)
	return a, b
}

// publish tells submit how many wait.
func (in *intake) publish(waiting int) {
	in.mu.Lock()
	in.waiting = waiting
	in.mu.Unlock()
}

// breakDown refuses everything from now on and gives what was still queued.
func (in *intake) breakDown(err error) []*Stream {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.broken == nil {
		in.broken = err
	}
	left := in.arrivals
	in.arrivals = nil
	return left
}

func (in *intake) close() {
	in.mu.Lock()
	in.draining = true
	in.mu.Unlock()
	in.ring()
}

func (in *intake) health() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.broken
}
