package batcher

import (
	"fmt"
	"slices"

	"basalt/runtime"
)

// Commit takes the output of the oldest step in flight: one event for each sequence that it
// sampled. Rows of sequences that have ended meanwhile are discarded.
func (s *Scheduler) Commit(out *runtime.Output) []Update {
	st := s.popStep()
	row, ended := 0, false
	for _, p := range st.parts {
		p.seq.uses--
		if p.sampled {
			p.seq.unknown--
			s.commitRow(p.seq, out, row)
			row++
		}
		ended = ended || p.seq.ended
	}
	clear(st.parts)
	if ended {
		s.sweep()
	}
	return s.updates
}

// popStep takes the oldest step out of flight; its memory is used again by the next Schedule.
func (s *Scheduler) popStep() *step {
	if s.numSteps == 0 {
		panic("BUG: no step is in flight")
	}
	s.updates = s.updates[:0]
	s.steps[0], s.steps[1] = s.steps[1], s.steps[0]
	s.numSteps--
	return &s.steps[1]
}

// commitRow appends a token.
func (s *Scheduler) commitRow(q *Sequence, out *runtime.Output, row int) {
	if q.ended {
		return
	}
	id := out.IDs[row]
	q.tokens = append(q.tokens, id)
	e := Event{Token: id, Logprob: out.Logprobs[row], Finish: s.limit(q, len(q.tokens))}
	if slices.Contains(q.req.Params.StopIDs, id) {
		e.Finish = FinishStop
	}
	if first, end := out.TopStart[row], out.TopStart[row+1]; end > first {
		e.Top = q.alternatives(out.TopIDs[first:end], out.TopLogprobs[first:end])
	}
	q.ended = e.Finish != FinishNone
	s.emit(q, e)
}

// alternatives copies what a device lists, into memory made for many tokens at a time.
func (q *Sequence) alternatives(ids []int32, logprobs []float32) []TokenLogprob {
	const tokens = 32
	if cap(q.tops)-len(q.tops) < len(ids) {
		q.tops = make([]TokenLogprob, 0, tokens*len(ids))
	}
	first := len(q.tops)
	for i, id := range ids {
		q.tops = append(q.tops, TokenLogprob{id, logprobs[i]})
	}
	return q.tops[first:len(q.tops):len(q.tops)]
}

// checkOutput proves that an output answers the oldest step in flight.
func (s *Scheduler) checkOutput(out *runtime.Output) error {
	rows := 0
	for _, p := range s.steps[0].parts {
		if p.sampled {
			rows++
		}
	}
	if len(out.IDs) != rows || len(out.Logprobs) != rows || len(out.TopStart) != rows+1 {
		return fmt.Errorf("it gave %d ids, %d log-probabilities and %d bounds of alternatives for "+
			"%d rows", len(out.IDs), len(out.Logprobs), len(out.TopStart), rows)
	}
	for row, id := range out.IDs {
		if !s.cfg.isToken(id) {
			return fmt.Errorf("it gave id %d in row %d; the vocabulary has %d", id, row,
				s.cfg.Vocab)
		}
		first, end := out.TopStart[row], out.TopStart[row+1]
		if first < 0 || end < first || int(end) > min(len(out.TopIDs), len(out.TopLogprobs)) {
			return fmt.Errorf("its alternatives [%d, %d) in row %d do not exist", first, end, row)
		}
	}
	return nil
}

// Fail ends every sequence of the oldest step in flight with err: their caches are not trusted any
// more. A step that was scheduled ahead must not have been started; it is taken back.
func (s *Scheduler) Fail(err error) []Update {
	st := s.popStep()
	for _, p := range st.parts {
		p.seq.uses--
		if p.sampled {
			p.seq.unknown--
		}
		s.end(p.seq, Event{Token: -1, Finish: FinishError, Err: err})
	}
	clear(st.parts)
	if s.numSteps > 0 {
		s.takeBack()
	}
	s.sweep()
	return s.updates
}

// takeBack undoes the step in flight, which no device has seen.
func (s *Scheduler) takeBack() {
	s.numSteps--
	st := &s.steps[0]
	for _, p := range st.parts {
		q := p.seq
		q.uses--
		q.done -= p.tokens
		if p.sampled {
			q.unknown--
		}
		if p.counted {
			q.counted = false
		}
	}
	clear(st.parts)
}

// FailAll ends everything that waits or runs with err. No device may work on a step any more.
func (s *Scheduler) FailAll(err error) []Update {
	s.updates = s.updates[:0]
	for ; s.numSteps > 0; s.numSteps-- {
		clear(s.steps[s.numSteps-1].parts)
	}
	for _, q := range s.running {
		q.uses, q.unknown = 0, 0
		s.end(q, Event{Token: -1, Finish: FinishError, Err: err})
	}
	s.sweep()
	for _, q := range s.waiting {
		s.end(q, Event{Token: -1, Finish: FinishError, Err: err})
	}
	clear(s.waiting)
	s.waiting = s.waiting[:0]
	return s.updates
}
