package batcher

import (
	"slices"

	"basalt/runtime"
)

// sequence is one request on its way. Its tokens are prompt + output; the first computed ones have
// their keys and values in the blocks of table.
type sequence struct {
	req     *Request
	order   uint64  // of arrival
	tokens  []int32 // prompt, then output
	prompt  int     // length of the prompt
	slot    int32   // stable number while it runs, -1 else
	table   []int32 // cache blocks
	done    int     // tokens that are computed, scheduled ones included
	pending int     // tokens of the step in flight
	sampled bool    // the step in flight samples its next token
	counted bool    // the device has its penalty counts
	ended   bool    // finished or aborted; freed once no step uses it
	stream  *Stream // where the loop sends events; nil in tests of the scheduler alone
}

// numOutput is the number of generated tokens.
func (s *sequence) numOutput() int { return len(s.tokens) - s.prompt }

// Scheduler decides which tokens a step computes. It is not safe for concurrent use. Between a
// Schedule that gave true and its Commit (or Fail) a step is in flight.
type Scheduler struct {
	cfg      Config
	pool     *blockPool
	waiting  []*sequence // by priority, then arrival; preempted ones keep their place
	running  []*sequence // by priority, then arrival
	slots    []int32     // free slots
	stepSeqs []*sequence // sequences of the step in flight, in the batch's order
	inFlight bool
	arrivals uint64
	preempts uint64
	emit     func(*sequence, Event)
}

// newScheduler sends events to emit, from Commit, Abort and Fail.
func newScheduler(cfg Config, emit func(*sequence, Event)) *Scheduler {
	if err := cfg.check(); err != nil {
		panic(err.Error())
	}
	s := &Scheduler{cfg: cfg, pool: newBlockPool(cfg.NumBlocks), emit: emit}
	for slot := cfg.MaxSeqs - 1; slot >= 0; slot-- {
		s.slots = append(s.slots, int32(slot))
	}
	return s
}

// maxPrompt is the longest prompt that leaves room for one generated token.
func (c Config) maxPrompt() int {
	return min(c.MaxContext, c.NumBlocks*c.BlockSize) - 1
}

// admissible refuses what can never run.
func (c Config) admissible(r *Request) error {
	if n, limit := len(r.Prompt), c.maxPrompt(); n > limit {
		return &TooLongError{Tokens: n, Limit: limit}
	}
	return nil
}

// add puts a request in the queue, whose length its caller limits; events go to the stream.
func (s *Scheduler) add(r *Request, stream *Stream) (*sequence, error) {
	if len(r.Prompt) == 0 {
		panic("BUG: a request without prompt")
	}
	if err := s.cfg.admissible(r); err != nil {
		return nil, err
	}
	q := &sequence{
		req: r, order: s.arrivals, tokens: s.cfg.roomFor(r), prompt: len(r.Prompt), slot: -1,
		stream: stream,
	}
	q.table = make([]int32, 0, s.blocksFor(cap(q.tokens)))
	s.arrivals++
	s.waiting = insert(s.waiting, q)
	return q, nil
}

// roomFor copies the prompt into memory that the answer will usually fit too.
func (c Config) roomFor(r *Request) []int32 {
	const usual = 1024
	room := min(c.maxPrompt()+1-len(r.Prompt), usual)
	if r.Params.MaxTokens > 0 {
		room = min(room, r.Params.MaxTokens)
	}
	return append(make([]int32, 0, len(r.Prompt)+room), r.Prompt...)
}

// before is the order of service: priority, then arrival.
func before(a, b *sequence) bool {
	if a.req.Priority != b.req.Priority {
		return a.req.Priority < b.req.Priority
	}
	return a.order < b.order
}

// insert keeps a queue in the order of service.
func insert(queue []*sequence, q *sequence) []*sequence {
	at := len(queue)
	for at > 0 && before(q, queue[at-1]) {
		at--
	}
	return slices.Insert(queue, at, q)
}

// abort ends a sequence. Blocks that a step in flight uses are freed when the step has ended.
func (s *Scheduler) abort(q *sequence) {
	if !q.ended {
		s.finish(q, Event{Token: -1, Finish: FinishAborted})
	}
}

// finish sends the last event and lets go of the sequence.
func (s *Scheduler) finish(q *sequence, e Event) {
	q.ended = true
	s.emit(q, e)
	if q.pending == 0 {
		s.remove(q)
	}
}

// remove takes an ended sequence out of its queue and frees what it holds.
func (s *Scheduler) remove(q *sequence) {
	if q.slot >= 0 {
		s.running = without(s.running, q)
		s.release(q)
		return
	}
	s.waiting = without(s.waiting, q)
}

func without(queue []*sequence, q *sequence) []*sequence {
	if i := slices.Index(queue, q); i >= 0 {
		return slices.Delete(queue, i, i+1)
	}
	return queue
}

// release gives blocks and slot back.
func (s *Scheduler) release(q *sequence) {
	s.pool.release(q.table)
	q.table = q.table[:0]
	s.slots = append(s.slots, q.slot)
	q.slot, q.done, q.counted = -1, 0, false
}

// preempt sends a running sequence back to waiting; it keeps its tokens and is computed again.
func (s *Scheduler) preempt(q *sequence) {
	s.running = without(s.running, q)
	s.release(q)
	s.waiting = insert(s.waiting, q)
	s.preempts++
}

// idle says that nothing waits or runs.
func (s *Scheduler) idle() bool { return len(s.waiting) == 0 && len(s.running) == 0 }

// check proves that every block is accounted for.
func (s *Scheduler) check() error {
	var tables [][]int32
	for _, q := range s.running {
		tables = append(tables, q.table)
	}
	return s.pool.check(tables)
}

// row is the sampling of q's next token.
func (s *Scheduler) row(q *sequence, b *runtime.Batch) runtime.SamplingRow {
	p := &q.req.Params
	row := p.Row(len(q.tokens))
	row.BiasStart = int32(len(b.Bias))
	b.Bias = append(b.Bias, p.LogitBias...)
	row.BiasEnd = int32(len(b.Bias))
	if p.HasPenalties() {
		row.Slot = q.slot
		s.count(q, b)
	}
	return row
}

// count replays a sequence's tokens into the device's counts, once for each stay in a slot.
func (s *Scheduler) count(q *sequence, b *runtime.Batch) {
	if q.counted {
		return
	}
	q.counted = true
	b.ResetCounts = append(b.ResetCounts, q.slot)
	for i, id := range q.tokens {
		if i < q.prompt {
			id = -1 - id
		}
		b.CountSlots, b.CountIDs = append(b.CountSlots, q.slot), append(b.CountIDs, id)
	}
}
