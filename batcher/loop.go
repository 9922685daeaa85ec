package batcher

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"basalt/runtime"
)

// Options are settings and hooks of a loop; the zero value has none.
type Options struct {
	// Ahead prepares each step while the one before it runs, so that the device waits for a few
	// copies only between steps. The tokens are the same. It pays where steps are short and the
	// host is idle meanwhile; its price is one wasted row for a sequence that ends by a stop id,
	// and a step more until a new prompt begins.
	Ahead bool
	// Stepped, when set, is called by the loop's goroutine after each step with its numbers of
	// tokens and sampled rows. It must be quick.
	Stepped func(tokens, sampled int)
	// Now is the clock that steps are measured with; without one, Config.StepTime is ignored.
	Now func() time.Time
}

// Loop serves requests on one executable. All methods are safe for concurrent use.
type Loop struct {
	cfg    Config
	opts   Options
	in     *intake
	stats  counters
	killed atomic.Bool // the drain's deadline has passed
	done   chan struct{}
	cut    int // sequences that the deadline ended; to be read after done

	// Everything below belongs to the loop's goroutine.
	exec             runtime.Executable
	sched            *Scheduler
	batch            runtime.Batch
	flight           flight
	phases           phases
	kept             runtime.Output // of a step whose successor has started
	live             []*Stream      // without their last event, in no order
	arrivals, aborts []*Stream
	failures         int // steps that failed in a row
}

// flight is the step that the device works on.
type flight struct {
	pending         runtime.Pending // nil when there is none
	tokens, sampled int
	phase           context.Context // its label in profiles
	start           time.Time       // zero without a clock
}

// NewLoop starts the goroutine that owns exec until Stop has returned. A configuration that
// Config.Check refuses is a defect.
func NewLoop(exec runtime.Executable, cfg Config, o Options) *Loop {
	l := newLoop(exec, cfg, o)
	go l.run()
	return l
}

func newLoop(exec runtime.Executable, cfg Config, o Options) *Loop {
	if x, ok := exec.(interface{ StepShape() runtime.StepShape }); ok {
		cfg.Steps = x.StepShape()
	}
	if o.Now == nil {
		cfg.StepTime = 0
	}
	l := &Loop{
		cfg: cfg, opts: o, in: newIntake(), exec: exec, sched: NewScheduler(cfg),
		done: make(chan struct{}), phases: newPhases(),
	}
	l.stats.blocksTotal.Store(int64(cfg.NumBlocks))
	return l
}

// Submit queues a request. It fails at once with *TooLongError or *InvalidError when the request
// can never run, with ErrQueueFull or ErrDraining, or with an error that wraps ErrDevice when the
// device is broken.
func (l *Loop) Submit(r *Request) (*Stream, error) {
	if err := l.cfg.admissible(r); err != nil {
		return nil, err
	}
	s := newStream(l, r)
	if err := l.in.submit(s, l.cfg.MaxWaiting); err != nil {
		return nil, err
	}
	return s, nil
}

// Health is nil while the loop can serve.
func (l *Loop) Health() error { return l.in.health() }

// Config gives the sizes that the loop was made with.
func (l *Loop) Config() Config { return l.cfg }

// Stop drains: nothing new is accepted and what waits or runs goes on until it ends. When ctx ends
// first, the rest ends with ErrDraining after the step in flight, and Stop says how many. The
// executable is free when Stop has returned.
func (l *Loop) Stop(ctx context.Context) error {
	l.in.close()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
	}
	l.killed.Store(true)
	l.in.ring()
	<-l.done
	if l.cut > 0 {
		return fmt.Errorf("%d sequences were cut short: %w", l.cut, context.Cause(ctx))
	}
	return nil
}

// run cycles until it drains or breaks. A panic, of whatever it calls, ends the loop like a broken
// device: every stream gets its last event, and Health says why.
func (l *Loop) run() {
	defer close(l.done)
	defer func() {
		if cause := recover(); cause != nil {
			l.abandon(fmt.Errorf("%w: BUG: %v\n%s", ErrDevice, cause, debug.Stack()))
		}
	}()
	for l.cycle() {
	}
}

// cycle brings one step to its end, or one on its way, or both when steps are prepared ahead. False
// ends the loop.
func (l *Loop) cycle() bool {
	pprof.SetGoroutineLabels(l.phases.schedule)
	l.admit()
	if l.killed.Load() {
		l.cut = l.end(ErrDraining)
		return false
	}
	prepared := (l.flight.pending == nil || l.opts.Ahead) && l.sched.Schedule(&l.batch)
	l.greet()
	l.publish()
	if l.flight.pending == nil && !prepared {
		return l.rest()
	}
	done := l.flight
	out, err := l.wait(prepared)
	if err != nil {
		return l.stepFailed(err)
	}
	if prepared {
		err = l.launch()
	}
	if out != nil {
		l.commit(out, done)
	}
	if err != nil {
		return l.stepFailed(err)
	}
	return true
}

// launch starts the prepared step.
func (l *Loop) launch() error {
	phase := l.phases.of(&l.batch)
	pprof.SetGoroutineLabels(phase)
	start := l.now()
	pending, err := l.exec.Step(&l.batch)
	if err != nil {
		return err
	}
	l.flight = flight{pending, l.batch.NumTokens(), len(l.batch.SampleRows), phase, start}
	return nil
}

func (l *Loop) now() (t time.Time) {
	if l.opts.Now != nil {
		t = l.opts.Now()
	}
	return t
}

// wait gives the output of the step in flight, or nil when there is none. It is copied when another
// step starts before it is committed.
func (l *Loop) wait(another bool) (*runtime.Output, error) {
	if l.flight.pending == nil {
		return nil, nil
	}
	pending := l.flight.pending
	pprof.SetGoroutineLabels(l.flight.phase)
	start := l.flight.start
	l.flight = flight{}
	out, err := pending.Wait()
	if err != nil {
		return nil, err
	}
	if err := l.sched.checkOutput(out); err != nil {
		return nil, err
	}
	if l.opts.Now != nil {
		l.sched.Took(l.opts.Now().Sub(start))
	}
	l.admit() // what was aborted meanwhile gets no token any more
	if another {
		l.keep(out)
		out = &l.kept
	}
	return out, nil
}

func (l *Loop) keep(out *runtime.Output) {
	k := &l.kept
	k.IDs = append(k.IDs[:0], out.IDs...)
	k.Logprobs = append(k.Logprobs[:0], out.Logprobs...)
	k.TopIDs = append(k.TopIDs[:0], out.TopIDs...)
	k.TopLogprobs = append(k.TopLogprobs[:0], out.TopLogprobs...)
	k.TopStart = append(k.TopStart[:0], out.TopStart...)
}

func (l *Loop) commit(out *runtime.Output, f flight) {
	pprof.SetGoroutineLabels(l.phases.sample)
	l.failures = 0
	l.stats.steps.Add(1)
	l.stats.stepTokens.Add(int64(f.tokens))
	l.deliver(l.sched.Commit(out))
	if l.opts.Stepped != nil {
		l.opts.Stepped(f.tokens, f.sampled)
	}
}

// rest waits for work; false when the loop drains and nothing is left.
func (l *Loop) rest() bool {
	if !l.sched.Idle() || !l.sched.atRest() {
		panic("BUG: sequences wait or hold blocks, and no step can be scheduled")
	}
	if l.in.drained() {
		return false
	}
	<-l.in.wake
	return true
}

// stepFailed ends the sequences of the oldest step. A second failure in a row breaks the loop, and
// so does an error with a method Broken() bool that says true.
func (l *Loop) stepFailed(err error) bool {
	var b interface{ Broken() bool }
	broken := errors.As(err, &b) && b.Broken()
	err = fmt.Errorf("%w: %w", ErrDevice, err)
	l.stats.failures.Add(1)
	if l.failures++; broken || l.failures >= maxFailures {
		l.end(err) // refuses what comes before anybody hears of the failure and asks again
		return false
	}
	l.deliver(l.sched.Fail(err))
	return true
}

// maxFailures is how many steps may fail in a row before the device counts as broken.
const maxFailures = 2

// end ends everything that the loop knows of with err, says how many, and refuses what comes.
func (l *Loop) end(err error) int {
	l.land()
	for _, s := range l.in.breakDown(err) {
		l.enlist(s)
	}
	n := len(l.live)
	l.deliver(l.sched.FailAll(err))
	l.endLive(err)
	return n
}

// land waits for the step in flight and drops its output: the executable must be free when the loop
// has ended.
func (l *Loop) land() {
	if pending := l.flight.pending; pending != nil {
		l.flight = flight{}
		_, _ = pending.Wait()
	}
}

// abandon is end after a panic, when nothing but the list of streams is trusted.
func (l *Loop) abandon(err error) {
	for _, s := range l.in.breakDown(err) {
		l.enlist(s)
	}
	l.endLive(err)
	defer func() { _ = recover() }() // the device's second panic says nothing new
	l.land()
}

func (l *Loop) endLive(err error) {
	for len(l.live) > 0 {
		s := l.live[0]
		l.delist(s)
		l.stats.finished.Add(1)
		s.push(Event{
			Token: -1, Finish: FinishError, Err: err, PromptTokens: int32(len(s.req.Prompt)),
		})
	}
}
