package batcher

import "sync"

// intake is where other goroutines leave work for the loop. Its lock is held for a few
// instructions, never while a device works.
type intake struct {
	wake chan struct{}

	mu       sync.Mutex
	arrivals []*Stream
	aborts   []*Stream
	draining bool
	broken   error // set once the loop serves no more
	waiting  int   // sequences that wait in the scheduler, as of the loop's last word
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

// drain hands over what has come; the given slices become the new, empty queues.
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

// breakDown refuses everything from now on and gives what was still queued. The first reason stays.
func (in *intake) breakDown(err error) []*Stream {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.broken == nil {
		in.broken = err
	}
	left := in.arrivals
	in.arrivals, in.aborts = nil, nil
	return left
}

func (in *intake) close() {
	in.mu.Lock()
	in.draining = true
	in.mu.Unlock()
	in.ring()
}

// drained says that nothing comes any more and nothing is queued.
func (in *intake) drained() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.draining && len(in.arrivals) == 0
}

func (in *intake) health() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.broken
}
