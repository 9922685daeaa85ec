package batcher

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"basalt/runtime"
)

// Options are hooks of a loop; the zero value has none.
type Options struct {
	// Stepped, when set, is called by the loop's goroutine after each step with its numbers of
	// tokens and sampled rows. It must be quick.
	Stepped func(tokens, sampled int)
}

// Loop serves requests on one executable. All methods are safe for concurrent use.
type Loop struct {
	cfg    Config
	opts   Options
	in     *intake
	stats  counters
	killed atomic.Bool // the drain's deadline has passed
	done   chan struct{}

	// Everything below belongs to the loop's goroutine.
	exec             runtime.Executable
	sched            *Scheduler
	batch            runtime.Batch
	arrivals, aborts []*Stream
	failures         int // steps that failed in a row
}

// maxFailures is how many steps may fail in a row before the device counts as broken.
const maxFailures = 2

// NewLoop starts the goroutine that owns exec until Stop has returned.
func NewLoop(exec runtime.Executable, cfg Config, o Options) *Loop {
	l := &Loop{cfg: cfg, opts: o, in: newIntake(), exec: exec, done: make(chan struct{})}
	l.sched = newScheduler(cfg, func(q *sequence, e Event) { q.stream.push(e) })
	l.stats.blocksTotal.Store(int64(cfg.NumBlocks))
	go l.run()
	return l
}

// Submit queues a request. It fails at once with ErrQueueFull, ErrDraining, *TooLongError, or an
// error that wraps ErrDevice when the device is broken.
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

func (l *Loop) abort(s *Stream) { l.in.abort(s) }

// Health is nil while the loop can serve.
func (l *Loop) Health() error { return l.in.health() }

// Config gives the sizes that the loop was made with.
func (l *Loop) Config() Config { return l.cfg }

// Stop drains: nothing new is accepted and what runs goes on until it ends or ctx does; then it
// ends with ErrDraining. The executable is free when Stop has returned.
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
	return nil
}

func (l *Loop) run() {
	defer close(l.done)
	defer func() {
		if cause := recover(); cause != nil {
			err := fmt.Errorf("%w: BUG: %v\n%s", ErrDevice, cause, debug.Stack())
			l.refuse(err)
			l.sched.abandon(err)
		}
	}()
	for l.cycle() {
	}
}

// cycle admits and steps once; false ends the loop.
func (l *Loop) cycle() bool {
	l.admit()
	if l.killed.Load() {
		l.breakDown(ErrDraining)
		return false
	}
	if !l.sched.Schedule(&l.batch) {
		return l.rest()
	}
	l.publish()
	tokens, sampled := l.batch.NumTokens(), len(l.batch.SampleRows)
	out, err := l.step()
	if err != nil {
		return l.stepFailed(err)
	}
	l.failures = 0
	l.sched.Commit(out)
	l.stats.steps.Add(1)
	l.stats.stepTokens.Add(int64(tokens))
	l.stats.generated.Add(int64(sampled))
	if l.opts.Stepped != nil {
		l.opts.Stepped(tokens, sampled)
	}
	l.publish()
	return true
}

// step computes; arrivals are admitted while the device works.
func (l *Loop) step() (*runtime.Output, error) {
	pending, err := l.exec.Step(&l.batch)
	if err != nil {
		return nil, err
	}
	l.admit()
	out, err := pending.Wait()
	l.admit() // what was aborted meanwhile gets no token any more
	return out, err
}

// rest waits for work; false when the loop drains and nothing is left.
func (l *Loop) rest() bool {
	l.publish()
	if l.drained() {
		return false
	}
	<-l.in.wake
	return true
}

func (l *Loop) drained() bool {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	return l.in.draining && l.sched.idle() && len(l.in.arrivals) == 0
}

// stepFailed ends the sequences of the step; a second failure in a row breaks the loop.
func (l *Loop) stepFailed(err error) bool {
	err = fmt.Errorf("%w: %w", ErrDevice, err)
	l.sched.Fail(err)
	l.stats.failures.Add(1)
	if l.failures++; l.failures >= maxFailures {
		l.breakDown(err)
		return false
	}
	l.publish()
	return true
}

// refuse ends what has not been admitted with err, and everything that comes after.
func (l *Loop) refuse(err error) {
	for _, s := range l.in.breakDown(err) {
		s.push(Event{Token: -1, Finish: FinishError, Err: err})
	}
}

// breakDown ends everything that the loop knows of with err.
func (l *Loop) breakDown(err error) {
	l.refuse(err)
	if l.sched.inFlight {
		l.sched.Fail(err)
	}
	l.sched.failAll(err)
	l.publish()
}

// admit takes over what others left: arrivals, then aborts, which may be of the same requests.
func (l *Loop) admit() {
	l.arrivals, l.aborts = l.in.drain(l.arrivals, l.aborts)
	for _, s := range l.arrivals {
		q, err := l.sched.add(s.req, s)
		if err != nil {
			s.push(Event{Token: -1, Finish: FinishError, Err: err})
			continue
		}
		s.seq = q
		l.stats.promptTokens.Add(int64(len(s.req.Prompt)))
	}
	for _, s := range l.aborts {
		if s.seq != nil {
			l.sched.abort(s.seq)
		}
	}
	clear(l.arrivals)
	clear(l.aborts)
}

func (l *Loop) publish() {
	l.in.publish(len(l.sched.waiting))
	l.stats.running.Store(int64(len(l.sched.running)))
	l.stats.waiting.Store(int64(len(l.sched.waiting)))
	l.stats.blocksUsed.Store(int64(l.sched.pool.size() - l.sched.pool.numFree()))
	l.stats.preemptions.Store(int64(l.sched.preempts))
}

// IsRetryable says whether the same request may succeed later.
func IsRetryable(err error) bool {
	return errors.Is(err, ErrQueueFull) || errors.Is(err, ErrDraining) || errors.Is(err, ErrDevice)
}
