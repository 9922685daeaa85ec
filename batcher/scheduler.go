package batcher

import (
	"slices"
)

// Sequence is one request on its way through a Scheduler, which owns it.
type Sequence struct {
	req   *Request
	order uint64 // of arrival

	// tokens are the prompt, then the generated tokens that are known. Behind them come unknown
	// ones: sampled by steps in flight.
	tokens  []int32
	prompt  int
	unknown int

	table     []int32 // cache blocks; empty while it waits
	slot      int32   // stable number while it runs, else -1
	done      int     // tokens whose keys and values are computed, steps in flight included
	uses      int     // steps in flight that it is part of
	row       int32   // its sample row in the newest step that sampled it
	counted   bool    // the device has its penalty counts
	preempted bool    // it ran before
	ended     bool    // its last event is out; it is freed once no step uses it

	tops   []TokenLogprob // memory that the next alternatives are cut from
	stream *Stream        // where a Loop sends its events
}

// length is the number of tokens, unknown ones included.
func (q *Sequence) length() int { return len(q.tokens) + q.unknown }

// Request is what was added.
func (q *Sequence) Request() *Request { return q.req }

// Update is an event of a sequence.
type Update struct {
	Seq   *Sequence
	Event Event
}

// Scheduler decides which tokens a step computes. It is not safe for concurrent use.
//
// A step is in flight from the Schedule that filled it to its Commit or Fail. One more may be
// scheduled ahead meanwhile: its sequences then hold a token that is not known yet, given to the
// device as an id below zero (runtime.Batch.TokenIDs). Steps are committed in order. The device
// must start them in order too, the second only when the first has ended.
//
// Updates that a method returns are valid until the next call.
type Scheduler struct {
	cfg      Config
	longest  int // a sequence of more tokens ends: Config.maxPrompt
	pool     *blockPool
	waiting  []*Sequence // in the order of service
	started  []*Sequence // for the first time, by the last Schedule
	running  []*Sequence // in the order of service, ended ones that a step still uses included
	slots    []int32     // free slots
	steps    [2]step     // in flight, oldest first
	numSteps int
	// answersTurn says whose turn it is where prompts and answers take turns.
	answersTurn bool
	pace        pace // of prompts beside answers
	arrivals    uint64
	preempts    uint64
	updates     []Update
}

// step is what Commit must know of a step in flight.
type step struct{ parts []part }

// part is one sequence's share of a step.
type part struct {
	seq     *Sequence
	tokens  int
	sampled bool // it has a sample row
	counted bool // its penalty counts are replayed in this step
}

// NewScheduler makes an empty scheduler. A configuration that Config.Check refuses is a defect.
func NewScheduler(cfg Config) *Scheduler {
	if err := cfg.Check(); err != nil {
		panic("BUG: " + err.Error())
	}
	s := &Scheduler{
		cfg: cfg, longest: cfg.maxPrompt(), pool: newBlockPool(cfg.NumBlocks),
		pace: newPace(cfg.StepTime),
	}
	for slot := cfg.MaxSeqs - 1; slot >= 0; slot-- {
		s.slots = append(s.slots, int32(slot))
	}
	return s
}

// Add puts a request in the queue, whose length its caller limits. It fails with *TooLongError or
// *InvalidError.
func (s *Scheduler) Add(r *Request) (*Sequence, error) {
	if err := s.cfg.admissible(r); err != nil {
		return nil, err
	}
	q := &Sequence{
		req: r, order: s.arrivals, tokens: slices.Clip(r.Prompt), prompt: len(r.Prompt), slot: -1,
	}
	s.arrivals++
	s.waiting = insert(s.waiting, q)
	return q, nil
}

// reserve gives q memory for the answers that are usual, so that no step allocates while it runs;
// longer ones grow. A waiting sequence has none.
func (s *Scheduler) reserve(q *Sequence) {
	const usual = 16384
	if q.table != nil {
		return // it ran before
	}
	room := min(s.longest+1-q.prompt, usual)
	if n := q.req.Params.MaxTokens; n > 0 {
		room = min(room, n)
	}
	q.tokens = append(make([]int32, 0, q.prompt+room), q.tokens...)
	q.table = make([]int32, 0, s.blocksFor(cap(q.tokens)))
}

// before is the order of service: priority, then arrival. A preempted sequence keeps its arrival
// and so comes back to the front of its priority. Fairness between tenants belongs here: an order
// of waiting sequences by what their tenants were served.
func before(a, b *Sequence) bool {
	if a.req.Priority != b.req.Priority {
		return a.req.Priority < b.req.Priority
	}
	return a.order < b.order
}

// insert keeps a queue in the order of service.
func insert(queue []*Sequence, q *Sequence) []*Sequence {
	at := len(queue)
	for at > 0 && before(q, queue[at-1]) {
		at--
	}
	return slices.Insert(queue, at, q)
}

// Abort ends a sequence at any time. Blocks that a step in flight uses are freed with that step.
func (s *Scheduler) Abort(q *Sequence) []Update {
	s.updates = s.updates[:0]
	if q.ended {
		return nil
	}
	s.end(q, Event{Token: -1, Finish: FinishAborted})
	switch {
	case q.slot < 0:
		s.waiting = without(s.waiting, q)
	case q.uses == 0:
		s.running = without(s.running, q)
		s.release(q)
	}
	return s.updates
}

// end sends the last event.
func (s *Scheduler) end(q *Sequence, e Event) {
	if !q.ended {
		q.ended = true
		s.emit(q, e)
	}
}

func (s *Scheduler) emit(q *Sequence, e Event) {
	e.PromptTokens = int32(q.prompt)
	s.updates = append(s.updates, Update{q, e})
}

func without(queue []*Sequence, q *Sequence) []*Sequence {
	i := slices.Index(queue, q)
	if i < 0 {
		panic("BUG: a sequence is not in its queue")
	}
	return slices.Delete(queue, i, i+1)
}

// sweep takes ended sequences that no step uses out of running.
func (s *Scheduler) sweep() {
	s.running = slices.DeleteFunc(s.running, func(q *Sequence) bool {
		gone := q.ended && q.uses == 0
		if gone {
			s.release(q)
		}
		return gone
	})
}

// release gives blocks and slot back.
func (s *Scheduler) release(q *Sequence) {
	s.pool.release(q.table)
	q.table = q.table[:0]
	s.slots = append(s.slots, q.slot)
	q.slot, q.done, q.counted = -1, 0, false
}

// preempt sends the last running sequence, which no step uses, back to waiting. It keeps its tokens
// and is computed again.
func (s *Scheduler) preempt() {
	last := len(s.running) - 1
	q := s.running[last]
	if q.uses > 0 {
		panic("BUG: a sequence of a step in flight is preempted")
	}
	s.running = slices.Delete(s.running, last, last+1)
	s.release(q)
	q.preempted = true
	s.waiting = insert(s.waiting, q)
	s.preempts++
}

// Idle says that nothing waits or runs.
func (s *Scheduler) Idle() bool { return len(s.waiting) == 0 && len(s.running) == 0 }

func (s *Scheduler) blocksFor(tokens int) int {
	return (tokens + s.cfg.BlockSize - 1) / s.cfg.BlockSize
}

// limit says why a sequence of n tokens ends, whatever its last token is.
func (s *Scheduler) limit(q *Sequence, n int) FinishReason {
	p := &q.req.Params
	switch {
	case p.MaxTokens > 0 && n-q.prompt >= p.MaxTokens:
		return FinishLength
	case n > s.longest:
		return FinishContext
	}
	return FinishNone
}
