package batcher

import (
	"errors"
	"testing"
)

// TestTheLimitHoldsBetweenAdmissionAndTheNextStep: what the loop has just taken over still counts.
func TestTheLimitHoldsBetweenAdmissionAndTheNextStep(t *testing.T) {
	l := newLoop(newInstant(8), loopConfig, Options{})
	for range loopConfig.MaxWaiting {
		submit(t, l, request(4, 5))
		l.admit()
	}
	if _, err := l.Submit(request(4, 5)); !errors.Is(err, ErrQueueFull) {
		t.Errorf("one more than may wait: %v", err)
	}
	l.cycle()
	submit(t, l, request(4, 5)) // the others run
}

func TestAbortsDoNotPileUp(t *testing.T) {
	l := newLoop(newInstant(8), loopConfig, Options{})
	s := submit(t, l, request(4, 5))
	for range 1000 {
		s.Abort()
	}
	if n := len(l.in.aborts); n != 1 {
		t.Errorf("%d aborts are queued", n)
	}
	l.admit()
	if e, _ := s.TryNext(); e.Finish != FinishAborted || !l.sched.Idle() || !l.sched.atRest() {
		t.Errorf("an abort of a request that has just come: %+v", e)
	}
}

// TestEveryoneComesInOneOrder: requests of one submitter start in the order of submission.
func TestEveryoneComesInOneOrder(t *testing.T) {
	l := newLoop(newInstant(8), loopConfig, Options{})
	var streams []*Stream
	for range loopConfig.MaxWaiting {
		streams = append(streams, submit(t, l, request(4, 5)))
	}
	l.admit()
	for i, q := range l.sched.waiting {
		if q.stream != streams[i] {
			t.Errorf("place %d of the queue belongs to another request", i)
		}
	}
}
