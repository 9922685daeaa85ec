package server

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"basalt/runtime"
	"basalt/server/api"
)

// record is what is kept of a request for its log line, the metrics and the audit log. The log line
// and the metrics have nothing that comes from the text of a request, a header or a credential.
type record struct {
	route      *route // nil: none was found
	operation  string
	asked      string // the model that the client named
	model      string // the id in the configuration
	params     runtime.SamplingParams
	refusal    *api.Error
	ended      error // of a generation; nil: complete
	generation *generation
	finish     api.FinishReason

	// For the audit log, where it is to hold prompts and answers.
	keep         bool
	input        []byte
	inputOmitted string
	output       []byte // of an answer that is not streamed
}

// finishRecord counts and logs a request, once. It reports whether the audit log has what it must.
func (s *Server) finishRecord(r *request, status int) bool {
	if err := r.record.refusal; r.job != nil && err != nil && err.Retryable() {
		return true // it comes again
	}
	s.logRequest(r, status)
	return s.auditRequest(r, status)
}

func (s *Server) logRequest(r *request, status int) {
	rec := &r.record
	s.metrics.tenants.count(r)
	if rec.generation == nil {
		s.metrics.refused.Inc()
	} else {
		s.metrics.request(rec)
	}
	level := zap.InfoLevel
	if status >= 500 {
		level = zap.WarnLevel
	}
	entry := s.log.Check(level, "request")
	if entry == nil {
		return
	}
	fields := []zapcore.Field{
		zap.String("request", r.id), zap.Int("status", status),
		zap.Duration("latency", time.Since(r.arrived)),
	}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, zap.String(name, value))
		}
	}
	add("operation", rec.operation)
	add("model", rec.model)
	if r.who != nil {
		add("tenant", r.who.Tenant)
		add("principal", r.who.Name)
		add("key", r.who.Key)
	}
	if g := rec.generation; g != nil {
		fields = append(fields, zap.Int("input", g.usage.Input), zap.Int("output", g.usage.Output),
			zap.Duration("first", g.first), zap.Uint64("seed", rec.params.Seed),
			zap.Int("choices", len(g.seqs)))
		add("end", endName(rec))
	} else if rec.refusal != nil {
		add("error", codeName(rec.refusal.Code))
	}
	entry.Write(fields...)
}

// endName says how a generation ended.
func endName(rec *record) string {
	var known *api.Error
	switch {
	case errors.Is(rec.ended, errClientGone):
		return "client gone"
	case errors.As(rec.ended, &known):
		return codeName(known.Code)
	case rec.ended != nil:
		return "internal"
	}
	return finishName(rec.finish)
}

func finishName(r api.FinishReason) string {
	switch r {
	case api.FinishLength:
		return "length"
	case api.FinishContext:
		return "context"
	case api.FinishToolUse:
		return "tool_calls"
	default:
		return "stop"
	}
}

func codeName(c api.Code) string {
	names := [...]string{
		"invalid", "too large", "header too large", "context exceeded",
		"unauthenticated", "unknown key", "bad signature", "forbidden", "not found",
		"method not allowed", "request timeout",
		"throttled",
		"unavailable", "device failed", "model failed", "internal", "conflict", "quota exceeded",
	}
	if int(c) >= len(names) {
		return "unknown"
	}
	return names[c]
}

// logPanic logs a panic with its stack, which holds addresses but no text of a request.
func (s *Server) logPanic(r *request, v any) {
	s.metrics.panics.Inc()
	what := fmt.Sprintf("%T", v)
	if e, ok := v.(interface{ RuntimeError() }); ok {
		what = fmt.Sprint(e)
	}
	s.log.Error("panic", zap.String("request", r.id), zap.String("value", what),
		zap.ByteString("stack", debug.Stack()))
}
