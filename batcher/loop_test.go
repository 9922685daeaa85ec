package batcher

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"basalt/runtime"
)

func TestLoopServesManyAsOne(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		c := loopConfig
		c.MaxWaiting = 100
		l := startLoop(t, c, o, nil)
		requests := make([]*Request, 40)
		want := make([][]int32, len(requests))
		for i := range requests {
			requests[i] = request(1+i%20, 1+i)
			requests[i].Params.Seed = uint64(i)
			want[i] = alone(t, c, requests[i])
		}
		var wg sync.WaitGroup
		for i, r := range requests {
			s := submit(t, l, r)
			wg.Go(func() {
				if got, e := collect(t, s); !slices.Equal(got, want[i]) ||
					e.Finish != FinishLength || int(e.PromptTokens) != len(r.Prompt) {
					t.Errorf("request %d: %v, then %+v; alone %v", i, got, e, want[i])
				}
			})
		}
		wg.Wait()
		waitIdle(t, l)
		st := l.Stats()
		if st.GeneratedTokens != 820 || st.PromptTokens != 420 || st.Finished != 40 ||
			st.StepTokens < 420+820-40 || st.Steps < 40 || st.BlocksTotal != c.NumBlocks {
			t.Errorf("after 40 answers: %+v", st)
		}
	})
}

// TestAnAnsweredRequestIsCounted: nobody who has an answer finds its request among the running.
func TestAnAnsweredRequestIsCounted(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		l := startLoop(t, loopConfig, o, nil)
		for n := int64(1); n <= 200; n++ {
			collect(t, submit(t, l, request(4, 2)))
			st := l.Stats()
			if st.Finished != n || st.GeneratedTokens != 2*n || st.Steps < 2*n {
				t.Fatalf("after %d answers of 2 tokens: %+v", n, st)
			}
			// The step that is prepared ahead holds its sequences until it ends.
			if !o.Ahead && (st.Running != 0 || st.BlocksUsed != 0) {
				t.Fatalf("after answer %d: %+v", n, st)
			}
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := loopConfig
		c.MaxSeqs, c.MaxTokens = 1, 4
		l := NewLoop(nullFor(c, time.Second, nil), c, Options{})
		first := submit(t, l, request(4, 100))
		streams := []*Stream{first}
		for _, ms := range []time.Duration{700, 700, 100, 100} {
			time.Sleep(ms * time.Millisecond)
			streams = append(streams, submit(t, l, request(4, 2)))
			synctest.Wait()
		}
		if _, err := l.Submit(request(4, 2)); !errors.Is(err, ErrQueueFull) || !IsRetryable(err) {
			t.Errorf("the sixth request: %v", err)
		}
		if st := l.Stats(); st.Running != 1 || st.Waiting != 1 {
			t.Errorf("one runs, one waits, three came during this step: %+v", st)
		}
		streams[4].Abort()
		time.Sleep(2 * time.Second)
		streams = append(streams, submit(t, l, request(4, 2)))
		if _, err := l.Submit(request(4, 2)); !errors.Is(err, ErrQueueFull) {
			t.Errorf("the next one after that: %v", err)
		}
		first.Abort()
		for _, s := range streams {
			collect(t, s)
		}
		stopNow(l)
	})
}

func TestAbortFreesWithinOneStep(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		synctest.Test(t, func(t *testing.T) {
			l := NewLoop(nullFor(loopConfig, time.Second, nil), loopConfig, o)
			s := submit(t, l, request(4, 100))
			time.Sleep(3500 * time.Millisecond)
			s.Abort()
			s.Abort()
			time.Sleep(time.Second)
			synctest.Wait()
			if ids, e := collect(t, s); e.Finish != FinishAborted || len(ids) != 3 {
				t.Errorf("%d tokens, then %v", len(ids), e)
			}
			if o.Ahead { // the step that was prepared before has still to end
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if st := l.Stats(); st.BlocksUsed != 0 || st.Running != 0 {
				t.Errorf("one step after the abort: %+v", st)
			}
			s.Abort()
			stopNow(l)
		})
	})
}

// TestArrivalsAreAdmittedDuringAStep: what comes while the device works is part of the next step.
func TestArrivalsAreAdmittedDuringAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop(nullFor(loopConfig, time.Second, nil), loopConfig, Options{})
		first := submit(t, l, request(4, 3))
		time.Sleep(500 * time.Millisecond)
		start := time.Now()
		second := submit(t, l, request(4, 1))
		collect(t, second)
		if took := time.Since(start); took != 1500*time.Millisecond {
			t.Errorf("the answer took %v: half a step to wait and one to compute are due", took)
		}
		collect(t, first)
		stopNow(l)
	})
}

// TestSlowReaderHoldsNobodyUp: the loop fills the stream of a reader that does not read, while
// others get their tokens step by step.
func TestStartedTellsTheFirstStepOnce(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		synctest.Test(t, func(t *testing.T) {
			cfg := loopConfig
			cfg.MaxSeqs = 1
			l := NewLoop(nullFor(cfg, time.Second, nil), cfg, o)
			begin, calls := time.Now(), 0
			var at time.Duration
			first := submit(t, l, request(4, 5))
			second := request(4, 3)
			second.Started = func() { calls, at = calls+1, time.Since(begin) }
			s := submit(t, l, second)
			collect(t, first)
			collect(t, s)
			if wait := at.Seconds(); calls != 1 || wait < 4 || wait > 6 {
				t.Errorf("%d calls, the last after %v; one after five steps is due", calls, at)
			}
			stopNow(l)
		})
	})
}

func TestSlowReaderHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop(nullFor(loopConfig, time.Second, nil), loopConfig, Options{})
		slow := submit(t, l, request(4, 100))
		start := time.Now()
		ids, _ := collect(t, submit(t, l, request(4, 50)))
		took := time.Since(start) // one second more where a step had begun
		if took != 50*time.Second && took != 51*time.Second || len(ids) != 50 {
			t.Errorf("%d tokens took %v", len(ids), took)
		}
		time.Sleep(time.Minute)
		if st := l.Stats(); st.Running != 0 || st.BlocksUsed != 0 {
			t.Errorf("the unread sequence still runs: %+v", st)
		}
		if ids, e := collect(t, slow); len(ids) != 100 || e.Finish != FinishLength {
			t.Errorf("%d tokens, then %+v", len(ids), e)
		}
		stopNow(l)
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop(nullFor(loopConfig, time.Hour, nil), loopConfig, Options{})
		s := submit(t, l, request(4, 3))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errPlanted)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, errPlanted) {
			t.Errorf("Next gave %v", err)
		}
		if ids, _ := collect(t, s); len(ids) != 3 {
			t.Errorf("%d tokens afterwards", len(ids))
		}
		stopNow(l)
	})
}

func TestStopDrainsAndThenEnds(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		synctest.Test(t, func(t *testing.T) {
			c := loopConfig
			c.MaxSeqs, c.MaxTokens = 2, 8
			l := NewLoop(nullFor(c, time.Second, nil), c, o)
			short := submit(t, l, request(4, 3))
			long := submit(t, l, request(4, 50))
			queued := submit(t, l, request(4, 2))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			if err := l.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Stop gave %v though a sequence was cut short", err)
			}
			if took := time.Since(start); took < 10*time.Second || took > 12*time.Second {
				t.Errorf("Stop took %v", took)
			}
			for _, s := range []*Stream{short, queued} {
				if _, e := collect(t, s); e.Finish != FinishLength {
					t.Errorf("a short request ended with %+v", e)
				}
			}
			if _, e := collect(t, long); !errors.Is(e.Err, ErrDraining) || !IsRetryable(e.Err) {
				t.Errorf("the long request ended with %+v", e)
			}
			if _, err := l.Submit(request(4, 3)); !errors.Is(err, ErrDraining) {
				t.Errorf("after Stop: %v", err)
			}
			if err := l.Stop(t.Context()); err != nil {
				t.Errorf("a second Stop: %v", err)
			}
		})
	})
}

// guarded counts the steps that a device works on.
type guarded struct {
	runtime.Executable
	steps atomic.Int32
}

type landing struct {
	runtime.Pending
	x *guarded
}

func (x *guarded) Step(b *runtime.Batch) (runtime.Pending, error) {
	x.steps.Add(1)
	p, err := x.Executable.Step(b)
	return landing{p, x}, err
}

func (p landing) Wait() (*runtime.Output, error) {
	defer p.x.steps.Add(-1)
	return p.Pending.Wait()
}

// TestTheExecutableIsFreeAfterStop: also when the loop had to end with a step in flight.
func TestTheExecutableIsFreeAfterStop(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		synctest.Test(t, func(t *testing.T) {
			x := &guarded{Executable: nullFor(loopConfig, time.Second, nil)}
			l := NewLoop(x, loopConfig, o)
			submit(t, l, request(4, 50))
			time.Sleep(2500 * time.Millisecond)
			if x.steps.Load() != 1 {
				t.Errorf("%d steps in flight before Stop", x.steps.Load())
			}
			stopNow(l)
			if x.steps.Load() != 0 {
				t.Error("a step is in flight after Stop")
			}
			o.Stepped = func(int, int) { panic("planted in the hook") }
			l = NewLoop(x, loopConfig, o)
			collect(t, submit(t, l, request(4, 50)))
			stopNow(l)
			if x.steps.Load() != 0 {
				t.Error("a step is in flight after a panic")
			}
		})
	})
}

func TestStopOfAnIdleLoop(t *testing.T) {
	l := NewLoop(nullFor(loopConfig, 0, nil), loopConfig, Options{})
	collect(t, submit(t, l, request(4, 3)))
	if err := l.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := l.Submit(request(4, 3)); !errors.Is(err, ErrDraining) {
		t.Errorf("after Stop: %v", err)
	}
}

func TestSubmitRefusesWhatCanNeverRun(t *testing.T) {
	l := startLoop(t, loopConfig, Options{}, nil)
	if _, err := l.Submit(request(128, 2)); !errors.As(err, new(*TooLongError)) {
		t.Errorf("a prompt of the whole context: %v", err)
	}
	if _, err := l.Submit(request(0, 2)); !errors.As(err, new(*InvalidError)) {
		t.Errorf("an empty prompt: %v", err)
	}
	if ids, _ := collect(t, submit(t, l, request(127, 2))); len(ids) != 1 {
		t.Errorf("the longest prompt gave %d tokens", len(ids))
	}
}

func TestAlternativesReachTheReader(t *testing.T) {
	l := NewLoop(listing{nullFor(loopConfig, 0, nil)}, loopConfig, Options{})
	defer stopNow(l)
	r := request(2, 5)
	r.Params.Logprobs = 3
	s := submit(t, l, r)
	var all [][]TokenLogprob
	for range 5 {
		e, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Top)
	}
	want := []TokenLogprob{{7, -0.25}, {8, -0.5}, {9, -0.75}}
	for i, top := range all { // read after the others came: they share no memory
		if !slices.Equal(top, want) || cap(top) != 3 {
			t.Errorf("token %d has alternatives %v", i, top)
		}
	}
}

// listing adds alternatives to each row.
type listing struct{ runtime.Executable }

func (x listing) Step(b *runtime.Batch) (runtime.Pending, error) {
	p, err := x.Executable.Step(b)
	return listed{p, len(b.SampleRows)}, err
}

type listed struct {
	runtime.Pending
	rows int
}

func (p listed) Wait() (*runtime.Output, error) {
	out, err := p.Pending.Wait()
	for i := range p.rows {
		out.TopIDs = append(out.TopIDs[:3*i], 7, 8, 9)
		out.TopLogprobs = append(out.TopLogprobs[:3*i], -0.25, -0.5, -0.75)
		out.TopStart[i+1] = int32(3 * (i + 1))
	}
	return out, err
}
