package batcher

import (
	"fmt"
	"slices"
)

// Check proves the scheduler's invariants: every block has exactly the owners that it counts, every
// slot is free or used once, queues are in the order of service, and nobody holds less than it has
// computed. A failure is a defect.
func (s *Scheduler) Check() error {
	var tables [][]int32
	slots := slices.Clone(s.slots)
	for _, q := range s.running {
		tables, slots = append(tables, q.table), append(slots, q.slot)
		if err := s.checkRunning(q); err != nil {
			return fmt.Errorf("running sequence %d: %w", q.order, err)
		}
	}
	for _, q := range s.waiting {
		if len(q.table) > 0 || q.slot >= 0 || q.done+q.unknown+q.uses > 0 || q.ended {
			return fmt.Errorf("waiting sequence %d holds %d blocks and slot %d", q.order,
				len(q.table), q.slot)
		}
	}
	slices.Sort(slots)
	for i, slot := range slots {
		if int(slot) != i || len(slots) != s.cfg.MaxSeqs {
			return fmt.Errorf("slots %v are not 0 to %d", slots, s.cfg.MaxSeqs-1)
		}
	}
	if !inOrder(s.running) || !inOrder(s.waiting) {
		return fmt.Errorf("a queue is out of order")
	}
	return s.pool.check(tables)
}

func (s *Scheduler) checkRunning(q *Sequence) error {
	uses, unknown := 0, 0
	for _, st := range s.steps[:s.numSteps] {
		for _, p := range st.parts {
			if p.seq == q {
				uses++
			}
			if p.seq == q && p.sampled {
				unknown++
			}
		}
	}
	switch {
	case uses != q.uses || unknown != q.unknown:
		return fmt.Errorf("%d steps use it and %d sample it; it counts %d and %d", uses, unknown,
			q.uses, q.unknown)
	case q.ended && q.uses == 0:
		return fmt.Errorf("it has ended and no step uses it")
	case q.done > q.length():
		return fmt.Errorf("%d of %d tokens are computed", q.done, q.length())
	case s.blocksFor(q.done) > len(q.table):
		return fmt.Errorf("%d tokens are computed in %d blocks", q.done, len(q.table))
	}
	return nil
}

func inOrder(queue []*Sequence) bool {
	for i := 1; i < len(queue); i++ {
		if !before(queue[i-1], queue[i]) {
			return false
		}
	}
	return true
}

// atRest says that nothing is held: what must be true when nothing waits or runs.
func (s *Scheduler) atRest() bool {
	return s.pool.numFree() == s.pool.size() && len(s.slots) == s.cfg.MaxSeqs && s.numSteps == 0
}
