package server

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"basalt/server/anthropic"
	"basalt/server/api"
	"basalt/server/bedrock"
	"basalt/server/identity"
	"basalt/server/openai"
)

// dialect is how a family of routes speaks of errors and ids.
type dialect struct {
	idHeader string
	fail     func(err *api.Error, id string) reply
}

func openaiDialect() *dialect { return &dialect{"x-request-id", failOpenAI} }

func bedrockDialect() *dialect { return &dialect{"x-amzn-RequestId", failBedrock} }

func anthropicDialect() *dialect { return &dialect{"request-id", failAnthropic} }

func failAnthropic(err *api.Error, id string) reply {
	p := reply{
		status: anthropic.Status(err), contentType: "application/json",
		body: anthropic.AppendError(nil, err, id),
	}
	p.set("request-id", id)
	setRetry(&p, err)
	return p
}

func failOpenAI(err *api.Error, id string) reply {
	p := reply{
		status: openai.Status(err), contentType: "application/json",
		body: openai.AppendError(nil, err),
	}
	p.set("x-request-id", id)
	if p.status == http.StatusUnauthorized {
		p.set("WWW-Authenticate", "Bearer")
	}
	setRetry(&p, err)
	return p
}

func failBedrock(err *api.Error, id string) reply {
	name, status := bedrock.Exception(err)
	p := reply{status: status, contentType: "application/json", body: bedrock.AppendError(nil, err)}
	p.set("x-amzn-RequestId", id)
	p.set("x-amzn-ErrorType", name)
	if err.Retry > 0 {
		p.set("x-amz-retry-after", strconv.FormatInt(err.Retry.Milliseconds(), 10))
	}
	setRetry(&p, err)
	return p
}

func setRetry(p *reply, err *api.Error) {
	if err.Retry > 0 {
		p.set("Retry-After", strconv.Itoa(int(math.Ceil(err.Retry.Seconds()))))
	}
}

// bedrockPaths are what the paths of Bedrock's operations begin with.
func bedrockPaths() []string {
	return []string{
		"model", "guardrail", "foundation-models", "inference-profiles", "imported-models",
		"provisioned-model-throughputs", "provisioned-model-throughput", "custom-models",
		"foundation-model-availability", "rerank", "async-invoke", "logging",
		"model-invocation-job", "model-invocation-jobs",
	}
}

// dialectOf tells from a raw target who is asking, also where there is no such route.
func dialectOf(target string) *dialect {
	first, _, _ := strings.Cut(target[min(1, len(target)):], "/")
	first, _, _ = strings.Cut(first, "?")
	switch {
	case slices.Contains(bedrockPaths(), first):
		return bedrockDialect()
	case first == "anthropic", strings.HasPrefix(target, "/v1/messages"):
		return anthropicDialect()
	case first == "endpoints":
		return sagemakerDialect()
	}
	return openaiDialect()
}

// route answers one method of one path. An open route needs no credential; every other one has an
// action, by which the policy grants it. Actions that use models belong to the group of inference;
// without an action nobody is let through.
type route struct {
	method    string
	open      bool
	action    string
	inference bool
	invokes   bool // each request leaves a record in the invocation log
	serve     func(s *Server, r *request) reply
}

// generates is the route of an operation.
func generates(o operation) route {
	serve := (*Server).generate
	if o.count != nil {
		serve = (*Server).count
	}
	return route{
		method: "POST", action: o.action, inference: true, invokes: o.count == nil,
		serve: func(s *Server, r *request) reply { return serve(s, r, &o) },
	}
}

// reads are the routes of something to look at.
func reads(t route) []route {
	t.method = "GET"
	head := t
	head.method = "HEAD"
	return []route{t, head}
}

// routeTable is keyed by the exact raw path; paths with a model's id are in find.
func routeTable() map[string][]route {
	t := map[string][]route{
		"/health":  reads(route{open: true, serve: (*Server).serveHealth}),
		"/ping":    reads(route{open: true, serve: (*Server).servePing}),
		"/metrics": reads(route{action: "Metrics", serve: (*Server).serveMetrics}),
	}
	for _, base := range []string{"/v1", "/openai/v1"} {
		t[base+"/chat/completions"] = []route{generates(chatCompletions())}
		t[base+"/completions"] = []route{generates(completions())}
		t[base+"/responses"] = []route{generates(responses())}
		t[base+"/models"] = reads(route{
			action: "ListModels", inference: true,
			serve: (*Server).serveModels,
		})
	}
	for _, base := range []string{"/v1", "/anthropic/v1"} {
		t[base+"/messages"] = []route{generates(messages())}
		t[base+"/messages/count_tokens"] = []route{generates(countMessage())}
	}
	t["/logging/modelinvocations"] = loggingRoutes()
	t["/anthropic/v1/models"] = reads(route{
		action: "ListModels", inference: true, serve: (*Server).serveAnthropicModels,
	})
	t["/invocations"] = []route{generates(invocations())}
	maps.Copy(t, controlRoutes())
	maps.Copy(t, tokenRoutes())
	maps.Copy(t, embeddingRoutes())
	maps.Copy(t, jobRoutes())
	return t
}

// find gives the routes of a raw path, none where there is nothing.
func (s *Server) find(path string) ([]route, *api.Error) {
	if t, ok := s.routes[path]; ok {
		return t, nil
	}
	for _, base := range []string{"/v1/models/", "/openai/v1/models/", "/anthropic/v1/models/"} {
		if id, ok := strings.CutPrefix(path, base); ok && id != "" {
			return []route{{
				method: "GET", action: "GetModel", inference: true,
				serve: modelRoute(id, dialectOf(path)),
			}}, nil
		}
	}
	for _, of := range []func(string) ([]route, *api.Error){controlOf, applyOf, endpointOf, jobOf} {
		if t, err := of(path); len(t) > 0 || err != nil {
			return t, err
		}
	}
	if err := checkBidirectional(path); err != nil {
		return nil, err
	}
	if escaped, op, ok := splitModelPath(path); ok {
		o, known := modelOperations()[op]
		if !known {
			return nil, nil
		}
		id, valid := decodeSegment(escaped)
		if !valid || id == "" {
			return nil, api.FieldError("modelId", "the model id in the path is malformed")
		}
		return []route{generates(o(id))}, nil
	}
	return nil, nil
}

// answer produces the reply to any request. It is the panic boundary of all handlers.
func (s *Server) answer(r *request) (p reply) {
	d := dialectOf(r.path)
	defer func() {
		if v := recover(); v != nil {
			s.logPanic(r, v)
			p = s.refuse(r, d, api.Errorf(api.Internal, "internal error"))
			p.close = true
		}
	}()
	if r.record.refusal != nil {
		p = s.refuse(r, d, r.record.refusal)
		p.close = true
		if r.conn != nil {
			r.conn.linger = true
		}
		return p
	}
	routes, err := s.find(r.path)
	if err != nil {
		return s.refuse(r, d, err)
	}
	return s.dispatch(r, d, routes)
}

func (s *Server) dispatch(r *request, d *dialect, routes []route) reply {
	if len(routes) == 0 {
		return s.refuse(r, d, api.Errorf(api.NotFound, "there is nothing at this path"))
	}
	if err := s.checkOrigin(r); err != nil {
		return s.refuse(r, d, err)
	}
	if r.method == "OPTIONS" && r.origin != "" {
		return s.preflight(r, routes)
	}
	methods := ""
	for i := range routes {
		if routes[i].method != r.method {
			methods += ", " + routes[i].method
			continue
		}
		r.record.route = &routes[i]
		if err := s.permit(r, &routes[i]); err != nil {
			return s.refuse(r, d, err)
		}
		lease, err := s.countIn(r, &routes[i])
		if err != nil {
			return s.refuse(r, d, err)
		}
		defer lease.End(0)
		p := routes[i].serve(s, r)
		s.allowOrigin(r, &p)
		return p
	}
	p := s.refuse(r, d, api.Errorf(api.MethodNotAllowed, "this path takes %s", methods[2:]))
	p.set("Allow", methods[2:])
	return p
}

// countIn takes what costs work and generates nothing, such as counting tokens, out of its
// principal's limits. Generations count themselves, as they outlive this.
func (s *Server) countIn(r *request, t *route) (*identity.Lease, *api.Error) {
	if t.method != "POST" || !t.inference || t.invokes {
		return &identity.Lease{}, nil
	}
	return s.meter.Begin(r.who)
}

// refuse makes the reply for an error and records it.
func (s *Server) refuse(r *request, d *dialect, err *api.Error) reply {
	r.record.refusal = err
	p := d.fail(err, r.id)
	s.finishRecord(r, p.status)
	s.allowOrigin(r, &p)
	return p
}

func modelRoute(escaped string, d *dialect) func(*Server, *request) reply {
	return func(s *Server, r *request) reply {
		id, _ := decodeSegment(escaped)
		m := s.modelOf(id)
		if m == nil || !r.mayUse(m) {
			return s.refuse(r, d, unknownModel(id, "model"))
		}
		appendModel := openai.AppendModel
		if d.idHeader == anthropicDialect().idHeader {
			appendModel = anthropic.AppendModel
		}
		p := reply{
			status: 200, contentType: "application/json", body: appendModel(nil, m.info(id)),
		}
		p.set(d.idHeader, r.id)
		return p
	}
}

func unknownModel(id, field string) *api.Error {
	const maxShown = 200
	if len(id) > maxShown {
		id = strings.ToValidUTF8(id[:maxShown], "") + "..."
	}
	return &api.Error{
		Code: api.NotFound, Field: field,
		Message: fmt.Sprintf("the model %q is not served here; GET /v1/models lists all", id),
	}
}

// visible are the models that a request's principal may use, under each of their names.
func (s *Server) visible(r *request) []api.ModelInfo {
	var infos []api.ModelInfo
	for _, m := range s.served {
		if !r.mayUse(m) {
			continue
		}
		for _, id := range append([]string{m.ID}, m.Aliases...) {
			infos = append(infos, *m.info(id))
		}
	}
	return infos
}

func (s *Server) serveModels(r *request) reply {
	body := openai.AppendModels(nil, s.visible(r))
	p := reply{status: 200, contentType: "application/json", body: body}
	p.set("x-request-id", r.id)
	return p
}

func (s *Server) serveAnthropicModels(r *request) reply {
	body := anthropic.AppendModels(nil, s.visible(r))
	p := reply{status: 200, contentType: "application/json", body: body}
	p.set("request-id", r.id)
	return p
}
