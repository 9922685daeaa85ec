package audit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Invocation is a record of Bedrock's model invocation log (ModelInvocationLog, version 1.0), with
// what Basalt knows beyond it under "basalt".
type Invocation struct {
	SchemaType      string            `json:"schemaType"`
	SchemaVersion   string            `json:"schemaVersion"`
	Timestamp       string            `json:"timestamp"`
	AccountID       string            `json:"accountId,omitempty"` // the tenant
	Identity        Identity          `json:"identity"`
	Region          string            `json:"region,omitempty"`
	RequestID       string            `json:"requestId"`
	Operation       string            `json:"operation"`
	ModelID         string            `json:"modelId,omitempty"` // as the client wrote it
	ErrorCode       string            `json:"errorCode,omitempty"`
	Status          int               `json:"status"`
	RequestMetadata map[string]string `json:"requestMetadata,omitempty"`
	Input           Input             `json:"input"`
	Output          Output            `json:"output"`
	Basalt          Detail            `json:"basalt"`
}

// Identity names a principal in the form of an ARN; it is empty where nobody was proven.
type Identity struct {
	ARN string `json:"arn,omitempty"`
}

// Input is a request. The body is there only if the operator asked for it.
type Input struct {
	ContentType      string          `json:"inputContentType,omitempty"`
	BodyJSON         json.RawMessage `json:"inputBodyJson,omitempty"`
	BodyOmitted      string          `json:"inputBodyOmitted,omitempty"` // why
	TokenCount       int             `json:"inputTokenCount"`
	CacheReadTokens  int             `json:"cacheReadInputTokenCount,omitempty"`
	CacheWriteTokens int             `json:"cacheWriteInputTokenCount,omitempty"`
}

// Output is an answer, likewise.
type Output struct {
	ContentType string          `json:"outputContentType,omitempty"`
	BodyJSON    json.RawMessage `json:"outputBodyJson,omitempty"`
	BodyOmitted string          `json:"outputBodyOmitted,omitempty"`
	TokenCount  int             `json:"outputTokenCount"`
}

// Detail is what repeats an answer, and how long it took.
type Detail struct {
	Principal       string         `json:"principal,omitempty"`
	Key             string         `json:"key,omitempty"`      // id of the credential
	Delivery        string         `json:"delivery,omitempty"` // scope of what delivers it, if any
	Remote          string         `json:"remote,omitempty"`
	Protocol        string         `json:"protocol,omitempty"`
	Job             string         `json:"job,omitempty"`    // whose record it was
	Record          *int           `json:"record,omitempty"` // which one, from 0
	Model           string         `json:"model,omitempty"`  // the id in the configuration
	ModelDigest     string         `json:"modelDigest,omitempty"`
	TokenizerDigest string         `json:"tokenizerDigest,omitempty"`
	Device          string         `json:"device,omitempty"`
	Version         string         `json:"version,omitempty"`
	Parameters      map[string]any `json:"parameters,omitempty"`
	Seed            string         `json:"seed,omitempty"` // a string: JSON's numbers are too small
	Stream          bool           `json:"stream,omitempty"`
	End             string         `json:"end,omitempty"`
	FirstTokenMS    int64          `json:"firstTokenMs,omitempty"`
	LatencyMS       int64          `json:"latencyMs"`
}

// Event is a record of anything else: refusals, acts of administrators, the server's own.
type Event struct {
	SchemaType    string         `json:"schemaType"`
	SchemaVersion string         `json:"schemaVersion"`
	Timestamp     string         `json:"timestamp"`
	EventName     string         `json:"eventName"`
	AccountID     string         `json:"accountId,omitempty"`
	Identity      Identity       `json:"identity"`
	RequestID     string         `json:"requestId,omitempty"`
	Operation     string         `json:"operation,omitempty"`
	ErrorCode     string         `json:"errorCode,omitempty"`
	Status        int            `json:"status,omitempty"`
	Principal     string         `json:"principal,omitempty"`
	Key           string         `json:"key,omitempty"`
	Remote        string         `json:"remote,omitempty"`
	Detail        map[string]any `json:"detail,omitempty"`
}

// The schemas of records.
const (
	invocationSchema = "ModelInvocationLog"
	eventSchema      = "BasaltAuditEvent"
	schemaVersion    = "1.0"
)

// Time is the form of timestamps.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// JSON is the record's text.
func (r *Invocation) JSON() []byte {
	r.SchemaType, r.SchemaVersion = invocationSchema, schemaVersion
	return text(r)
}

// JSON is the record's text.
func (r *Event) JSON() []byte {
	r.SchemaType, r.SchemaVersion = eventSchema, schemaVersion
	return text(r)
}

// text keeps bodies as they were: json.Marshal would escape their &, < and >.
func text(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("BUG: cannot encode a record: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// removedName and its detail tell Verify that files are gone by the log's own doing.
const removedName = "AuditFileRemoved"

func removedRecord(at time.Time, file string, end link) []byte {
	return (&Event{Timestamp: Time(at), EventName: removedName, Detail: map[string]any{
		"file": file, "lastRecord": end.seq, "lastHash": hex.EncodeToString(end.hash[:]),
	}}).JSON()
}

func lostRecord(at time.Time, num uint64) []byte {
	return (&Event{Timestamp: Time(at), EventName: "RecordsLost", Detail: map[string]any{
		"count": num, "reason": "the log could not be written for too long",
	}}).JSON()
}

func suppressedRecord(at time.Time, num uint64) []byte {
	return (&Event{Timestamp: Time(at), EventName: "RefusalsNotRecorded", Detail: map[string]any{
		"count": num, "reason": "more requests without a known credential than are recorded",
	}}).JSON()
}
