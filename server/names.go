package server

import (
	"strings"

	"basalt/server/bedrock"
)

// geographies are what the ids of system-defined inference profiles begin with.
func geographies() []string {
	return []string{
		"us.", "eu.", "apac.", "global.", "us-gov.", "jp.", "au.", "ca.", "sa.", "me.", "af.",
	}
}

// resource is the last part of an ARN of Bedrock, such as an inference profile's id, whatever its
// region and account; other names stay as they are.
func resource(id string) string {
	if !strings.HasPrefix(id, "arn:aws") {
		return id
	}
	parts := strings.SplitN(id, ":", 6)
	if len(parts) < 6 || parts[2] != "bedrock" || parts[3] == "" {
		return id
	}
	_, name, ok := strings.Cut(parts[5], "/")
	if !ok {
		return id
	}
	return name
}

// modelOf finds a served model by its id, an alias, an ARN of one of them or an inference profile
// of one of them; nil when there is none.
func (s *Server) modelOf(id string) *model {
	if m := s.models[id]; m != nil {
		return m
	}
	name := resource(id)
	if m := s.models[name]; m != nil {
		return m
	}
	for _, m := range s.served {
		if bedrock.ImportedID(m.ID) == name {
			return m
		}
	}
	for _, place := range geographies() {
		if rest, ok := strings.CutPrefix(name, place); ok {
			return s.models[rest]
		}
	}
	return nil
}
