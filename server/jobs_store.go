package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"basalt/server/api"
	"basalt/server/buckets"
	"basalt/server/jobs"
)

// jobPriority puts records of jobs behind every request that somebody waits for, whatever priority
// the policy gives to whom.
const jobPriority = 1 << 20

// backlog is the server's part in jobs.
type backlog struct {
	store *jobs.Store // nil: there are no jobs here

	mu     sync.Mutex
	flying map[*model]int // records that a model works on
}

// ticket marks a request that is a record of a job.
type ticket struct {
	id     string
	record int
}

func (s *Server) newBacklog() *backlog {
	return &backlog{store: s.cfg.Jobs, flying: map[*model]int{}}
}

// startJobs goes on with the jobs that the store has.
func (s *Server) startJobs() {
	if s.backlog.store == nil {
		return
	}
	s.backlog.store.Start(jobs.Work{
		Fetch: s.fetchJob, Checker: s.jobChecker, Begin: s.beginRecord, Do: s.doRecord,
		Deliver: s.deliverJob, Report: s.reportJob,
	})
}

// stopJobs ends what is in flight without a result: it is done again by the next server.
func (s *Server) stopJobs() {
	if s.backlog.store == nil {
		return
	}
	if err := s.backlog.store.Close(); err != nil {
		s.log.Error("the job store did not close", zap.Error(err))
	}
}

func (s *Server) reportJob(j *jobs.Job, what string, err error) {
	fields := []zap.Field{zap.String("what", what), zap.Error(err)}
	if j != nil {
		fields = append(fields, zap.String("job", j.ID), zap.String("tenant", j.Tenant))
	}
	s.log.Error("job", fields...)
}

// jobStore gives the store, or says that there is none.
func (s *Server) jobStore() (*jobs.Store, *api.Error) {
	if s.backlog.store == nil {
		return nil, api.Errorf(api.Invalid, "this server keeps no jobs and no files; the operator "+
			"starts it with --jobs FOLDER, and with --buckets FILE for jobs that read and write "+
			"buckets")
	}
	if s.draining.Load() {
		return nil, &api.Error{
			Code: api.Unavailable, Retry: time.Second,
			Message: "the server is shutting down; send the request again",
		}
	}
	return s.backlog.store, nil
}

// storeError is what a client is told of an error of the store.
func (s *Server) storeError(r *request, err error) *api.Error {
	switch {
	case errors.Is(err, jobs.ErrConflict):
		return api.Errorf(api.Conflict, "the client request token was used with other parameters")
	case errors.Is(err, jobs.ErrEnded):
		return api.Errorf(api.Conflict, "the job has ended already")
	case errors.Is(err, jobs.ErrQuota):
		return api.Errorf(api.QuotaExceeded, "%v", err)
	case errors.Is(err, jobs.ErrClosed):
		return &api.Error{
			Code: api.Unavailable, Retry: time.Second,
			Message: "the server is shutting down; send the request again",
		}
	}
	s.log.Error("job store", zap.String("request", r.id), zap.Error(err))
	return &api.Error{
		Code: api.Unavailable, Retry: 5 * time.Second,
		Message: "the job store cannot be written; tell the operator",
	}
}

// auditAct records an act before it is done: one without its record does not happen.
func (s *Server) auditAct(r *request, detail map[string]any) *api.Error {
	if s.cfg.Audit == nil {
		return nil
	}
	e := s.eventRecord(r, r.record.route.action)
	e.Detail = detail
	if err := s.cfg.Audit.Append(e.JSON()); err != nil {
		return s.unrecorded()
	}
	return nil
}

// jobModel checks that a request's principal may use a model by an operation.
func (s *Server) jobModel(r *request, name, field, operation string) (*model, *api.Error) {
	m := s.modelOf(name)
	if m == nil {
		return nil, unknownModel(name, field)
	}
	r.record.model = m.ID
	if err := r.permitModel(m); err != nil {
		return nil, err
	}
	if !r.who.Grant.MayDo(operation, true) {
		return nil, api.Errorf(api.Forbidden, "%s may not do this (%s)", r.who.Name, operation)
	}
	return m, nil
}

// bucketPlace finds what a URI of a request means. Nothing is read or written for it.
func (s *Server) bucketPlace(r *request, field, uri, owner string) (*buckets.Place, *api.Error) {
	u, err := buckets.ParseURI(field, uri)
	if err != nil {
		return nil, err
	}
	if owner != "" && owner != s.place().Account {
		return nil, api.Errorf(api.Forbidden, "Access denied: the bucket %q does not belong to "+
			"the account %s", u.Bucket, owner)
	}
	return s.cfg.Buckets.Find(r.who.Tenant, u)
}

// outputPlace checks a place for results.
func (s *Server) outputPlace(r *request, field, uri, owner string) *api.Error {
	p, err := s.bucketPlace(r, field, uri, owner)
	if err != nil {
		return err
	}
	return p.Writable()
}

// digest tells two requests apart that carry the same token.
func digest(v any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", v))
	return hex.EncodeToString(sum[:])
}
