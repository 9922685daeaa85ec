package batcher

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"basalt/runtime"
)

var loopConfig = Config{
	MaxTokens: 32, MaxSeqs: 8, MaxContext: 128, BlockSize: 4, NumBlocks: 64, MaxWaiting: 4,
}

func nullFor(c Config, stepTime time.Duration, fail func(int) error) *runtime.Null {
	return runtime.NewNull(runtime.NullConfig{
		NumBlocks: c.NumBlocks, BlockSize: c.BlockSize, Vocab: 100, MaxTokens: c.MaxTokens,
		MaxSeqs: c.MaxSeqs, StepTime: stepTime, Fail: fail,
	})
}

func startLoop(t *testing.T, c Config, stepTime time.Duration, fail func(int) error) *Loop {
	l := NewLoop(nullFor(c, stepTime, fail), c, Options{})
	t.Cleanup(func() { stopNow(t, l) })
	return l
}

func stopNow(t *testing.T, l *Loop) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func request(prompt, maxTokens int) *Request {
	r := &Request{Params: runtime.DefaultSampling(), Prompt: make([]int32, prompt)}
	r.Params.MaxTokens = maxTokens
	return r
}

// collect reads a stream to its end.
func collect(t *testing.T, s *Stream) ([]int32, Event) {
	t.Helper()
	var ids []int32
	for {
		e, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.Token >= 0 {
			ids = append(ids, e.Token)
		}
		if e.Finish != FinishNone {
			if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
				t.Errorf("after the last event: %v", err)
			}
			return ids, e
		}
	}
}

func TestLoopServesManyAsOne(t *testing.T) {
	c := loopConfig
	c.MaxWaiting = 100
	l := startLoop(t, c, 0, nil)
	alone := make([][]int32, 40)
	submit := func(i int) *Stream {
		r := request(1+i%20, 1+i)
		r.Params.Seed = uint64(i)
		s, err := l.Submit(r)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for i := range alone {
		alone[i], _ = collect(t, submit(i))
	}
	var wg sync.WaitGroup
	for i := range alone {
		s := submit(i)
		wg.Go(func() {
			if got, e := collect(t, s); !slices.Equal(got, alone[i]) || e.Finish != FinishLength {
				t.Errorf("request %d: %v, alone %v", i, got, alone[i])
			}
		})
	}
	wg.Wait()
	waitIdle(t, l)
}

// waitIdle waits until all blocks are free.
func waitIdle(t *testing.T, l *Loop) {
	t.Helper()
	for range 1000 {
		if s := l.Stats(); s.BlocksUsed == 0 && s.Running == 0 && s.Waiting == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("not idle: %+v", l.Stats())
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := loopConfig
		c.MaxSeqs, c.MaxTokens = 1, 4
		l := NewLoop(nullFor(c, time.Second, nil), c, Options{})
		var streams []*Stream
		for range 5 { // one runs, four wait
			s, err := l.Submit(request(4, 2))
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
			synctest.Wait()
		}
		if _, err := l.Submit(request(4, 2)); !errors.Is(err, ErrQueueFull) {
			t.Errorf("the sixth request: %v", err)
		}
		if _, err := l.Submit(request(128, 2)); !errors.As(err, new(*TooLongError)) {
			t.Errorf("a prompt of the whole context: %v", err)
		}
		for _, s := range streams {
			collect(t, s)
		}
		stopNow(t, l)
	})
}

func TestAbortFreesWithinOneStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop(nullFor(loopConfig, time.Second, nil), loopConfig, Options{})
		s, err := l.Submit(request(4, 100))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Millisecond)
		s.Abort()
		s.Abort()
		time.Sleep(time.Second)
		synctest.Wait()
		if st := l.Stats(); st.BlocksUsed != 0 || st.Running != 0 {
			t.Errorf("one step after the abort: %+v", st)
		}
		if ids, e := collect(t, s); e.Finish != FinishAborted || len(ids) != 3 {
			t.Errorf("%d tokens, then %v", len(ids), e)
		}
		stopNow(t, l)
	})
}

func TestStopDrainsAndThenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop(nullFor(loopConfig, time.Second, nil), loopConfig, Options{})
		short, err := l.Submit(request(4, 3))
		if err != nil {
			t.Fatal(err)
		}
		long, err := l.Submit(request(4, 50))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if err := l.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("Stop took %v", took)
		}
		if _, e := collect(t, short); e.Finish != FinishLength {
			t.Errorf("the short request ended with %+v", e)
		}
		if _, e := collect(t, long); !errors.Is(e.Err, ErrDraining) {
			t.Errorf("the long request ended with %+v", e)
		}
		if _, err := l.Submit(request(4, 3)); !IsRetryable(err) {
			t.Errorf("after Stop: %v", err)
		}
	})
}

func TestOneFailedStepFailsItsRequestsOnly(t *testing.T) {
	l := startLoop(t, loopConfig, 0, func(step int) error {
		if step == 2 {
			return errPlanted
		}
		return nil
	})
	first, err := l.Submit(request(4, 50))
	if err != nil {
		t.Fatal(err)
	}
	if ids, e := collect(t, first); len(ids) != 2 || !errors.Is(e.Err, ErrDevice) ||
		!errors.Is(e.Err, errPlanted) {
		t.Errorf("%d tokens, then %+v", len(ids), e)
	}
	if err := l.Health(); err != nil {
		t.Errorf("one failure: %v", err)
	}
	second, err := l.Submit(request(4, 5))
	if err != nil {
		t.Fatal(err)
	}
	if _, e := collect(t, second); e.Finish != FinishLength {
		t.Errorf("the next request ended with %+v", e)
	}
}

func TestTwoFailuresBreakTheLoop(t *testing.T) {
	l := startLoop(t, loopConfig, 0, func(int) error { return errPlanted })
	for range 2 {
		s, err := l.Submit(request(4, 5))
		if err != nil {
			t.Fatal(err)
		}
		if _, e := collect(t, s); !errors.Is(e.Err, ErrDevice) {
			t.Errorf("ended with %+v", e)
		}
	}
	<-l.done
	if err := l.Health(); !errors.Is(err, ErrDevice) {
		t.Errorf("health: %v", err)
	}
	if _, err := l.Submit(request(4, 5)); !errors.Is(err, ErrDevice) {
		t.Errorf("submit: %v", err)
	}
}

// panicky is an executable with a defect.
type panicky struct{ runtime.Executable }

func (panicky) Step(*runtime.Batch) (runtime.Pending, error) { panic("planted defect") }

func TestPanicInTheDeviceEndsRequestsNotTheProcess(t *testing.T) {
	l := NewLoop(panicky{}, loopConfig, Options{})
	s, err := l.Submit(request(4, 5))
	if err != nil {
		t.Fatal(err)
	}
	if _, e := collect(t, s); !errors.Is(e.Err, ErrDevice) {
		t.Errorf("ended with %+v", e)
	}
	<-l.done
	if l.Health() == nil {
		t.Error("the loop says that it is healthy")
	}
}

// TestStepAllocatesNothing: in the steady state Schedule and Commit use what they have.
func TestStepAllocatesNothing(t *testing.T) {
	c := Config{
		MaxTokens: 64, MaxSeqs: 64, MaxContext: 4096, BlockSize: 16, NumBlocks: 8192,
		MaxWaiting: 100,
	}
	s, b, out := steadyState(t, c, 64)
	if n := testing.AllocsPerRun(100, func() {
		s.Schedule(b)
		s.Commit(out)
	}); n > 0 {
		t.Errorf("%.1f allocations for each step", n)
	}
}

// steadyState is a scheduler with n sequences that generate.
func steadyState(t testing.TB, c Config, n int) (*Scheduler, *runtime.Batch, *runtime.Output) {
	s := newScheduler(c, func(*sequence, Event) {})
	for range n {
		if _, err := s.add(request(1, 0), nil); err != nil {
			t.Fatal(err)
		}
	}
	b := &runtime.Batch{}
	out := &runtime.Output{
		IDs: make([]int32, n), Logprobs: make([]float32, n), TopStart: make([]int32, n+1),
	}
	for range 20 {
		s.Schedule(b)
		s.Commit(out)
	}
	return s, b, out
}
