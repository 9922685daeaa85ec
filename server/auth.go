package server

import (
	"basalt/server/api"
	"basalt/server/identity"
)

// AuthMode says how requests are attributed to tenants.
type AuthMode uint8

// AuthNone serves everybody as the tenant "local" and reads no credential; AuthKeys asks for one.
const (
	AuthNone AuthMode = iota
	AuthKeys
)

// localTenant is everybody's tenant without authentication.
const localTenant = "local"

func localPrincipal() *identity.Principal {
	return &identity.Principal{
		Name: localTenant, Tenant: localTenant,
		Grant: &identity.Grant{
			Tenant: localTenant, Models: []string{"*"}, Operations: []string{"*"},
		},
	}
}

// authenticate gives the principal of a request.
func (s *Server) authenticate(r *request) (*identity.Principal, *api.Error) {
	if s.cfg.Auth == AuthNone {
		return s.local, nil
	}
	return s.cfg.Identity.Identify(r.proof())
}

// known says before the body is there whether a request may well be its sender's.
func (s *Server) known(r *request) *api.Error {
	if s.cfg.Auth == AuthNone {
		return nil
	}
	return s.cfg.Identity.Known(r.proof())
}

// permit authenticates a request and checks that its principal may do what a route does.
func (s *Server) permit(r *request, t *route) *api.Error {
	if t.open {
		return nil
	}
	who, err := s.authenticate(r)
	if err != nil {
		return err
	}
	r.who = who
	if t.action == "" || !who.Grant.MayDo(t.action, t.inference) {
		return api.Errorf(api.Forbidden, "%s may not do this (%s)", who.Name, t.action)
	}
	return nil
}

// permitModel checks that a principal may use a model.
func (r *request) permitModel(m *model) *api.Error {
	if r.mayUse(m) {
		return nil
	}
	return api.Errorf(api.Forbidden, "You don't have access to the model with the specified model "+
		"ID. %s may not use %q.", r.who.Name, m.ID)
}

// demandGuardrail gives a request the guardrail that the policy demands of its principal. One that
// names another, or another version, is refused: the demand could be evaded otherwise.
func (s *Server) demandGuardrail(r *request, req *api.Request) *api.Error {
	want := r.who.Grant.Guardrail
	if want.ID == "" {
		return nil
	}
	rail := s.cfg.Guardrails.Find(want.ID, want.Version)
	if rail == nil {
		return api.Errorf(api.Forbidden, "the policy demands guardrail %s, version %s, of %s, and "+
			"this server does not have it; tell the operator", want.ID, want.Version, r.who.Name)
	}
	if req.Guardrail == nil {
		req.Guardrail = &api.Guardrail{ID: want.ID, Version: want.Version}
	}
	if s.cfg.Guardrails.Find(req.Guardrail.ID, req.Guardrail.Version) != rail {
		return api.Errorf(api.Forbidden, "%s must use guardrail %s, version %s", r.who.Name,
			want.ID, want.Version)
	}
	req.Guardrail.Async = false
	// Marks say that the guardrail is to look at nothing else.
	for i := range req.Messages {
		for j := range req.Messages[i].Content {
			req.Messages[i].Content[j].Guard = false
		}
	}
	return nil
}

func (r *request) mayUse(m *model) bool {
	return r.who.Grant.MayUse(append([]string{m.ID}, m.Aliases...)...)
}
