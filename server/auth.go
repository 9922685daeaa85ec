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

func (r *request) mayUse(m *model) bool {
	return r.who.Grant.MayUse(append([]string{m.ID}, m.Aliases...)...)
}
