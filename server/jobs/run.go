package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"
)

// Failure is an error after which a job cannot go on. Its message is the client's to read.
type Failure struct {
	Message string
	Faults  []Fault
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Message == "" && len(f.Faults) > 0 {
		return f.Faults[0].Message
	}
	return f.Message
}

func failure(format string, args ...any) error {
	return &Failure{Message: fmt.Sprintf(format, args...)}
}

var (
	errStopped = errors.New("the job was stopped")
	errExpired = errors.New("the job's time is over")
)

// run is a job while it runs. It belongs to one goroutine; records are done by others.
type run struct {
	s      *Store
	j      *Job
	ctx    context.Context // ends when the job is to
	cancel context.CancelCauseFunc
	in     *input
	rs     *results
}

func newRun(s *Store, j *Job) *run {
	r := &run{s: s, j: j}
	r.ctx, r.cancel = context.WithCancelCause(s.ctx)
	if !j.State().Stop.IsZero() {
		r.cancel(errStopped)
	}
	return r
}

func (r *run) path(name string) string { return r.s.path(jobsFolder, r.j.ID, name) }

// run does what is left of the job. Its panic would end every other job and the server with it.
func (r *run) run() {
	ctx, cancel := context.WithDeadlineCause(r.ctx, r.j.Expires, errExpired)
	defer cancel()
	err := r.guard(func() error { return r.work(ctx) })
	if !errors.Is(err, errClosing) && r.s.ctx.Err() == nil {
		err = r.guard(func() error { return r.finish(err) })
	} else if r.rs != nil {
		// For those who ask before the job goes on; the results themselves are what counts.
		_ = r.j.change(r.s.cfg.Now(), func(st *State) { st.Counts = r.rs.counts })
	}
	err = errors.Join(err, r.in.close(), r.rs.close())
	if r.j.State().Status.Final() {
		err = errors.Join(err, r.j.journal.close())
	}
	if r.s.ctx.Err() == nil && err != nil {
		r.report("a job did not end as it should", err)
	}
}

func (r *run) guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic of type %T\n%s", v, debug.Stack())
		}
	}()
	return f()
}

func (r *run) report(what string, err error) { r.s.cfg.Work.Report(r.j, what, err) }

func (r *run) work(ctx context.Context) error {
	if r.j.State().Parts == nil {
		if err := r.fetch(ctx); err != nil {
			return err
		}
	}
	err := r.try(ctx, "a job's files cannot be read", func() error { return r.open(ctx) })
	// A job that is to end needs them to give out what it has.
	if r.rs == nil && context.Cause(ctx) != nil && r.j.State().Valid {
		err = r.open(r.s.ctx)
	}
	if err != nil {
		return err
	}
	return r.process(ctx)
}

// fetch makes the job's own copy of its input, which nobody changes.
func (r *run) fetch(ctx context.Context) error {
	err := r.change(ctx, func(st *State) { st.Status = Validating })
	if err != nil {
		return err
	}
	var parts []Part
	err = r.try(ctx, "the input cannot be read", func() error {
		err := writeDurably(r.path(inputFile), func(f *os.File) (err error) {
			w := &limited{w: f, left: r.s.cfg.MaxInput, most: r.s.cfg.MaxInput}
			parts, err = r.s.cfg.Work.Fetch(ctx, r.j, w)
			return err
		})
		if err != nil {
			return err
		}
		return syncFolder(r.path(""))
	})
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return failure("the input has no records")
	}
	return r.change(ctx, func(st *State) { st.Parts = parts })
}

// change makes a new state known, as soon as that can be.
func (r *run) change(ctx context.Context, edit func(*State)) error {
	return r.try(ctx, "a job's state cannot be kept", func() error {
		return r.j.change(r.s.cfg.Now(), edit)
	})
}

// limited refuses more than so many bytes.
type limited struct {
	w          io.Writer
	left, most int64
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, failure("the input has more than %d bytes", l.most)
	}
	return l.w.Write(p)
}

// open finds the records and what is known of them. The first time it also looks whether they are
// what they should be.
func (r *run) open(ctx context.Context) error {
	st := r.j.State()
	parts := append([]Part(nil), st.Parts...)
	var check func(int, []byte) error
	if !st.Valid {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		check = r.s.cfg.Work.Checker(r.j)
	}
	most := limits{r.s.cfg.MaxRecords, r.s.cfg.MaxLine}
	in, err := openInput(r.path(inputFile), parts, most, check)
	if err != nil {
		return err
	}
	if len(in.lines) == 0 {
		return errors.Join(failure("the input has no records"), in.close())
	}
	rs, err := openResults(r.path(resultsFile), len(in.lines))
	if err == nil {
		err = syncFolder(r.path(""))
	}
	if err != nil {
		return errors.Join(err, in.close(), rs.close())
	}
	r.in, r.rs = in, rs
	return r.change(r.s.ctx, func(st *State) {
		st.Parts, st.Valid, st.Counts, st.Message = parts, true, rs.counts, ""
		if st.Stop.IsZero() {
			st.Status = InProgress
		}
		if st.Begun.IsZero() {
			st.Begun = r.s.cfg.Now()
		}
	})
}

// longestWait is between two attempts at what does not succeed.
const longestWait = 30 * time.Second

// try calls f until it succeeds or fails for good, or ctx ends.
func (r *run) try(ctx context.Context, what string, f func() error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, longestWait) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		err := f()
		var failed *Failure
		if err == nil || errors.As(err, &failed) {
			return err
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		r.report(what, err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// finish gives out what there is and ends the job.
func (r *run) finish(cause error) error {
	var failed *Failure
	status, message := Failed, ""
	var faults []Fault
	switch {
	case cause == nil:
		status = Completed
	case errors.Is(cause, errStopped):
		status = Stopped
	case errors.Is(cause, errExpired):
		status, message = r.expired()
	case errors.As(cause, &failed):
		message, faults = failed.Error(), failed.Faults
	default:
		r.report("a job failed", cause)
		message = "the server could not do the job; its log says why"
	}
	outputs, err := r.deliver()
	delivered := err == nil
	if errors.As(err, &failed) {
		status, message = Failed, failed.Error()
	} else if err != nil {
		return err
	}
	err = r.change(r.s.ctx, func(st *State) {
		st.Status, st.Message, st.Faults, st.Outputs = status, message, faults, outputs
		st.Ended = r.s.cfg.Now()
		if r.rs != nil {
			st.Counts = r.rs.counts
		}
	})
	if err != nil || !delivered {
		return err
	}
	return r.clear()
}

func (r *run) expired() (Status, string) {
	const message = "the time was over before all records were done"
	if r.rs != nil && r.rs.counts.Processed() > 0 {
		return Partial, message
	}
	return Expired, message
}

func (r *run) deliver() ([]string, error) {
	if r.rs == nil || r.in == nil {
		return nil, nil
	}
	err := r.change(r.s.ctx, func(st *State) {
		st.Counts, st.Written = r.rs.counts, r.s.cfg.Now()
		if st.Stop.IsZero() {
			st.Status = Finalizing
		}
	})
	if err != nil {
		return nil, err
	}
	o := &Outcome{
		Parts: r.j.State().Parts, Counts: r.rs.counts, dir: r.path(""), in: r.in, rs: r.rs,
	}
	var outputs []string
	// The job's own time does not count: its results are there and only their place is not.
	ctx, cancel := context.WithTimeoutCause(r.s.ctx, r.s.cfg.Keep,
		failure("the results could not be written; the server's log says why"))
	defer cancel()
	err = r.try(ctx, "the results cannot be written", func() (err error) {
		outputs, err = r.s.cfg.Work.Deliver(ctx, r.j, o)
		return err
	})
	return outputs, err
}

// clear removes the job's copies of input and results, which it never needs again.
func (r *run) clear() error {
	var errs []error
	for _, name := range []string{inputFile, resultsFile} {
		if err := os.Remove(r.path(name)); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
