package server

import (
	"strings"
	"time"

	"basalt/server/api"
	"basalt/server/bedrock"
	"basalt/server/jobs"
)

// idLength is that of the ids in ARNs of jobs.
const idLength = 12

// jobTime is how long a job may take that sets no limit itself.
const jobTime = 7 * 24 * time.Hour

// jobRoutes are the operations on model invocation jobs and asynchronous invocations that name
// nothing in their path, and those of files and batches.
func jobRoutes() map[string][]route {
	act := func(action string, serve func(*Server, *request) reply) route {
		return route{method: "POST", action: action, inference: true, serve: serve}
	}
	look := func(action string, serve func(*Server, *request) reply) []route {
		return reads(route{action: action, inference: true, serve: serve})
	}
	t := map[string][]route{
		"/model-invocation-job":  {act("CreateModelInvocationJob", (*Server).createJob)},
		"/model-invocation-jobs": look("ListModelInvocationJobs", (*Server).listJobs),
		"/async-invoke": append(look("ListAsyncInvokes", (*Server).listAsync),
			act("StartAsyncInvoke", (*Server).startAsync)),
	}
	for _, base := range []string{"/v1", "/openai/v1"} {
		t[base+"/files"] = append(look("ListFiles", (*Server).listFiles),
			act("CreateFile", (*Server).createFile))
		t[base+"/batches"] = append(look("ListBatches", (*Server).listBatches),
			act("CreateBatch", (*Server).createBatch))
	}
	return t
}

// jobOf gives the route of an operation that names a job in its path.
func jobOf(path string) ([]route, *api.Error) {
	if id, ok := strings.CutPrefix(path, "/model-invocation-job/"); ok {
		if stop, ok := strings.CutSuffix(id, "/stop"); ok {
			return []route{{
				method: "POST", action: "StopModelInvocationJob", inference: true,
				serve: func(s *Server, r *request) reply { return s.stopJob(r, stop) },
			}}, nil
		}
		return reads(route{
			action: "GetModelInvocationJob", inference: true,
			serve: func(s *Server, r *request) reply { return s.getJob(r, id) },
		}), nil
	}
	if arn, ok := strings.CutPrefix(path, "/async-invoke/"); ok {
		return reads(route{
			action: "GetAsyncInvoke", inference: true,
			serve: func(s *Server, r *request) reply { return s.getAsync(r, arn) },
		}), nil
	}
	return openaiJobOf(path), nil
}

func (s *Server) createJob(r *request) reply {
	body, err := s.newJob(r)
	return s.controlReply(r, body, err)
}

func (s *Server) newJob(r *request) ([]byte, *api.Error) {
	store, err := s.jobStore()
	if err != nil {
		return nil, err
	}
	req, err := bedrock.DecodeJob(r.body)
	if err != nil {
		return nil, err
	}
	r.record.operation = "CreateModelInvocationJob"
	if _, err := s.jobModel(r, req.Model, "modelId", req.Type); err != nil {
		return nil, err
	}
	if _, err = s.bucketPlace(r, bedrock.InputField, req.Input, req.InputOwner); err != nil {
		return nil, err
	}
	err = s.outputPlace(r, bedrock.OutputField, req.Output, req.OutputOwner)
	if err != nil {
		return nil, err
	}
	spec := s.jobSpec(r, jobs.ModelInvocation, jobs.NewID(idLength), jobTime)
	spec.Token, spec.Digest, spec.Name, spec.Role = req.Token, digest(*req), req.Name, req.Role
	spec.Model, spec.Operation, spec.Tags = req.Model, req.Type, req.Tags
	spec.Input, spec.Output = req.Input, req.Output
	spec.InputOwner, spec.OutputOwner = req.InputOwner, req.OutputOwner
	if spec.Hours = req.Hours; req.Hours > 0 {
		spec.Expires = spec.Submitted.Add(time.Duration(req.Hours) * time.Hour)
	}
	j, err := s.keepJob(r, store, spec, nil)
	if err != nil {
		return nil, err
	}
	return s.place().AppendCreatedJob(nil, j.ID), nil
}

func (s *Server) jobSpec(r *request, kind jobs.Kind, id string, within time.Duration) jobs.Spec {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return jobs.Spec{
		ID: id, Kind: kind, Tenant: r.who.Tenant, Principal: r.who.Name, Submitted: now,
		Expires: now.Add(within),
	}
}

// keepJob records that a job is asked for, and keeps it.
func (s *Server) keepJob(r *request, store *jobs.Store, spec jobs.Spec, input []byte) (*jobs.Job,
	*api.Error,
) {
	err := s.auditAct(r, map[string]any{
		"job": spec.ID, "model": spec.Model, "operation": spec.Operation, "input": spec.Input,
		"output": spec.Output, "tags": spec.Tags,
	})
	if err != nil {
		return nil, err
	}
	j, known, failed := store.Create(spec, filler(spec.Name, input))
	if failed != nil {
		return nil, s.storeError(r, failed)
	}
	if known {
		_ = s.auditAct(r, map[string]any{"job": spec.ID, "sameAs": j.ID})
	}
	return j, nil
}

// findJob finds a job of a request's tenant.
func (s *Server) findJob(r *request, kind jobs.Kind, id string, valid bool) (*jobs.Job,
	*api.Error,
) {
	store, err := s.jobStore()
	if err != nil {
		return nil, err
	}
	if valid {
		if j := store.Get(r.who.Tenant, kind, id); j != nil {
			return j, nil
		}
	}
	return nil, &api.Error{
		Code: api.NotFound, Field: "jobIdentifier", Message: "there is no such job here",
	}
}

func (s *Server) namedJob(r *request, escaped string) (*jobs.Job, *api.Error) {
	name, valid := decodeSegment(escaped)
	id, ok := bedrock.JobID(name)
	if !valid || !ok {
		return nil, api.FieldError("jobIdentifier",
			"jobIdentifier must be a job's id of 12 letters and digits, or its ARN")
	}
	return s.findJob(r, jobs.ModelInvocation, id, true)
}

func (s *Server) getJob(r *request, escaped string) reply {
	r.record.operation = "GetModelInvocationJob"
	j, err := s.namedJob(r, escaped)
	if err != nil {
		return s.controlReply(r, nil, err)
	}
	return s.controlReply(r, s.place().AppendJob(nil, &jobInfo(j).JobInfo), nil)
}

func (s *Server) stopJob(r *request, escaped string) reply {
	r.record.operation = "StopModelInvocationJob"
	j, err := s.namedJob(r, escaped)
	if err == nil {
		err = s.endJob(r, j)
	}
	return s.controlReply(r, []byte("{}"), err)
}

// endJob records that the end of a job is asked for, and asks for it.
func (s *Server) endJob(r *request, j *jobs.Job) *api.Error {
	if err := s.auditAct(r, map[string]any{"job": j.ID}); err != nil {
		return err
	}
	if err := s.backlog.store.Stop(j); err != nil {
		return s.storeError(r, err)
	}
	return nil
}

func (s *Server) listJobs(r *request) reply {
	r.record.operation = "ListModelInvocationJobs"
	store, err := s.jobStore()
	if err != nil {
		return s.controlReply(r, nil, err)
	}
	f, err := bedrock.ParseJobFilter(r.query, false)
	if err != nil {
		return s.controlReply(r, nil, err)
	}
	var list []bedrock.JobInfo
	for _, j := range store.List(r.who.Tenant, jobs.ModelInvocation) {
		if info := jobInfo(j); f.Keeps(info.Name, info.Status, info.Submitted) {
			list = append(list, info.JobInfo)
		}
	}
	page, next, err := bedrock.PageOf(f, list, func(i *bedrock.JobInfo) string { return i.ID })
	return s.controlReply(r, s.place().AppendJobs(nil, page, next), err)
}

// jobView is a job as Bedrock tells of it.
type jobView struct{ bedrock.JobInfo }

func jobInfo(j *jobs.Job) *jobView {
	st := j.State()
	status := st.Status
	if status == jobs.Finalizing {
		status = jobs.InProgress
	}
	v := &jobView{bedrock.JobInfo{
		JobRequest: bedrock.JobRequest{
			Name: j.Name, Role: j.Role, Model: j.Model, Token: j.Token, Type: j.Operation,
			Input: j.Input, Output: j.Output, Hours: j.Hours, InputOwner: j.InputOwner,
			OutputOwner: j.OutputOwner,
		},
		ID: j.ID, Status: string(status), Message: st.Message, Submitted: j.Submitted,
		Modified: st.Modified, Ended: st.Ended, Expiry: j.Expires,
	}}
	v.setCounts(st.Counts)
	return v
}

func (v *jobView) setCounts(c jobs.Counts) {
	v.Total, v.Processed, v.Succeeded, v.Failed = c.Total, c.Processed(), c.Succeeded, c.Failed
}
