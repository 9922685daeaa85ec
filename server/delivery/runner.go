package delivery

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"basalt/server/audit"
)

// runner delivers what one configuration asks for. Its goroutine owns what has no other guard.
type runner struct {
	c       *Courier
	scope   string
	path    string // of the state
	log     *zap.Logger
	conf    atomic.Pointer[audit.Configuration] // with a destination
	before  *runner                             // of the same scope, which ends first; may be nil
	changed chan struct{}
	failing atomic.Bool
	waiting atomic.Int64 // since when records wait, in ns; 0: none do

	state state
	retry time.Time     // not before
	wait  time.Duration // after the next failure

	ctx    context.Context // of attempts, until the end is asked for
	cancel context.CancelFunc
	once   sync.Once
	last   func() // the last attempt
	stop   chan struct{}
	done   chan struct{}
}

func (c *Courier) newRunner(scope string, conf *audit.Configuration, before *runner) *runner {
	r := &runner{
		c: c, scope: scope, before: before, changed: make(chan struct{}, 1),
		path: filepath.Join(c.cfg.Log.Dir(), audit.ScopedFile(stateFile, scope)),
		log:  c.cfg.Logger.With(zap.String("scope", scope)), wait: c.waits.firstRetry,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	r.conf.Store(conf)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// change takes another destination.
func (r *runner) change(conf *audit.Configuration) {
	r.conf.Store(conf)
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// end asks the goroutine for a last attempt.
func (r *runner) end(last func()) {
	r.once.Do(func() {
		r.last = last
		r.cancel()
		close(r.stop)
	})
}

// close ends the process's part; another may go on.
func (r *runner) close(ctx context.Context) {
	r.end(func() {
		if err := r.finish(ctx, r.c.cfg.Log.Written()); err != nil {
			r.log.Warn("invocation logs wait for the next start", zap.Error(err))
		}
	})
}

// leave ends the delivery with its configuration: records behind until are not its own.
func (r *runner) leave(until audit.Position) {
	r.end(func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.c.waits.last)
		defer cancel()
		if err := r.finish(ctx, until); err != nil {
			r.log.Error("a log delivery ends with its configuration, and what waited could not be "+
				"delivered; the audit log has it", zap.Error(err),
				zap.Uint64("from", r.state.Done.Record+1), zap.Uint64("to", until.Record))
			r.c.lost.Add(int64(until.Record - min(until.Record, r.state.Done.Record)))
		}
		if err := audit.RemoveState(r.path); err != nil {
			r.log.Error("cannot end a log delivery", zap.Error(err))
		}
	})
}

func (r *runner) finish(ctx context.Context, until audit.Position) error {
	// Where the log is closed, all of it is durable.
	_ = r.c.cfg.Log.Sync()
	if end := r.c.cfg.Log.End(); end.Record < until.Record {
		until = end
	}
	return r.deliver(ctx, until)
}

// run delivers until the end is asked for.
func (r *runner) run() {
	defer close(r.done)
	if r.before != nil {
		<-r.before.done
		r.before = nil
	}
	r.open()
	tick := time.NewTicker(r.c.waits.tick)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			r.last()
			return
		case <-r.changed:
			r.retry, r.wait = time.Time{}, r.c.waits.firstRetry
		case <-tick.C:
		}
		r.look(time.Now())
	}
}

// look delivers if it is time to.
func (r *runner) look(now time.Time) {
	end := r.c.cfg.Log.End()
	if r.state.Plan == nil && end.Record <= r.state.Done.Record {
		r.waiting.Store(0)
		return
	}
	if r.waiting.Load() == 0 {
		r.waiting.Store(now.UnixNano())
	}
	if now.Before(r.retry) || !r.due(now, &end) {
		return
	}
	err := r.deliver(r.ctx, end)
	switch {
	case err == nil:
		r.waiting.Store(0)
		r.mended()
	case r.ctx.Err() == nil:
		r.failed(now, err)
	}
}

// due says that records have waited long enough, or that enough of them wait.
func (r *runner) due(now time.Time, end *audit.Position) bool {
	done := &r.state.Done
	return r.state.Plan != nil || now.UnixNano()-r.waiting.Load() >= int64(r.c.cfg.Every) ||
		end.File != done.File || end.Offset-done.Offset >= int64(r.c.cfg.MaxBytes)
}

func (r *runner) failed(now time.Time, err error) {
	if !r.failing.Swap(true) {
		r.log.Error("cannot deliver invocation logs; they wait in the audit log", zap.Error(err),
			zap.Uint64("behind", r.state.Done.Record))
	}
	r.retry = now.Add(r.wait)
	r.wait = min(2*r.wait, r.c.waits.most)
}

func (r *runner) mended() {
	r.retry, r.wait = time.Time{}, r.c.waits.firstRetry
	if r.failing.Swap(false) {
		r.log.Info("invocation logs can be delivered again")
	}
}
