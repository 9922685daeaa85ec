package batcher

// ring is a queue of events that grows while its reader lags and is used again once it has caught
// up.
type ring struct {
	events []Event // a power of two of places
	head   int     // place of the oldest
	n      int
}

const minRing = 8

func (r *ring) push(e Event) {
	if r.n == len(r.events) {
		r.grow()
	}
	r.events[(r.head+r.n)&(len(r.events)-1)] = e
	r.n++
}

func (r *ring) grow() {
	wider := make([]Event, max(minRing, 2*len(r.events)))
	n := copy(wider, r.events[r.head:])
	copy(wider[n:], r.events[:r.head])
	r.events, r.head = wider, 0
}

// pop takes the oldest event; there must be one.
func (r *ring) pop() Event {
	e := r.events[r.head]
	r.events[r.head] = Event{} // lets go of what it points to
	r.head = (r.head + 1) & (len(r.events) - 1)
	r.n--
	return e
}
