package server

import (
	"basalt/server/api"
	"basalt/server/bedrock"
	"basalt/server/guardrail"
)

// applyOf gives the route of ApplyGuardrail: /guardrail/{id}/version/{version}/apply.
func applyOf(path string) ([]route, *api.Error) {
	id, version, ok := splitGuardrailPath(path)
	if !ok {
		return nil, nil
	}
	id, valid := decodeSegment(id)
	switch {
	case !valid || !bedrock.ValidGuardrailID(id):
		return nil, api.FieldError("guardrailIdentifier",
			"guardrailIdentifier must be a guardrail's id or ARN")
	case !bedrock.ValidGuardrailVersion(version):
		return nil, api.FieldError("guardrailVersion",
			"guardrailVersion must be \"DRAFT\" or a number")
	}
	return []route{{
		method: "POST", action: "ApplyGuardrail", inference: true,
		serve: func(s *Server, r *request) reply { return s.applyGuardrail(r, id, version) },
	}}, nil
}

func (s *Server) applyGuardrail(r *request, id, version string) reply {
	r.record.operation = "ApplyGuardrail"
	call, err := bedrock.DecodeApply(r.body)
	if err != nil {
		return s.refuse(r, bedrockDialect(), err)
	}
	mode := api.TraceOff
	if call.Full {
		mode = api.TraceFull
	}
	d, err := s.newWarden(&api.Request{
		Guardrail: &api.Guardrail{ID: id, Version: version, Trace: mode},
	})
	if err != nil {
		return s.refuse(r, bedrockDialect(), err)
	}
	outputs := d.apply(call)
	return s.controlReply(r, bedrock.AppendApplied(nil, d.trace, outputs), nil)
}

// apply looks at the texts of a call. It gives what is to be used instead of them, if anything is.
func (d *warden) apply(call *bedrock.Application) []string {
	direction, message := guardrail.Input, d.rail.BlockedInput
	if call.Output {
		direction, message = guardrail.Output, d.rail.BlockedOutput
	}
	marked := false
	for _, g := range call.Guarded {
		marked = marked || g
	}
	a := d.rail.New()
	outputs := make([]string, len(call.Texts))
	for i, text := range call.Texts {
		outputs[i] = text
		if marked && !call.Guarded[i] {
			a.Total += len([]rune(text))
			continue
		}
		outputs[i] = d.rail.Check(text, direction, a)
	}
	d.trace.Input = a
	intervened(d.trace, a)
	switch a.Action() {
	case api.GuardBlock:
		return []string{message}
	case api.GuardMask:
		return outputs
	}
	return nil
}
