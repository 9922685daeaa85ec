package server

import (
	"basalt/server/anthropic"
	"basalt/server/api"
	"basalt/server/bedrock"
)

func countTokens(id string) operation {
	return operation{
		action: "CountTokens", dialect: bedrockDialect(), modelField: "modelId",
		count: bedrock.AppendCount,
		decode: func(s *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			call := bedrock.Call{Model: id}
			req, err := bedrock.DecodeCount(r.body, call, s.families(r, id))
			return req, nil, err
		},
	}
}

func countMessage() operation {
	return operation{
		action: "CountMessageTokens", dialect: anthropicDialect(), modelField: "model",
		count: anthropic.AppendCount,
		decode: func(_ *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			req, err := anthropic.DecodeCount(r.body, anthropic.Call{})
			return req, nil, err
		},
	}
}

// count answers an operation that counts.
func (s *Server) count(r *request, op *operation) reply {
	n, err := s.countPrompts(r, op)
	if err != nil {
		return s.refuse(r, op.dialect, err)
	}
	p := reply{status: 200, contentType: "application/json", body: op.count(nil, n)}
	p.set(op.dialect.idHeader, r.id)
	return p
}

// countPrompts makes the prompts as a generation would, so that its usage says the same.
func (s *Server) countPrompts(r *request, op *operation) (int, *api.Error) {
	req, _, err := op.decode(s, r)
	if err != nil {
		return 0, err
	}
	req.ID, req.Tenant = r.id, r.who.Tenant
	r.record.operation = req.Operation
	m := s.modelOf(req.Model)
	if m == nil {
		return 0, unknownModel(req.Model, op.modelField)
	}
	r.record.model = m.ID
	if err := r.permitModel(m); err != nil {
		return 0, err
	}
	if err := s.admit(); err != nil {
		return 0, err
	}
	defer s.inFlight.Add(-1)
	g := &generation{s: s, r: r, req: req, model: m}
	defer g.letGo()
	if err := g.fetch(); err != nil {
		return 0, err
	}
	prompts, err := g.prompts()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, p := range prompts {
		n += len(p)
	}
	return n, nil
}
