package server

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"basalt/server/api"
	"basalt/server/jobs"
	"basalt/server/openai"
)

// batchTime is the only completion window that the API knows.
const batchTime = 24 * time.Hour

// endpointOperations are what the records of a batch may ask for.
func endpointOperations() map[string]operation {
	return map[string]operation{
		"/v1/chat/completions": chatCompletions(),
		"/v1/completions":      completions(),
		"/v1/responses":        responses(),
	}
}

func batchRoutes(id string) []route {
	if id, ok := strings.CutSuffix(id, "/cancel"); ok {
		return []route{{
			method: "POST", action: "CancelBatch", inference: true,
			serve: func(s *Server, r *request) reply { return s.cancelBatch(r, id) },
		}}
	}
	return reads(route{
		action: "GetBatch", inference: true,
		serve: func(s *Server, r *request) reply { return s.getBatch(r, id) },
	})
}

func (s *Server) createBatch(r *request) reply {
	body, err := s.newBatch(r)
	return s.openaiReply(r, body, err)
}

func (s *Server) newBatch(r *request) ([]byte, *api.Error) {
	store, err := s.jobStore()
	if err != nil {
		return nil, err
	}
	endpoints := endpointOperations()
	req, err := openai.DecodeBatch(r.body, slices.Sorted(maps.Keys(endpoints)))
	if err != nil {
		return nil, err
	}
	r.record.operation = "CreateBatch"
	f, err := s.findFile(r, req.File, "input_file_id")
	if err != nil {
		return nil, err
	}
	data, err := s.readFile(r, store, f)
	if err != nil {
		return nil, err
	}
	spec := s.jobSpec(r, jobs.Batch, "batch_"+jobs.NewID(24), batchTime)
	spec.Name, spec.Input, spec.Operation = f.Name, f.ID, req.Endpoint
	spec.Metadata, spec.KeepOutput = req.Metadata, req.KeepOutput
	if spec.Model, err = s.batchModel(r, data, endpoints[req.Endpoint].action); err != nil {
		return nil, err
	}
	j, err := s.keepJob(r, store, spec, data)
	if err != nil {
		return nil, err
	}
	return openai.AppendBatch(nil, batchInfo(j)), nil
}

func (s *Server) readFile(r *request, store *jobs.Store, f *jobs.File) ([]byte, *api.Error) {
	file, err := store.OpenFile(f)
	if err != nil {
		return nil, s.storeError(r, err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, s.storeError(r, err)
	}
	return data, nil
}

// batchModel is the model of the first record, and so of all. What is wrong with the lines is told
// by the batch later; here it is who may use which model.
func (s *Server) batchModel(r *request, data []byte, action string) (string, *api.Error) {
	if !r.who.Grant.MayDo(action, true) {
		return "", api.Errorf(api.Forbidden, "%s may not do this (%s)", r.who.Name, action)
	}
	for line := range bytes.Lines(data) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		l, err := openai.DecodeBatchLine(bytes.TrimRight(line, "\r\n"))
		if err != nil || s.modelOf(l.Model) == nil {
			break
		}
		if _, err := s.jobModel(r, l.Model, "model", action); err != nil {
			return "", err
		}
		return l.Model, nil
	}
	return "", nil
}

// batchChecker holds the lines of a batch to the rules of the API.
func (s *Server) batchChecker(j *jobs.Job) func(int, []byte) error {
	seen := make(map[string]bool)
	return func(_ int, line []byte) error {
		fault := func(code, param, message string) error {
			return &jobs.Fault{Code: code, Param: param, Message: message}
		}
		l, err := openai.DecodeBatchLine(line)
		switch {
		case err != nil && err.Field == "":
			return fault("invalid_json_line", "", err.Message)
		case err != nil:
			return fault("invalid_request", err.Field, err.Message)
		case seen[l.ID]:
			return fault("duplicate_custom_id", "custom_id", "custom_id is that of another line")
		case l.Method != "POST":
			return fault("invalid_method", "method", "method must be POST")
		case l.URL != j.Operation:
			return fault("mismatched_endpoint", "url", "url must be the batch's "+j.Operation)
		case s.modelOf(l.Model) == nil:
			return fault("model_not_found", "body.model", unknownModel(l.Model, "").Message)
		case l.Model != j.Model:
			return fault("mismatched_model", "body.model", "body.model must be the same in all "+
				"lines")
		}
		seen[l.ID] = true
		return nil
	}
}

// batchBody is the body of a record that was checked.
func batchBody(line []byte) []byte {
	l, err := openai.DecodeBatchLine(line)
	if err != nil {
		return nil
	}
	return l.Body
}

func batchAnswer(request string, status int, body []byte) []byte {
	return openai.AppendBatchAnswer(nil, request, status, body)
}

func (s *Server) namedBatch(r *request, escaped string) (*jobs.Job, *api.Error) {
	id, valid := decodeSegment(escaped)
	j, err := s.findJob(r, jobs.Batch, id, valid)
	if err != nil && err.Code == api.NotFound {
		err.Field, err.Message = "batch_id", "there is no such batch here"
	}
	return j, err
}

func (s *Server) getBatch(r *request, id string) reply {
	r.record.operation = "GetBatch"
	j, err := s.namedBatch(r, id)
	if err != nil {
		return s.openaiReply(r, nil, err)
	}
	return s.openaiReply(r, openai.AppendBatch(nil, batchInfo(j)), nil)
}

func (s *Server) cancelBatch(r *request, id string) reply {
	r.record.operation = "CancelBatch"
	j, err := s.namedBatch(r, id)
	if err == nil {
		err = s.endJob(r, j)
	}
	if err != nil {
		return s.openaiReply(r, nil, err)
	}
	return s.openaiReply(r, openai.AppendBatch(nil, batchInfo(j)), nil)
}

func (s *Server) listBatches(r *request) reply {
	r.record.operation = "ListBatches"
	store, err := s.jobStore()
	if err != nil {
		return s.openaiReply(r, nil, err)
	}
	page, err := openai.ParsePage(r.query, false)
	if err != nil {
		return s.openaiReply(r, nil, err)
	}
	body, err := appendPage(page, store.List(r.who.Tenant, jobs.Batch),
		func(j *jobs.Job) (string, []byte) {
			return j.ID, openai.AppendBatch(nil, batchInfo(j))
		})
	return s.openaiReply(r, body, err)
}

// batchInfo is a job as OpenAI's API tells of it.
func batchInfo(j *jobs.Job) *openai.BatchInfo {
	st := j.State()
	b := &openai.BatchInfo{
		BatchRequest: openai.BatchRequest{
			File: j.Input, Endpoint: j.Operation, Window: "24h", Metadata: j.Metadata,
		},
		ID: j.ID, Model: j.Model, Created: j.Submitted, Expires: j.Expires, Begun: st.Begun,
		Written: st.Written, Cancelling: st.Stop, Total: st.Counts.Total,
		Succeeded: st.Counts.Succeeded, NumFailed: st.Counts.Failed,
		InputTokens: st.Counts.InputTokens, OutputTokens: st.Counts.OutputTokens,
	}
	if len(st.Outputs) == 2 {
		b.OutputFile, b.ErrorFile = st.Outputs[0], st.Outputs[1]
	}
	for _, f := range st.Faults {
		b.Faults = append(b.Faults, openai.BatchFault(f))
	}
	switch st.Status {
	case jobs.Submitted, jobs.Validating:
		b.Status = "validating"
	case jobs.InProgress:
		b.Status = "in_progress"
	case jobs.Stopping:
		b.Status = "cancelling"
	case jobs.Finalizing:
		b.Status = "finalizing"
	case jobs.Completed:
		b.Status, b.Completed = "completed", st.Ended
	case jobs.Stopped:
		b.Status, b.Cancelled = "cancelled", st.Ended
	case jobs.Expired, jobs.Partial:
		b.Status, b.Expired = "expired", st.Ended
	default:
		b.Status, b.Failed = "failed", st.Ended
		if len(b.Faults) == 0 {
			b.Faults = []openai.BatchFault{{Code: "batch_failed", Message: st.Message}}
		}
	}
	return b
}

// deliverBatch makes a file of the answers and one of the errors, where there are any.
func (s *Server) deliverBatch(j *jobs.Job, o *jobs.Outcome) ([]string, error) {
	code, message := "batch_expired", "the batch's time was over before this request was done"
	if !j.State().Stop.IsZero() {
		code, message = "batch_cancelled", "the batch was cancelled before this request was done"
	}
	missing := openai.AppendBatchMissing(nil, code, message)
	outputs := []string{"", ""}
	for i, name := range []string{"output", "error"} {
		err := o.Temp(func(f *os.File) error {
			size, err := writeBatch(j, o, f, name == "output", missing)
			if err != nil || size == 0 {
				return err
			}
			outputs[i], err = s.addOutput(j, f, name, size)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

// writeBatch writes the lines of the answers, or those of everything else.
func writeBatch(j *jobs.Job, o *jobs.Outcome, f *os.File, answers bool, missing []byte) (int64,
	error,
) {
	w := bufio.NewWriterSize(f, 256<<10)
	var line []byte
	err := o.Each(0, func(n int, in, body []byte) error {
		good := bytes.HasPrefix(body, []byte(`"response":{"status_code":200,`))
		if good != answers {
			return nil
		}
		if body == nil {
			body = missing
		}
		l, err := openai.DecodeBatchLine(in)
		if err != nil {
			return err
		}
		id := "batch_req_" + strings.ToLower(recordID(j.ID, n))
		line = openai.AppendBatchOutput(line[:0], id, l.ID, body)
		_, failed := w.Write(line)
		return failed
	})
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return 0, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	return size, err
}

// addOutput keeps a file under an id that depends on the batch alone: made twice, it is one file.
func (s *Server) addOutput(j *jobs.Job, f *os.File, name string, size int64) (string, error) {
	sum := sha256.Sum256([]byte(j.ID + "/" + name))
	file := jobs.File{
		ID: "file-" + hex.EncodeToString(sum[:12]), Tenant: j.Tenant, Bytes: size,
		Name: j.ID + "_" + name + ".jsonl", Purpose: "batch_output", Created: time.Now().UTC(),
	}
	if j.KeepOutput > 0 {
		file.Expires = file.Created.Add(time.Duration(j.KeepOutput) * time.Second)
	}
	kept, err := s.backlog.store.AddFile(file, f)
	if err != nil {
		return "", err
	}
	return kept.ID, nil
}
