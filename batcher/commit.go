package batcher

import (
	"slices"

	"basalt/runtime"
)

// Commit takes the output of the step in flight: one event for each sequence that was sampled.
func (s *Scheduler) Commit(out *runtime.Output) {
	s.endStep()
	row := 0
	for _, q := range s.stepSeqs {
		q.pending = 0
		if q.sampled {
			s.commitRow(q, out, row)
			row++
		}
		if q.ended {
			s.remove(q)
		}
	}
}

// commitRow appends a token. The row of a sequence that was aborted in flight is discarded.
func (s *Scheduler) commitRow(q *sequence, out *runtime.Output, row int) {
	q.sampled = false
	if q.ended {
		return
	}
	id := out.IDs[row]
	q.tokens = append(q.tokens, id)
	e := Event{Token: id, Logprob: out.Logprobs[row], Finish: s.reason(q, id)}
	if first, end := out.TopStart[row], out.TopStart[row+1]; end > first {
		e.Top = make([]TokenLogprob, 0, end-first)
		for i := first; i < end; i++ {
			e.Top = append(e.Top, TokenLogprob{out.TopIDs[i], out.TopLogprobs[i]})
		}
	}
	q.ended = e.Finish != FinishNone
	s.emit(q, e)
}

// reason says whether id ends q.
func (s *Scheduler) reason(q *sequence, id int32) FinishReason {
	switch {
	case slices.Contains(q.req.Params.StopIDs, id):
		return FinishStop
	case q.req.Params.MaxTokens > 0 && q.numOutput() >= q.req.Params.MaxTokens:
		return FinishLength
	case len(q.tokens) > s.cfg.maxPrompt():
		return FinishContext
	}
	return FinishNone
}

// Fail ends every sequence of the step in flight with err: their caches are no longer trusted.
func (s *Scheduler) Fail(err error) {
	s.endStep()
	for _, q := range s.stepSeqs {
		q.pending, q.sampled = 0, false
		if !q.ended {
			q.ended = true
			s.emit(q, Event{Token: -1, Finish: FinishError, Err: err})
		}
		s.remove(q)
	}
}

func (s *Scheduler) endStep() {
	if !s.inFlight {
		panic("BUG: no step is in flight")
	}
	s.inFlight = false
}

// abandon sends a last event to every sequence and touches nothing else: after a defect nothing but
// the queues is trusted.
func (s *Scheduler) abandon(err error) {
	for _, queue := range [][]*sequence{s.running, s.waiting} {
		for _, q := range queue {
			if !q.ended {
				q.ended = true
				s.emit(q, Event{Token: -1, Finish: FinishError, Err: err})
			}
		}
	}
}

// failAll ends everything that waits or runs; no step may be in flight.
func (s *Scheduler) failAll(err error) {
	for _, queue := range [][]*sequence{slices.Clone(s.running), slices.Clone(s.waiting)} {
		for _, q := range queue {
			s.finish(q, Event{Token: -1, Finish: FinishError, Err: err})
		}
	}
}
