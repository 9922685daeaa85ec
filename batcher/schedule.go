package batcher

import (
	"slices"

	"basalt/runtime"
)

// Schedule fills b with the next step and says whether there is one. Running sequences come first,
// in the order of service: one token each when they generate, then chunks of prompts that have
// begun. Then waiting sequences start, as budget, blocks and slots allow. Nobody overtakes: when
// the first of the waiting does not fit, the others wait too.
//
// While a step is in flight, false also means that the next one depends on its outcome: Commit
// first.
func (s *Scheduler) Schedule(b *runtime.Batch) bool {
	b.Reset()
	s.started = s.started[:0]
	switch {
	case s.numSteps == len(s.steps):
		panic("BUG: Schedule while two steps are in flight")
	case s.numSteps > 0 && s.mustPreempt():
		return false
	}
	st := &s.steps[s.numSteps]
	st.parts = st.parts[:0]
	budget := s.decodeRunning(b, st, s.cfg.MaxTokens)
	budget = s.prefillRunning(b, st, budget)
	s.startWaiting(b, st, budget)
	if len(st.parts) == 0 {
		return false
	}
	s.numSteps++
	s.layTables(b, st)
	return true
}

// todo is the number of q's tokens that wait to be computed; none when it has ended, or will for
// its length once the step in flight is committed.
func (s *Scheduler) todo(q *Sequence) int {
	if q.ended || q.unknown > 0 && s.limit(q, q.length()) != FinishNone {
		return 0
	}
	return q.length() - q.done
}

// decodeRunning gives one token to each sequence that generates. One that finds no block, although
// all that come after it were preempted, sits the step out and keeps what it has: whoever comes
// before it takes it when needed.
func (s *Scheduler) decodeRunning(b *runtime.Batch, st *step, budget int) int {
	for i := 0; i < len(s.running) && budget > 0; i++ {
		q := s.running[i]
		if s.todo(q) == 1 && s.grow(q) {
			s.append(b, st, q, 1)
			budget--
		}
	}
	return budget
}

// prefillRunning gives what is left to prompts that have begun. Their blocks are theirs since they
// started.
func (s *Scheduler) prefillRunning(b *runtime.Batch, st *step, budget int) int {
	for i := 0; i < len(s.running) && budget > 0; i++ {
		q := s.running[i]
		if n := min(s.todo(q), budget); s.todo(q) > 1 {
			s.append(b, st, q, n)
			budget -= n
		}
	}
	return budget
}

// startWaiting starts sequences in order.
func (s *Scheduler) startWaiting(b *runtime.Batch, st *step, budget int) {
	started := 0
	for started < len(s.waiting) && budget > 0 && s.start(s.waiting[started]) {
		q := s.waiting[started]
		started++
		if !q.preempted {
			s.started = append(s.started, q)
		}
		n := min(len(q.tokens), budget)
		s.append(b, st, q, n)
		budget -= n
	}
	s.waiting = slices.Delete(s.waiting, 0, started)
}

// start gives q a slot and the blocks of all its tokens, or nothing, so that computing a prompt
// never preempts. One that was preempted also leaves a block for each running sequence, lest it be
// preempted again at once. A prefix cache would give the first blocks, and done with them, here.
func (s *Scheduler) start(q *Sequence) bool {
	need, spare := s.blocksFor(len(q.tokens)), 0
	if q.preempted {
		spare = len(s.running)
	}
	if len(s.slots) == 0 || need+spare > s.pool.numFree() {
		return false
	}
	s.reserve(q)
	q.table, _ = s.pool.take(q.table, need)
	q.slot = s.slots[len(s.slots)-1]
	s.slots = s.slots[:len(s.slots)-1]
	s.running = insert(s.running, q)
	return true
}

// needsBlock says whether q's next token needs a new block.
func (s *Scheduler) needsBlock(q *Sequence) bool {
	return q.done == len(q.table)*s.cfg.BlockSize
}

// grow gives q a block for its next token. When none is free, the last in the order of service is
// preempted, unless that is q.
func (s *Scheduler) grow(q *Sequence) bool {
	if !s.needsBlock(q) {
		return true
	}
	for s.pool.numFree() == 0 {
		if s.running[len(s.running)-1] == q {
			return false
		}
		s.preempt()
	}
	q.table, _ = s.pool.take(q.table, 1)
	return true
}

// mustPreempt says whether grow would have to preempt. A step ahead never does: what is in flight
// cannot be taken back.
func (s *Scheduler) mustPreempt() bool {
	free := s.pool.numFree()
	for i, q := range s.running {
		if s.todo(q) != 1 || !s.needsBlock(q) {
			continue
		}
		if free == 0 {
			return i < len(s.running)-1
		}
		free--
	}
	return false
}
