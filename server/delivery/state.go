package delivery

import (
	"errors"
	"fmt"
	"io/fs"

	"go.uber.org/zap"

	"basalt/server/audit"
)

// stateFile is the first part of the names of files beside the log that hold a state.
const stateFile = "courier"

// state is how far a runner has come. It is written before and after objects are.
type state struct {
	Since audit.Position `json:"since"` // which configuration it belongs to
	Done  audit.Position `json:"done"`  // all before is delivered
	Plan  *plan          `json:"plan,omitempty"`
}

// plan is what is being delivered: the records from Done to To. Its objects follow from these
// alone, so that whoever finds a plan can carry it out again without harm.
type plan struct {
	To    audit.Position `json:"to"`
	Owner string         `json:"owner"`
	S3    audit.S3       `json:"s3Config"`
}

// open takes up what an earlier process left.
func (r *runner) open() {
	since := r.conf.Load().Since
	fresh := state{Since: since, Done: since}
	err := audit.ReadState(r.path, &r.state)
	switch {
	case err == nil && r.state.Since == since:
	case err == nil:
		r.log.Warn("an earlier log delivery ended with its configuration; invocations from here "+
			"to the next configuration may not be delivered",
			zap.Uint64("record", r.state.Done.Record), zap.Uint64("next", since.Record))
		r.state = fresh
	case errors.Is(err, fs.ErrNotExist):
		r.state = fresh
	default:
		r.log.Error("cannot read how far a log delivery came; it begins again", zap.Error(err))
		r.state = fresh
	}
	r.mend()
}

// mend takes up another log, or one that lost its end, where the state's was.
func (r *runner) mend() {
	end, done := r.c.cfg.Log.Written(), r.state.Done
	switch {
	case done.Log != end.Log:
		r.log.Error("the audit log is not the one that was delivered; delivery begins at its "+
			"first record", zap.String("log", end.Log), zap.String("delivered", done.Log))
		r.state.Done, r.state.Plan = audit.Position{Log: end.Log}, nil
	case done.Record > end.Record:
		r.log.Error("the audit log has lost records at its end that were delivered",
			zap.Uint64("record", end.Record), zap.Uint64("delivered", done.Record))
		r.state.Done, r.state.Plan = end, nil
	case r.state.Plan != nil && r.state.Plan.To.Record > end.Record:
		r.log.Error("the audit log has lost records at its end that may be delivered",
			zap.Uint64("record", end.Record), zap.Uint64("planned", r.state.Plan.To.Record))
		r.state.Plan = nil
	}
}

func (r *runner) save() error {
	if err := audit.WriteState(r.path, &r.state); err != nil {
		return fmt.Errorf("cannot remember how far a log delivery came: %w", err)
	}
	return nil
}
