package server

import (
	"strings"

	"basalt/server/api"
	"basalt/server/bedrock"
)

// lister answers a list operation of Bedrock's control plane from the models and the raw query.
type lister func(c *bedrock.Control, query string) ([]byte, *api.Error)

// teller appends what an operation tells of one model.
type teller func(c *bedrock.Control, dst []byte, m *api.ModelInfo) []byte

// controlRoutes are the operations of the control plane that name nothing in their path.
func controlRoutes() map[string][]route {
	return map[string][]route{
		"/foundation-models":  lists("ListFoundationModels", (*bedrock.Control).FoundationModels),
		"/inference-profiles": lists("ListInferenceProfiles", (*bedrock.Control).Profiles),
		"/imported-models":    lists("ListImportedModels", listImported),
		"/provisioned-model-throughputs": lists("ListProvisionedModelThroughputs",
			listNone("provisionedModelSummaries", "statusEquals", "modelArnEquals")),
		"/custom-models": lists("ListCustomModels", listNone("modelSummaries",
			"baseModelArnEquals", "foundationModelArnEquals", "isOwned", "modelStatus")),
		"/rerank": {{
			method: "POST", action: "Rerank", inference: true, serve: (*Server).serveRerank,
		}},
	}
}

func lists(action string, of lister) []route {
	return reads(route{action: action, inference: true, serve: func(s *Server, r *request) reply {
		body, err := of(s.control(r), r.query)
		return s.controlReply(r, body, err)
	}})
}

// listImported lists each model once, whatever names it has.
func listImported(c *bedrock.Control, query string) ([]byte, *api.Error) {
	one := bedrock.Control{Place: c.Place}
	for _, m := range c.Models {
		if !m.Alias {
			one.Models = append(one.Models, m)
		}
	}
	return one.ImportedModels(query)
}

func listNone(name string, known ...string) lister {
	return func(_ *bedrock.Control, query string) ([]byte, *api.Error) {
		return bedrock.None(query, name, known...)
	}
}

// controlOf gives the route of an operation that reads one thing, by a raw path.
func controlOf(path string) ([]route, *api.Error) {
	slash := strings.IndexByte(path[1:], '/') + 1
	if slash == 0 {
		return nil, nil
	}
	id, valid := decodeSegment(path[slash+1:])
	var t []route
	switch path[:slash] {
	case "/foundation-models":
		t = tells("GetFoundationModel", id, (*bedrock.Control).AppendFoundationModel)
	case "/inference-profiles":
		t = tells("GetInferenceProfile", id, (*bedrock.Control).AppendProfile)
	case "/imported-models":
		t = tells("GetImportedModel", id, (*bedrock.Control).AppendImportedModel)
	case "/foundation-model-availability":
		t = tells("GetFoundationModelAvailability", id, (*bedrock.Control).AppendAvailability)
	case "/provisioned-model-throughput":
		t = missing("GetProvisionedModelThroughput", "provisioned throughput")
	case "/custom-models":
		t = missing("GetCustomModel", "custom model")
	default:
		return nil, nil
	}
	if !valid || id == "" {
		return nil, api.FieldError("modelIdentifier", "the id in the path is malformed")
	}
	return t, nil
}

func tells(action, id string, of teller) []route {
	return reads(route{action: action, inference: true, serve: func(s *Server, r *request) reply {
		m := s.modelOf(id)
		if m == nil || !r.mayUse(m) {
			return s.refuse(r, bedrockDialect(), unknownModel(id, "modelIdentifier"))
		}
		return s.controlReply(r, of(s.control(r), nil, m.named(id)), nil)
	}})
}

func missing(action, what string) []route {
	return reads(route{action: action, inference: true, serve: func(s *Server, r *request) reply {
		return s.refuse(r, bedrockDialect(), &api.Error{
			Code: api.NotFound, Field: "id", Message: "there is no such " + what + " here",
		})
	}})
}

// control is the control plane as a request's principal sees it.
func (s *Server) control(r *request) *bedrock.Control {
	return &bedrock.Control{Place: s.place(), Models: s.visible(r)}
}

func (s *Server) controlReply(r *request, body []byte, err *api.Error) reply {
	if err != nil {
		return s.refuse(r, bedrockDialect(), err)
	}
	p := reply{status: 200, contentType: "application/json", body: body}
	p.set(bedrockDialect().idHeader, r.id)
	return p
}

// named tells of a model under the name by which it was asked for.
func (m *model) named(id string) *api.ModelInfo {
	name := resource(id)
	for _, alias := range m.Aliases {
		if name == alias || strings.HasSuffix(name, "."+alias) {
			return m.info(alias)
		}
	}
	return m.info(m.ID)
}

// serveRerank answers that nothing here ranks documents, once the request is one.
func (s *Server) serveRerank(r *request) reply {
	id, err := bedrock.DecodeRerank(r.body)
	if err == nil {
		err = unknownModel(id, "modelArn")
		if m := s.modelOf(id); m != nil && r.mayUse(m) {
			err = api.FieldError("modelArn", "modelArn names %q, which does not rank documents",
				m.ID)
		}
	}
	return s.refuse(r, bedrockDialect(), err)
}

// place is where ARNs say that things are.
func (s *Server) place() bedrock.Place {
	def := func(value, or string) string {
		if value == "" {
			return or
		}
		return value
	}
	p := s.cfg.Place
	return bedrock.Place{
		Partition: def(p.Partition, "aws"), Region: def(p.Region, "us-east-1"),
		Account: def(p.Account, "000000000000"),
	}
}
