package server

import (
	"encoding/json"
	"strconv"
	"time"

	"go.uber.org/zap"

	"basalt/server/api"
	"basalt/server/audit"
	"basalt/server/bedrock"
)

// auditRequest writes the record of a request that is over. Invocations by somebody who is known
// leave one each, whatever came of them; of other requests, refusals for want of a right do. It
// reports whether what had to be written was.
func (s *Server) auditRequest(r *request, status int) bool {
	log := s.cfg.Audit
	if log == nil {
		return true
	}
	rec := &r.record
	if rec.route == nil || !rec.route.invokes || r.who == nil {
		if denies(rec.refusal) {
			log.Post(s.refusalRecord(r, status).JSON(), r.who == nil)
		}
		return true
	}
	record := s.invocationRecord(r, status).JSON()
	if rec.generation == nil {
		log.Post(record, false)
		return true
	}
	if err := log.Append(record); err != nil {
		s.log.Error("an invocation is not in the audit log yet", zap.String("request", r.id),
			zap.Error(err))
		return false
	}
	return true
}

// denies reports errors that say who may not.
func denies(err *api.Error) bool {
	if err == nil {
		return false
	}
	switch err.Code {
	case api.Unauthenticated, api.UnknownKey, api.BadSignature, api.Forbidden:
		return true
	default:
		return false
	}
}

func (s *Server) refusalRecord(r *request, status int) *audit.Event {
	e := s.eventRecord(r, "Refused")
	e.ErrorCode, _ = bedrock.Exception(r.record.refusal)
	e.Status = status
	return e
}

// eventRecord names who did what from where. The text of a request is not in it.
func (s *Server) eventRecord(r *request, name string) *audit.Event {
	e := &audit.Event{
		Timestamp: audit.Time(r.arrived), EventName: name, RequestID: r.id, Remote: r.from(),
	}
	if r.record.route != nil {
		e.Operation = r.record.route.action
	}
	if r.who != nil {
		e.AccountID, e.Principal, e.Key = r.who.Tenant, r.who.Name, r.who.Key
		e.Identity.ARN = r.arn()
	}
	return e
}

func (r *request) arn() string { return "arn:aws:iam::" + r.who.Tenant + ":user/" + r.who.Name }

func (r *request) from() string {
	if r.remote == nil {
		return ""
	}
	return r.remote.String()
}

func (r *request) protocol() string {
	switch {
	case r.job != nil:
		return ""
	case r.http2:
		return "HTTP/2"
	case r.http11:
		return "HTTP/1.1"
	}
	return "HTTP/1.0"
}

func (s *Server) invocationRecord(r *request, status int) *audit.Invocation {
	rec := &r.record
	out := &audit.Invocation{
		Timestamp: audit.Time(r.arrived), AccountID: r.who.Tenant, Region: s.cfg.Region,
		RequestID: r.id, Operation: rec.route.action, ModelID: rec.asked, Status: status,
		Identity: audit.Identity{ARN: r.arn()},
		Basalt: audit.Detail{
			Principal: r.who.Name, Key: r.who.Key, Remote: r.from(), Protocol: r.protocol(),
			Model: rec.model, Version: s.cfg.Version,
			LatencyMS: time.Since(r.arrived).Milliseconds(),
		},
	}
	if r.job != nil {
		out.Basalt.Job, out.Basalt.Record = r.job.id, &r.job.record
	}
	if rec.refusal != nil {
		out.ErrorCode, _ = bedrock.Exception(rec.refusal)
	}
	ruling, scope := s.cfg.Audit.Ruling(r.who.Tenant)
	if ruling.S3 != nil {
		out.Basalt.Delivery = scope
	}
	if rec.generation != nil {
		rec.generation.withhold(&ruling)
		rec.generation.describe(out)
	}
	return out
}

// describe adds what only a request that ran has.
func (g *generation) describe(out *audit.Invocation) {
	rec, d := &g.r.record, &out.Basalt
	if rec.ended != nil {
		out.ErrorCode, _ = bedrock.Exception(asAPI(rec.ended))
	}
	d.ModelDigest, d.TokenizerDigest = g.model.Digest, g.model.TokenizerDigest
	d.Device, d.End, d.Stream = g.model.Device.Name, endName(rec), g.req.Stream
	d.Seed = strconv.FormatUint(rec.params.Seed, 10)
	d.FirstTokenMS = g.first.Milliseconds()
	d.Parameters = g.parameters()
	out.Input.ContentType, out.Output.ContentType = "application/json", "application/json"
	out.Input.TokenCount, out.Output.TokenCount = g.usage.Input, g.usage.Output
	out.Input.CacheReadTokens = g.usage.CacheRead
	out.Input.CacheWriteTokens = g.usage.CacheWrite
	if rec.keep {
		out.Input.BodyJSON, out.Input.BodyOmitted = rec.input, rec.inputOmitted
		out.Output.BodyJSON, out.Output.BodyOmitted = deliverable(g.output())
	}
	if len(g.req.Metadata) > 0 {
		out.RequestMetadata = make(map[string]string, len(g.req.Metadata))
		for _, m := range g.req.Metadata {
			out.RequestMetadata[m[0]] = m[1]
		}
	}
}

// parameters are what the sampler was given.
func (g *generation) parameters() map[string]any {
	p := &g.r.record.params
	return map[string]any{
		"temperature": p.Temperature, "topP": p.TopP, "topK": p.TopK, "minP": p.MinP,
		"repetitionPenalty": p.RepetitionPenalty, "presencePenalty": p.PresencePenalty,
		"frequencyPenalty": p.FrequencyPenalty, "maxTokens": p.MaxTokens,
		"choices": len(g.seqs), "stopSequences": len(g.req.Stop),
	}
}

// keepContent remembers a request's body, and that the answer is to be kept, if the operator wants
// prompts and answers in the log.
func (g *generation) keepContent() {
	if g.s.cfg.Audit == nil {
		return
	}
	delivery, _ := g.s.cfg.Audit.Ruling(g.r.who.Tenant)
	rec := &g.r.record
	if rec.keep = delivery.Text; !rec.keep {
		return
	}
	if !delivery.Image && hasImages(g.req) {
		rec.inputOmitted = imagesOmitted
		return
	}
	rec.input, rec.inputOmitted = deliverable(append([]byte(nil), g.r.body...))
}

// withhold leaves out what was asked for when the request came, and is not any more.
func (g *generation) withhold(ruling *audit.Delivery) {
	rec := &g.r.record
	rec.keep = rec.keep && ruling.Text
	if rec.input != nil && !ruling.Image && hasImages(g.req) {
		rec.input, rec.inputOmitted = nil, imagesOmitted
	}
}

const imagesOmitted = "it has images, and image data is not delivered"

func hasImages(req *api.Request) bool {
	for i := range req.Messages {
		for j := range req.Messages[i].Content {
			if req.Messages[i].Content[j].Kind == api.BlockImage {
				return true
			}
		}
	}
	return false
}

// maxDelivered is the largest body that a record holds, as in Bedrock's log.
const maxDelivered = 100 << 10

func deliverable(body []byte) (json.RawMessage, string) {
	switch {
	case len(body) == 0:
		return nil, ""
	case len(body) > maxDelivered:
		return nil, "it has " + strconv.Itoa(len(body)) + " bytes; a record holds at most " +
			strconv.Itoa(maxDelivered)
	case !json.Valid(body):
		return nil, "it is not JSON"
	}
	return body, ""
}

// output is the body of the answer: the one that was sent, or the one that a stream amounts to.
func (g *generation) output() []byte {
	if g.kept != nil {
		return g.codec.AppendAnswer(nil, &g.kept.answer)
	}
	return g.r.record.output
}

// auditable refuses new work while its record could not be written.
func (s *Server) auditable() *api.Error {
	if s.cfg.Audit == nil || s.cfg.Audit.Err() == nil {
		return nil
	}
	return s.unrecorded()
}

// unrecorded is the error in the place of an answer that the audit log does not have.
func (s *Server) unrecorded() *api.Error {
	return &api.Error{
		Code: api.Unavailable, Retry: 5 * time.Second,
		Message: "the audit log cannot be written, and nothing is answered without it; tell the " +
			"operator",
	}
}

// auditEvent records an act of the server's own.
func (s *Server) auditEvent(name string, detail map[string]any) {
	if s.cfg.Audit == nil {
		return
	}
	e := audit.Event{Timestamp: audit.Time(time.Now()), EventName: name, Detail: detail}
	s.cfg.Audit.Post(e.JSON(), false)
}

// auditStart says what serves from now on.
func (s *Server) auditStart(address string) {
	models := make([]map[string]any, len(s.served))
	for i, m := range s.served {
		models[i] = map[string]any{
			"id": m.ID, "digest": m.Digest, "tokenizerDigest": m.TokenizerDigest,
			"device": m.Device.Name, "maxContext": m.MaxContext,
		}
	}
	auth := "none"
	if s.cfg.Auth == AuthKeys {
		auth = "keys"
	}
	s.auditEvent("ServerStarted", map[string]any{
		"address": address, "authentication": auth, "tls": s.cfg.TLS != nil,
		"version": s.cfg.Version, "models": models,
	})
}
