package server

import (
	"basalt/server/api"
	"basalt/server/audit"
)

// The operations of Bedrock's control plane on the invocation log: GET, PUT and DELETE
// /logging/modelinvocations. They say what records hold. Where the records go is the operator's to
// say, at the start: destinations of AWS are refused.

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
		if d, set := s.cfg.Audit.Delivery(); set {
			body.Config = &d
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

// decodeLogging reads the body of PutModelInvocationLoggingConfiguration.
func decodeLogging(body []byte) (*audit.Delivery, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	o, d := root.Object(), &audit.Delivery{}
	if v, ok := o.Need("loggingConfig"); ok {
		c := v.Object()
		for name, to := range map[string]*bool{
			"textDataDeliveryEnabled": &d.Text, "imageDataDeliveryEnabled": &d.Image,
			"embeddingDataDeliveryEnabled": &d.Embedding, "videoDataDeliveryEnabled": &d.Video,
			"audioDataDeliveryEnabled": &d.Audio,
		} {
			*to = c.Bool(name).Or(false)
		}
		for _, name := range []string{"s3Config", "cloudWatchConfig"} {
			if at, ok := c.Get(name); ok {
				at.FailWith(ownDestination(name))
			}
		}
		refuseUnread(c)
	}
	refuseUnread(o)
	return d, root.Err()
}

func refuseUnread(o *api.Object) {
	for _, v := range o.Unread() {
		v.Fail("is not supported; leave it out")
	}
}

func ownDestination(field string) *api.Error {
	return api.FieldError("loggingConfig."+field, "loggingConfig.%s: records go to the folder "+
		"that the operator gave by --audit; leave this out", field)
}

// changeLogging records the change before it is made: an act without its record does not happen.
func (s *Server) changeLogging(r *request, d *audit.Delivery) *api.Error {
	if s.cfg.Audit == nil {
		return api.Errorf(api.Invalid, "this server keeps no audit log; the operator starts one "+
			"with --audit FOLDER")
	}
	if d != nil && !s.cfg.Audit.MayDeliver(*d) {
		return api.Errorf(api.Forbidden, "loggingConfig: the operator does not let prompts and "+
			"answers into the log; leave out what is enabled, or ask for --audit-content allowed")
	}
	e := s.eventRecord(r, r.record.route.action)
	if d != nil {
		e.Detail = map[string]any{"loggingConfig": d}
	}
	if err := s.cfg.Audit.Append(e.JSON()); err != nil {
		return s.unrecorded()
	}
	if err := s.cfg.Audit.SetDelivery(d); err != nil {
		return api.Errorf(api.Internal, "the logging configuration could not be kept")
	}
	return nil
}
