package openai

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"basalt/server/api"
)

// BatchRequest is the body of POST /v1/batches.
type BatchRequest struct {
	File, Endpoint, Window string
	Metadata               map[string]string
	KeepOutput             int // seconds, 0: for ever
}

// Limits of the API.
const (
	maxMetadata      = 16
	maxMetadataKey   = 64
	maxMetadataValue = 512
	maxCustomID      = 512
)

// DecodeBatch reads the body of POST /v1/batches. endpoints are those that records may be for.
func DecodeBatch(body []byte, endpoints []string) (*BatchRequest, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	o := root.Object()
	req := &BatchRequest{
		File: o.NeedString("input_file_id"), Window: o.NeedString("completion_window"),
	}
	if v, ok := o.Need("endpoint"); ok {
		if req.Endpoint = v.Str(); !slices.Contains(endpoints, req.Endpoint) {
			v.Fail("must be one of %s", strings.Join(endpoints, ", "))
		}
	}
	if v, ok := o.Get("completion_window"); ok && req.Window != "24h" {
		v.Fail(`must be "24h"`)
	}
	if v, ok := o.NotNull("metadata"); ok {
		req.Metadata = readBatchMetadata(v)
	}
	if v, ok := o.NotNull("output_expires_after"); ok {
		e := v.Object()
		if e.OneOf("anchor", "created_at") == "" {
			v.Fail("must have the anchor created_at")
		}
		e.Need("seconds")
		req.KeepOutput = e.Int("seconds", minFileExpiry, maxFileExpiry).Value
		refuseRest(e)
	}
	refuseRest(o)
	return req, root.Err()
}

func readBatchMetadata(v api.Value) map[string]string {
	o := v.Object()
	if o.Len() > maxMetadata {
		v.Fail("has %d entries; at most %d are allowed", o.Len(), maxMetadata)
		return nil
	}
	out := make(map[string]string)
	for key, e := range o.Fields() {
		s := e.Str()
		if len(key) > maxMetadataKey || len(s) > maxMetadataValue {
			e.Fail("must have a key of at most %d bytes and a value of at most %d", maxMetadataKey,
				maxMetadataValue)
		}
		out[key] = s
	}
	return out
}

// BatchLine is a line of a batch's input.
type BatchLine struct {
	ID, Method, URL, Model string
	Body                   []byte
}

// DecodeBatchLine reads a line of a batch's input.
func DecodeBatchLine(line []byte) (*BatchLine, *api.Error) {
	root, err := api.ParseJSON(line)
	if err != nil {
		err.Message = strings.Replace(err.Message, "the body", "the line", 1)
		return nil, err
	}
	o := root.Object()
	l := &BatchLine{
		ID: o.NeedString("custom_id"), Method: o.NeedString("method"), URL: o.NeedString("url"),
	}
	if v, ok := o.Get("custom_id"); ok && v.IsString() && (l.ID == "" || len(l.ID) > maxCustomID) {
		v.Fail("must have 1 to %d bytes", maxCustomID)
	}
	if v, ok := o.Need("body"); ok {
		l.Model, l.Body = v.Object().NeedString("model"), v.Raw()
	}
	refuseRest(o)
	return l, root.Err()
}

// BatchFault is what is wrong with a line of the input.
type BatchFault struct {
	Code, Message, Param string
	Line                 int
}

// BatchInfo is what is told of a batch.
type BatchInfo struct {
	BatchRequest
	ID, Status, Model                string
	OutputFile, ErrorFile            string
	Faults                           []BatchFault
	Created, Expires, Begun, Written time.Time
	Completed, Failed, Expired       time.Time
	Cancelling, Cancelled            time.Time
	Total, Succeeded, NumFailed      int
	InputTokens, OutputTokens        int64
}

// AppendBatch appends a batch object.
func AppendBatch(dst []byte, b *BatchInfo) []byte {
	dst = api.AppendString(append(dst, `{"id":`...), b.ID)
	dst = api.AppendString(append(dst, `,"object":"batch","endpoint":`...), b.Endpoint)
	dst = appendOrNull(append(dst, `,"model":`...), b.Model)
	dst = appendFaults(append(dst, `,"errors":`...), b.Faults)
	dst = api.AppendString(append(dst, `,"input_file_id":`...), b.File)
	dst = api.AppendString(append(dst, `,"completion_window":`...), b.Window)
	dst = api.AppendString(append(dst, `,"status":`...), b.Status)
	dst = appendOrNull(append(dst, `,"output_file_id":`...), b.OutputFile)
	dst = appendOrNull(append(dst, `,"error_file_id":`...), b.ErrorFile)
	dst = appendSeconds(dst, "created_at", b.Created)
	dst = appendSeconds(dst, "in_progress_at", b.Begun)
	dst = appendSeconds(dst, "expires_at", b.Expires)
	dst = appendSeconds(dst, "finalizing_at", b.Written)
	dst = appendSeconds(dst, "completed_at", b.Completed)
	dst = appendSeconds(dst, "failed_at", b.Failed)
	dst = appendSeconds(dst, "expired_at", b.Expired)
	dst = appendSeconds(dst, "cancelling_at", b.Cancelling)
	dst = appendSeconds(dst, "cancelled_at", b.Cancelled)
	dst = api.AppendInt(append(dst, `,"request_counts":{"total":`...), b.Total)
	dst = api.AppendInt(append(dst, `,"completed":`...), b.Succeeded)
	dst = api.AppendInt(append(dst, `,"failed":`...), b.NumFailed)
	dst = appendBatchUsage(append(dst, `},"usage":`...), b)
	return append(appendMap(append(dst, `,"metadata":`...), b.Metadata), '}')
}

func appendFaults(dst []byte, faults []BatchFault) []byte {
	if len(faults) == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"object":"list","data":[`...)
	for i, f := range faults {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = api.AppendString(append(dst, `{"code":`...), f.Code)
		dst = api.AppendString(append(dst, `,"message":`...), f.Message)
		dst = appendOrNull(append(dst, `,"param":`...), f.Param)
		dst = append(dst, `,"line":`...)
		if f.Line == 0 {
			dst = append(dst, "null}"...)
			continue
		}
		dst = append(api.AppendInt(dst, f.Line), '}')
	}
	return append(dst, `]}`...)
}

func appendBatchUsage(dst []byte, b *BatchInfo) []byte {
	dst = strconv.AppendInt(append(dst, `{"input_tokens":`...), b.InputTokens, 10)
	dst = append(dst, `,"input_tokens_details":{"cached_tokens":0},"output_tokens":`...)
	dst = strconv.AppendInt(dst, b.OutputTokens, 10)
	dst = append(dst, `,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":`...)
	return append(strconv.AppendInt(dst, b.InputTokens+b.OutputTokens, 10), '}')
}

func appendMap(dst []byte, m map[string]string) []byte {
	if m == nil {
		return append(dst, "null"...)
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(api.AppendString(dst, k), ':')
		dst = api.AppendString(dst, m[k])
	}
	return append(dst, '}')
}

// AppendBatchAnswer appends what came of a record: the members response and error.
func AppendBatchAnswer(dst []byte, request string, status int, body []byte) []byte {
	dst = api.AppendInt(append(dst, `"response":{"status_code":`...), status)
	dst = api.AppendString(append(dst, `,"request_id":`...), request)
	return append(append(append(dst, `,"body":`...), body...), `},"error":null`...)
}

// AppendBatchMissing appends the same of a record that was not done.
func AppendBatchMissing(dst []byte, code, message string) []byte {
	dst = append(dst, `"response":null,"error":{"code":`...)
	dst = api.AppendString(dst, code)
	return append(api.AppendString(append(dst, `,"message":`...), message), '}')
}

// AppendBatchOutput appends a line of a batch's output.
func AppendBatchOutput(dst []byte, id, customID string, outcome []byte) []byte {
	dst = api.AppendString(append(dst, `{"id":`...), id)
	dst = api.AppendString(append(dst, `,"custom_id":`...), customID)
	return append(append(append(dst, ','), outcome...), "}\n"...)
}
