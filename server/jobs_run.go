package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"basalt/server/api"
	"basalt/server/bedrock"
	"basalt/server/identity"
	"basalt/server/jobs"
)

// beginRecord takes room for a record, only where the model has nothing else to do with it. A
// quarter of its sequences and of its cache stays free for who comes next.
func (s *Server) beginRecord(j *jobs.Job) (end func(), ok bool) {
	m := s.modelOf(j.Model)
	if m == nil || m.Loop.Health() != nil || s.draining.Load() || s.auditable() != nil {
		return nil, false
	}
	b := s.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	st, cfg := m.Loop.Stats(), m.Loop.Config()
	own := b.flying[m]
	// The loop's numbers are those of its last step: what began since is not in them.
	others := max(0, st.Running+st.Waiting-own)
	if others+own >= cfg.MaxSeqs-cfg.MaxSeqs/4 || 4*st.BlocksUsed > 3*st.BlocksTotal {
		return nil, false
	}
	b.flying[m]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.flying[m]--
	}, true
}

// jobPrincipal is who asked for a job, as the policy is now, with the lowest priority there is. The
// limits of the policy hold for jobs once more: they would be taken away from the requests that
// somebody waits for otherwise.
func (s *Server) jobPrincipal(j *jobs.Job) (*identity.Principal, error) {
	who := s.local
	if s.cfg.Auth == AuthKeys {
		var err *api.Error
		if who, err = s.cfg.Identity.Named(j.Principal, ""); err != nil {
			return nil, &jobs.Failure{Message: err.Message}
		}
	}
	if who.Name != j.Principal || who.Tenant != j.Tenant {
		return nil, &jobs.Failure{Message: "who asked for the job is not of its tenant any more"}
	}
	last, grant := *who, *who.Grant
	grant.Priority += jobPriority
	last.Grant, last.Account = &grant, who.Name+" by jobs"
	return &last, nil
}

// maxAttempts is how often a record may meet a device that fails: it may be the reason. maxAway is
// how often it may meet a store that does not answer, with up to 5 s between.
const (
	maxAttempts = 5
	maxAway     = 60
)

// doRecord does one record of a job. It is the panic boundary of what a record can cause.
func (s *Server) doRecord(ctx context.Context, j *jobs.Job, record, attempt int, line []byte) (
	res jobs.Result, err error,
) {
	defer func() {
		if v := recover(); v != nil {
			r := &request{id: j.ID}
			s.logPanic(r, v)
			res, err = jobs.Result{Body: s.recordError(j, r, internalError())}, nil
		}
	}()
	who, err := s.jobPrincipal(j)
	if err != nil {
		return jobs.Result{}, err
	}
	op, body := s.recordOperation(j, line)
	if !who.Grant.MayDo(op.action, true) {
		return jobs.Result{}, &jobs.Failure{
			Message: fmt.Sprintf("%s may not do this any more (%s)", who.Name, op.action),
		}
	}
	r := s.recordRequest(ctx, j, record, who, op)
	defer r.cancel(nil)
	r.body = body
	p := s.generate(r, op)
	return s.recordResult(ctx, j, r, &p, attempt)
}

// recordOperation is what is done with a record. Streams have no place in a line.
func (s *Server) recordOperation(j *jobs.Job, line []byte) (*operation, []byte) {
	var op operation
	var body []byte
	if j.Kind == jobs.Batch {
		op, body = endpointOperations()[j.Operation], batchBody(line)
	} else {
		op = invoke(j.Model, false)
		if j.Operation == "Converse" {
			op = converse(j.Model, false)
		}
		record, _ := bedrock.DecodeRecord(line)
		body = record.Input
	}
	decode := op.decode
	op.decode = func(s *Server, r *request) (*api.Request, api.Codec, *api.Error) {
		req, codec, err := decode(s, r)
		if err == nil && req.Stream {
			err = api.FieldError("stream", "stream must be false in a batch")
		}
		return req, codec, err
	}
	return &op, body
}

// recordRequest makes the request that a record is.
func (s *Server) recordRequest(ctx context.Context, j *jobs.Job, record int,
	who *identity.Principal, op *operation,
) *request {
	r := &request{
		id: s.newID(), method: "POST", who: who, arrived: time.Now(),
		job: &ticket{id: j.ID, record: record},
	}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	route := generates(*op)
	r.record.route = &route
	return r
}

// recordResult says what a record's answer means: a result, an error that is one, or that it has to
// come again.
func (s *Server) recordResult(ctx context.Context, j *jobs.Job, r *request, p *reply,
	attempt int,
) (jobs.Result, error) {
	if p.status == 200 {
		u := r.record.generation.usage
		return jobs.Result{
			OK: true, Input: u.Input, Output: u.Output, Body: s.recordAnswer(j, r, p.body),
		}, nil
	}
	if ctx.Err() != nil {
		return jobs.Result{}, context.Cause(ctx)
	}
	err := r.record.refusal
	if err == nil && r.record.ended != nil {
		err = asAPI(r.record.ended)
	}
	switch {
	case err != nil && err.Code == api.Unavailable && err.Field != "" && attempt >= maxAway:
		// The record names an object that cannot be had.
	case err == nil, err.Code == api.Throttled, err.Code == api.Unavailable:
		return jobs.Result{}, jobs.ErrBusy
	case err.Code == api.DeviceFailed && attempt < maxAttempts:
		return jobs.Result{}, fmt.Errorf("the device failed under record %d", r.job.record)
	case err.Code == api.Forbidden && err.Field == "" && j.Kind != jobs.Batch:
		return jobs.Result{}, &jobs.Failure{Message: err.Message}
	}
	return jobs.Result{Body: s.recordError(j, r, err)}, nil
}

func (s *Server) recordAnswer(j *jobs.Job, r *request, body []byte) []byte {
	switch j.Kind {
	case jobs.Batch:
		return batchAnswer(r.id, 200, body)
	case jobs.AsyncInvoke:
		return body
	default:
		return append([]byte(`"modelOutput":`), body...)
	}
}

func (s *Server) recordError(j *jobs.Job, r *request, err *api.Error) []byte {
	switch j.Kind {
	case jobs.Batch:
		p := failOpenAI(err, r.id)
		return batchAnswer(r.id, p.status, p.body)
	case jobs.AsyncInvoke:
		return []byte(strings.ToValidUTF8(err.Message, "\uFFFD"))
	default:
		return bedrock.AppendRecordError(nil, err)
	}
}

// jobChecker looks at a job's input before anything is done.
func (s *Server) jobChecker(j *jobs.Job) func(int, []byte) error {
	if j.Kind == jobs.Batch {
		return s.batchChecker(j)
	}
	return func(_ int, line []byte) error {
		if _, err := bedrock.DecodeRecord(line); err != nil {
			return &jobs.Fault{Code: "invalid_record", Message: err.Message, Param: err.Field}
		}
		return nil
	}
}

func (s *Server) fetchJob(ctx context.Context, j *jobs.Job, w io.Writer) ([]jobs.Part, error) {
	if j.Kind != jobs.ModelInvocation {
		return nil, errors.New("BUG: a job without its input")
	}
	return s.fetchBuckets(ctx, j, w)
}

func (s *Server) deliverJob(ctx context.Context, j *jobs.Job, o *jobs.Outcome) ([]string, error) {
	switch j.Kind {
	case jobs.Batch:
		return s.deliverBatch(j, o)
	case jobs.AsyncInvoke:
		return nil, s.deliverAsync(ctx, j, o)
	default:
		return nil, s.deliverBuckets(ctx, j, o)
	}
}
