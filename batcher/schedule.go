package batcher

import "basalt/runtime"

// Schedule fills b with the next step and says whether there is one. Running sequences come first,
// in the order of service: one token each when they generate, chunks while their prompt lasts. Then
// waiting sequences start, as budget, blocks and slots allow. Nobody overtakes: when the first of
// the waiting does not fit, the others wait too.
func (s *Scheduler) Schedule(b *runtime.Batch) bool {
	if s.inFlight {
		panic("BUG: Schedule while a step is in flight")
	}
	b.Reset()
	s.stepSeqs = s.stepSeqs[:0]
	budget := s.cfg.MaxTokens
	budget = s.decodeRunning(b, budget)
	budget = s.prefillRunning(b, budget)
	s.startWaiting(b, budget)
	s.inFlight = len(s.stepSeqs) > 0
	if s.inFlight {
		s.layTables(b)
	}
	return s.inFlight
}

// decodeRunning gives one token to each sequence that generates. Preemption may shorten the queue
// behind the current one, never before it.
func (s *Scheduler) decodeRunning(b *runtime.Batch, budget int) int {
	for i := 0; i < len(s.running) && budget > 0; i++ {
		q := s.running[i]
		if len(q.tokens)-q.done == 1 && s.grow(q, 1) {
			s.append(b, q, 1)
			budget--
		}
	}
	return budget
}

// prefillRunning gives what is left to prompts that have begun.
func (s *Scheduler) prefillRunning(b *runtime.Batch, budget int) int {
	for i := 0; i < len(s.running) && budget > 0; i++ {
		q := s.running[i]
		if q.pending > 0 || q.done == len(q.tokens) {
			continue
		}
		n := min(len(q.tokens)-q.done, budget)
		if s.grow(q, n) {
			s.append(b, q, n)
			budget -= n
		}
	}
	return budget
}

// startWaiting admits sequences in order. A sequence starts only when the blocks of its whole
// prompt are free, so that admitting it preempts nobody.
func (s *Scheduler) startWaiting(b *runtime.Batch, budget int) {
	for len(s.waiting) > 0 && budget > 0 && len(s.slots) > 0 {
		q := s.waiting[0]
		if s.blocksFor(len(q.tokens)) > s.pool.numFree() {
			return
		}
		s.waiting = without(s.waiting, q)
		q.slot = s.slots[len(s.slots)-1]
		s.slots = s.slots[:len(s.slots)-1]
		s.running = insert(s.running, q)
		n := min(len(q.tokens), budget)
		if !s.grow(q, n) {
			panic("BUG: blocks that were free are gone")
		}
		s.append(b, q, n)
		budget -= n
	}
}

func (s *Scheduler) blocksFor(tokens int) int {
	return (tokens + s.cfg.BlockSize - 1) / s.cfg.BlockSize
}

// grow gives q blocks for n more tokens. When none are free, the last in the order of service is
// preempted, until q fits or is itself the last; then q waits for the next step, preempted too when
// others run.
func (s *Scheduler) grow(q *sequence, n int) bool {
	for {
		need := s.blocksFor(q.done+n) - len(q.table)
		var ok bool
		if q.table, ok = s.pool.take(q.table, max(need, 0)); ok {
			return true
		}
		victim := s.victim()
		if victim == nil {
			return false
		}
		s.preempt(victim)
		if victim == q {
			return false
		}
	}
}

// victim is the last running sequence that is not part of the step being filled.
func (s *Scheduler) victim() *sequence {
	for i := len(s.running) - 1; i >= 0; i-- {
		if s.running[i].pending == 0 {
			return s.running[i]
		}
	}
	return nil
}

// append adds the next n tokens of q to the batch.
func (s *Scheduler) append(b *runtime.Batch, q *sequence, n int) {
	for pos := q.done; pos < q.done+n; pos++ {
		b.TokenIDs = append(b.TokenIDs, q.tokens[pos])
		b.Positions = append(b.Positions, int32(pos))
		block := q.table[pos/s.cfg.BlockSize]
		b.SlotMapping = append(b.SlotMapping,
			block*int32(s.cfg.BlockSize)+int32(pos%s.cfg.BlockSize))
	}
	q.done += n
	q.pending = n
	b.QueryStart = append(b.QueryStart, int32(len(b.TokenIDs)))
	b.SeqLens = append(b.SeqLens, int32(q.done))
	if q.sampled = q.done == len(q.tokens); q.sampled {
		b.SampleRows = append(b.SampleRows, int32(len(b.TokenIDs)-1))
		b.Sampling = append(b.Sampling, s.row(q, b))
	}
	s.stepSeqs = append(s.stepSeqs, q)
}

// layTables writes the block tables, padded to the longest.
func (s *Scheduler) layTables(b *runtime.Batch) {
	for _, q := range s.stepSeqs {
		b.MaxBlocks = max(b.MaxBlocks, s.blocksFor(q.done))
	}
	for _, q := range s.stepSeqs {
		n := s.blocksFor(q.done)
		b.BlockTables = append(b.BlockTables, q.table[:n]...)
		for range b.MaxBlocks - n {
			b.BlockTables = append(b.BlockTables, 0)
		}
	}
}
