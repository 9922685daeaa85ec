package batcher

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"basalt/runtime"
)

func TestOneFailedStepFailsItsRequestsOnly(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		l := startLoop(t, loopConfig, o, func(step int) error {
			if step == 2 {
				return errPlanted
			}
			return nil
		})
		ids, e := collect(t, submit(t, l, request(4, 50)))
		if len(ids) != 2 || e.Finish != FinishError || !errors.Is(e.Err, ErrDevice) ||
			!errors.Is(e.Err, errPlanted) || !IsRetryable(e.Err) {
			t.Errorf("%d tokens, then %+v", len(ids), e)
		}
		if err := l.Health(); err != nil {
			t.Errorf("one failure: %v", err)
		}
		if _, e := collect(t, submit(t, l, request(4, 5))); e.Finish != FinishLength {
			t.Errorf("the next request ended with %+v", e)
		}
		waitIdle(t, l)
		if n := l.Stats().FailedSteps; n != 1 {
			t.Errorf("%d failed steps", n)
		}
	})
}

// faulty fails steps when their results are waited for.
type faulty struct {
	runtime.Executable
	step int
	fail func(step int) error
}

func (x *faulty) Step(b *runtime.Batch) (runtime.Pending, error) {
	p, err := x.Executable.Step(b)
	x.step++
	return failing{p, x.fail(x.step - 1)}, err
}

type failing struct {
	runtime.Pending
	err error
}

func (p failing) Wait() (*runtime.Output, error) {
	out, err := p.Pending.Wait()
	return out, errors.Join(err, p.err)
}

// TestFailureWhileTheNextStepIsPrepared: the sequences of the failed step end, those of the
// prepared one go on as if nothing had been.
func TestFailureWhileTheNextStepIsPrepared(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		c := loopConfig
		c.MaxSeqs, c.MaxTokens = 2, 2
		var l *Loop
		var late *Stream
		x := &faulty{Executable: nullFor(c, 0, nil), fail: func(step int) error {
			if step == 3 { // the loop's goroutine is about to prepare the next step
				late = submit(t, l, request(6, 4))
				return errPlanted
			}
			return nil
		}}
		l = newLoop(x, c, o)
		first := submit(t, l, request(1, 50))
		for l.cycle(); !l.sched.Idle() || l.flight.pending != nil; l.cycle() {
		}
		if ids, e := collect(t, first); len(ids) != 3 || !errors.Is(e.Err, errPlanted) {
			t.Errorf("%d tokens, then %+v", len(ids), e)
		}
		got, e := collect(t, late)
		if want := alone(t, c, late.req); len(got) != 4 || e.Finish != FinishLength ||
			got[3] != want[3] {
			t.Errorf("got %v, then %+v; alone %v", got, e, want)
		}
	})
}

func TestTwoFailuresBreakTheLoop(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		l := startLoop(t, loopConfig, o, func(int) error { return errPlanted })
		for range 2 {
			if _, e := collect(t, submit(t, l, request(4, 5))); !errors.Is(e.Err, ErrDevice) {
				t.Errorf("ended with %+v", e)
			}
		}
		checkBroken(t, l)
	})
}

// checkBroken: a broken loop refuses at once.
func checkBroken(t *testing.T, l *Loop) {
	t.Helper()
	<-l.done
	if err := l.Health(); !errors.Is(err, ErrDevice) {
		t.Errorf("health: %v", err)
	}
	if _, err := l.Submit(request(4, 5)); !errors.Is(err, ErrDevice) || !IsRetryable(err) {
		t.Errorf("submit: %v", err)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestFailuresWithASuccessBetweenDoNot(t *testing.T) {
	l := startLoop(t, loopConfig, Options{}, func(step int) error {
		if step%3 == 2 {
			return errPlanted
		}
		return nil
	})
	for range 10 {
		collect(t, submit(t, l, request(4, 2)))
	}
	if err := l.Health(); err != nil {
		t.Error(err)
	}
}

// lost is an error of a device that knows that it will not recover.
type lost struct{}

func (lost) Error() string { return "fallen off the bus" }
func (lost) Broken() bool  { return true }

func TestADeviceMaySayThatItIsBroken(t *testing.T) {
	l := startLoop(t, loopConfig, Options{}, func(int) error { return lost{} })
	if _, e := collect(t, submit(t, l, request(4, 5))); !errors.As(e.Err, new(lost)) {
		t.Errorf("ended with %+v", e)
	}
	checkBroken(t, l)
}

// lying gives outputs that are not answers.
type lying struct {
	runtime.Executable
	change func(*runtime.Output)
}

func (x lying) Step(b *runtime.Batch) (runtime.Pending, error) {
	p, err := x.Executable.Step(b)
	return lie{p, x.change}, err
}

type lie struct {
	runtime.Pending
	change func(*runtime.Output)
}

func (p lie) Wait() (*runtime.Output, error) {
	out, err := p.Pending.Wait()
	changed := *out
	p.change(&changed)
	return &changed, err
}

func TestImpossibleOutputsAreFailures(t *testing.T) {
	f := func(want string, change func(*runtime.Output)) {
		t.Helper()
		l := NewLoop(lying{nullFor(loopConfig, 0, nil), change}, loopConfig, Options{})
		defer stopNow(l)
		_, e := collect(t, submit(t, l, request(4, 5)))
		if !errors.Is(e.Err, ErrDevice) || !strings.Contains(e.Err.Error(), want) {
			t.Errorf("ended with %+v, want %q", e, want)
		}
	}
	f("2 ids", func(o *runtime.Output) { o.IDs = []int32{1, 2} })
	f("0 log-probabilities", func(o *runtime.Output) { o.Logprobs = nil })
	f("1 bounds", func(o *runtime.Output) { o.TopStart = o.TopStart[:1] })
	f("id -1 in row 0", func(o *runtime.Output) { o.IDs = []int32{-1} })
	f("id 50 in row 0; the vocabulary has 50", func(o *runtime.Output) { o.IDs = []int32{50} })
	f("[0, 3) in row 0 do not exist", func(o *runtime.Output) { o.TopStart = []int32{0, 3} })
}

// panicky is an executable with a defect.
type panicky struct {
	runtime.Executable
	steps int // that go well before
}

func (x *panicky) Step(b *runtime.Batch) (runtime.Pending, error) {
	if x.steps--; x.steps < 0 {
		panic("planted defect")
	}
	return x.Executable.Step(b)
}

// TestPanicEndsRequestsNotTheProcess: whoever runs, waits, or has just come gets a last event.
func TestPanicEndsRequestsNotTheProcess(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		c := loopConfig
		c.MaxSeqs, c.MaxWaiting = 2, 100
		l := NewLoop(&panicky{nullFor(c, 0, nil), 5}, c, o)
		var wg sync.WaitGroup
		for range 20 {
			s, err := l.Submit(request(4, 50))
			if err != nil {
				continue // it has broken already
			}
			wg.Go(func() {
				if _, e := collect(t, s); !errors.Is(e.Err, ErrDevice) ||
					!strings.Contains(e.Err.Error(), "planted defect") {
					t.Errorf("ended with %+v", e)
				}
			})
		}
		wg.Wait()
		checkBroken(t, l)
	})
}

func TestPanicOfAHookIsSeen(t *testing.T) {
	o := Options{Stepped: func(int, int) { panic("planted in the hook") }, Ahead: true}
	l := NewLoop(nullFor(loopConfig, 0, nil), loopConfig, o)
	collect(t, submit(t, l, request(4, 50)))
	checkBroken(t, l)
}
