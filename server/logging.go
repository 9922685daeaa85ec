package server

import (
	"go.uber.org/zap"

	"basalt/server/api"
	"basalt/server/audit"
)

// The operations of Bedrock's control plane on the invocation log: GET, PUT and DELETE
// /logging/modelinvocations. They say what records hold, and to which bucket of the operator's
// table they are delivered beside the audit log. An account is a tenant.

func loggingRoutes() []route {
	const name = "ModelInvocationLoggingConfiguration"
	return []route{
		{method: "GET", action: "Get" + name, serve: (*Server).getLogging},
		{method: "PUT", action: "Put" + name, serve: (*Server).putLogging},
		{method: "DELETE", action: "Delete" + name, serve: (*Server).deleteLogging},
	}
}

func (s *Server) loggingReply(r *request, body any) reply {
	p := jsonReply(200, body)
	p.set("x-amzn-RequestId", r.id)
	return p
}

func (s *Server) getLogging(r *request) reply {
	body := struct {
		Config *audit.Delivery `json:"loggingConfig,omitempty"`
	}{}
	if s.cfg.Audit != nil {
		if c, set := s.cfg.Audit.Configuration(loggingScope(r)); set {
			body.Config = &c.Delivery
		}
	}
	return s.loggingReply(r, body)
}

func (s *Server) putLogging(r *request) reply {
	d, err := decodeLogging(r.body)
	if err == nil {
		err = s.changeLogging(r, d)
	}
	if err != nil {
		return s.refuse(r, bedrockDialect(), err)
	}
	return s.loggingReply(r, struct{}{})
}

func (s *Server) deleteLogging(r *request) reply {
	if err := s.changeLogging(r, nil); err != nil {
		return s.refuse(r, bedrockDialect(), err)
	}
	return s.loggingReply(r, struct{}{})
}

// loggingScope is whose records a principal configures: its tenant's, or, where the policy grants
// TenantModelInvocationLoggingConfiguration, those of all tenants that have none of their own.
func loggingScope(r *request) string {
	if r.who.Grant.MayDo("TenantModelInvocationLoggingConfiguration", false) {
		return audit.EveryTenant
	}
	return r.who.Tenant
}

// changeLogging records the change before it is made: an act without its record does not happen.
func (s *Server) changeLogging(r *request, d *audit.Delivery) *api.Error {
	if s.cfg.Audit == nil {
		return api.Errorf(api.Invalid, "this server keeps no audit log; the operator starts one "+
			"with --audit FOLDER")
	}
	if err := s.mayLog(r, d); err != nil {
		return err
	}
	scope := loggingScope(r)
	e := s.eventRecord(r, r.record.route.action)
	e.Detail = map[string]any{"scope": scope}
	if d != nil {
		e.Detail["loggingConfig"] = d
	}
	s.logging.Lock()
	defer s.logging.Unlock()
	if err := s.cfg.Audit.Append(e.JSON()); err != nil {
		return s.unrecorded()
	}
	var err error
	if d == nil {
		err = s.cfg.Audit.Unconfigure(scope)
	} else {
		err = s.cfg.Audit.Configure(scope, r.who.Tenant, d)
	}
	s.courier.Changed(scope)
	if err != nil {
		s.log.Error("cannot keep the logging configuration", zap.Error(err))
		return api.Errorf(api.Internal, "the logging configuration could not be kept")
	}
	return nil
}

// mayLog refuses content that the operator does not let out, and destinations that are not there.
func (s *Server) mayLog(r *request, d *audit.Delivery) *api.Error {
	switch {
	case d == nil:
		return nil
	case !s.cfg.Audit.MayDeliver(d):
		return api.Errorf(api.Forbidden, "loggingConfig: the operator does not let prompts and "+
			"answers into the log; leave out what is enabled, or ask for --audit-content allowed")
	case d.S3 == nil:
		return nil
	}
	return s.courier.Check(r.ctx, r.who.Tenant, d.S3)
}
