package server

import (
	"bytes"
	"io"
	"time"

	"basalt/server/api"
	"basalt/server/bedrock"
	"basalt/server/jobs"
)

// asyncTime is how long an asynchronous invocation may wait and run.
const asyncTime = 24 * time.Hour

func (s *Server) startAsync(r *request) reply {
	body, err := s.newAsync(r)
	return s.controlReply(r, body, err)
}

func (s *Server) newAsync(r *request) ([]byte, *api.Error) {
	store, err := s.jobStore()
	if err != nil {
		return nil, err
	}
	req, err := bedrock.DecodeAsync(r.body)
	if err != nil {
		return nil, err
	}
	r.record.operation = "StartAsyncInvoke"
	if _, err := s.jobModel(r, req.Model, "modelId", "InvokeModel"); err != nil {
		return nil, err
	}
	if err := s.outputPlace(r, bedrock.OutputField, req.Output, req.Owner); err != nil {
		return nil, err
	}
	spec := s.jobSpec(r, jobs.AsyncInvoke, jobs.NewID(idLength), asyncTime)
	spec.Token, spec.Digest, spec.Tags = req.Token, digest(*req), req.Tags
	spec.Model, spec.Operation = req.Model, "InvokeModel"
	spec.Output, spec.OutputOwner = req.Output, req.Owner
	line := append([]byte(`{"modelInput":`), bytes.ReplaceAll(req.Input, []byte("\n"), nil)...)
	j, err := s.keepJob(r, store, spec, append(bytes.ReplaceAll(line, []byte("\r"), nil), '}'))
	if err != nil {
		return nil, err
	}
	return s.place().AppendStarted(nil, j.ID), nil
}

// filler writes a job's input when the job is made; nil: it is fetched later.
func filler(name string, input []byte) func(io.Writer) ([]jobs.Part, error) {
	if input == nil {
		return nil
	}
	return func(w io.Writer) ([]jobs.Part, error) {
		if n := len(input); n == 0 || input[n-1] != '\n' {
			input = append(input, '\n')
		}
		n, err := w.Write(input)
		return []jobs.Part{{Name: name, Bytes: int64(n)}}, err
	}
}

func (s *Server) getAsync(r *request, escaped string) reply {
	r.record.operation = "GetAsyncInvoke"
	arn, valid := decodeSegment(escaped)
	id, ok := bedrock.AsyncID(arn)
	j, err := s.findJob(r, jobs.AsyncInvoke, id, valid && ok)
	if err != nil && err.Code == api.NotFound {
		// The operation has no exception for what is not there.
		err = api.FieldError("invocationArn", "invocationArn names no invocation of this server")
	}
	if err != nil {
		return s.controlReply(r, nil, err)
	}
	return s.controlReply(r, s.place().AppendAsync(nil, asyncInfo(j)), nil)
}

func (s *Server) listAsync(r *request) reply {
	r.record.operation = "ListAsyncInvokes"
	store, err := s.jobStore()
	if err != nil {
		return s.controlReply(r, nil, err)
	}
	f, err := bedrock.ParseJobFilter(r.query, true)
	if err != nil {
		return s.controlReply(r, nil, err)
	}
	var list []bedrock.AsyncInfo
	for _, j := range store.List(r.who.Tenant, jobs.AsyncInvoke) {
		if a := asyncInfo(j); f.Keeps("", a.Status, a.Submitted) {
			list = append(list, *a)
		}
	}
	page, next, err := bedrock.PageOf(f, list, func(a *bedrock.AsyncInfo) string { return a.ID })
	return s.controlReply(r, s.place().AppendAsyncs(nil, page, next), err)
}

func asyncInfo(j *jobs.Job) *bedrock.AsyncInfo {
	st := j.State()
	a := &bedrock.AsyncInfo{
		ID: j.ID, Model: j.Model, Token: j.Token, Status: "InProgress", Output: j.Output,
		Owner: j.OutputOwner, Submitted: j.Submitted, Modified: st.Modified, Ended: st.Ended,
	}
	switch {
	case st.Status == jobs.Completed:
		a.Status = "Completed"
	case st.Status.Final():
		a.Status, a.Failure = "Failed", st.Message
	}
	return a
}
