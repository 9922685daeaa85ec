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
// A device that wants other steps (Config.Steps) gets them: prompts and answers take turns where it
// does not mix them, and chunks that fill its buckets.
//
// With Config.StepTime, prompts get no more of a step with answers than keeps it near that time, as
// Took has told of earlier steps; where nothing generates, they get the whole budget.
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
	if s.cfg.Steps.NoMixedBatch {
		s.fillInTurns(b, st)
	} else {
		r := s.room()
		s.decodeRunning(b, st, &r)
		s.share(st, &r)
		s.prefill(b, st, &r)
	}
	if len(st.parts) == 0 {
		return false
	}
	s.numSteps++
	s.layTables(b, st)
	return true
}

// room is what a step has left.
type room struct{ tokens, prefills int }

func (s *Scheduler) room() room {
	r := room{s.cfg.MaxTokens, s.cfg.Steps.MaxPrefills}
	if r.prefills == 0 {
		r.prefills = r.tokens
	}
	return r
}

// chunk takes what a step computes of n tokens of a prompt.
func (s *Scheduler) chunk(r *room, n int) int {
	n = s.cfg.Steps.Chunk(min(n, r.tokens))
	r.tokens -= n
	r.prefills--
	return n
}

// fillInTurns gives a step to prompts, the next one to answers, or to the others where those have
// nothing to do. So an answer waits for one step of prompts at a time, and new prompts for one step
// of answers.
func (s *Scheduler) fillInTurns(b *runtime.Batch, st *step) {
	for range 2 {
		r := s.room()
		if s.answersTurn {
			s.decodeRunning(b, st, &r)
		} else {
			s.prefill(b, st, &r)
		}
		s.answersTurn = !s.answersTurn
		if len(st.parts) > 0 {
			return
		}
	}
}

// prefill gives what is left to prompts, those that have begun first.
func (s *Scheduler) prefill(b *runtime.Batch, st *step, r *room) {
	s.prefillRunning(b, st, r)
	s.startWaiting(b, st, r)
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
func (s *Scheduler) decodeRunning(b *runtime.Batch, st *step, r *room) {
	for i := 0; i < len(s.running) && r.tokens > 0; i++ {
		q := s.running[i]
		if s.todo(q) == 1 && s.grow(q) {
			s.append(b, st, q, 1)
			r.tokens--
		}
	}
}

// prefillRunning serves prompts that have begun. Their blocks are theirs since they started.
func (s *Scheduler) prefillRunning(b *runtime.Batch, st *step, r *room) {
	for i := 0; i < len(s.running) && r.tokens > 0 && r.prefills > 0; i++ {
		q := s.running[i]
		if n := s.todo(q); n > 1 {
			s.append(b, st, q, s.chunk(r, n))
		}
	}
}

// startWaiting starts sequences in order.
func (s *Scheduler) startWaiting(b *runtime.Batch, st *step, r *room) {
	started := 0
	for started < len(s.waiting) && r.tokens > 0 && r.prefills > 0 && s.start(s.waiting[started]) {
		q := s.waiting[started]
		started++
		if !q.preempted {
			s.started = append(s.started, q)
		}
		s.append(b, st, q, s.chunk(r, len(q.tokens)))
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
