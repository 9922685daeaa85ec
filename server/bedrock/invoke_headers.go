package bedrock

import (
	"strings"

	"basalt/server/api"
)

// Header names of InvokeModel.
const (
	HeaderLatency = "X-Amzn-Bedrock-PerformanceConfig-Latency"
	HeaderTier    = "X-Amzn-Bedrock-Service-Tier"
)

// configure reads what the headers and any family's body may set.
func (c *Invoke) configure(o *api.Object, req *api.Request, h *InvokeHeaders) *api.Error {
	if err := checkAccept(h.Accept); err != nil {
		return err
	}
	if err := c.echo(req, h); err != nil {
		return err
	}
	if h.MetadataJSON != "" {
		v, err := api.ParseJSON([]byte(h.MetadataJSON))
		if err == nil {
			req.Metadata = readMetadata(v)
			err = v.Err()
		}
		if err != nil {
			return api.FieldError("requestMetadata", "requestMetadata: %s", err.Message)
		}
	}
	return c.guard(o, req, h)
}

// checkAccept refuses to write what is not wanted.
func checkAccept(accept string) *api.Error {
	for part := range strings.SplitSeq(accept, ",") {
		kind, _, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "", "*/*", "application/*", "application/json", StreamContentType:
			return nil
		}
	}
	return api.FieldError("accept", "accept must be \"application/json\"")
}

func (c *Invoke) echo(req *api.Request, h *InvokeHeaders) *api.Error {
	switch h.Latency {
	case "":
	case "standard", "optimized":
		c.headers = append(c.headers, [2]string{HeaderLatency, h.Latency})
	default:
		return api.FieldError("performanceConfigLatency", "performanceConfigLatency must be "+
			"\"standard\" or \"optimized\"")
	}
	switch h.Tier {
	case "":
	case "priority", "default", "flex", "reserved":
		req.Background = h.Tier == "flex"
		c.headers = append(c.headers, [2]string{HeaderTier, h.Tier})
	default:
		return api.FieldError("serviceTier", "serviceTier must be \"priority\", \"default\", "+
			"\"flex\" or \"reserved\"")
	}
	return nil
}

// guard reads the guardrail of the headers and its settings in the body.
func (c *Invoke) guard(o *api.Object, req *api.Request, h *InvokeHeaders) *api.Error {
	config, configured := o.Get(GuardrailKey)
	switch {
	case h.GuardrailID == "" && configured:
		config.Fail("needs the header X-Amzn-Bedrock-GuardrailIdentifier")
	case h.GuardrailID == "":
	case !ValidGuardrailID(h.GuardrailID):
		return api.FieldError("guardrailIdentifier",
			"guardrailIdentifier must be a guardrail's id or ARN")
	case !ValidGuardrailVersion(h.GuardrailVersion):
		return api.FieldError("guardrailVersion",
			"guardrailVersion is required and must be \"DRAFT\" or a number")
	default:
		c.guarded = true
		req.Guardrail = &api.Guardrail{
			ID: h.GuardrailID, Version: h.GuardrailVersion, Trace: traceMode(h.Trace),
		}
	}
	switch h.Trace {
	case "", "ENABLED", "DISABLED", "ENABLED_FULL":
	default:
		return api.FieldError("trace", "trace must be \"ENABLED\", \"DISABLED\" or "+
			"\"ENABLED_FULL\"")
	}
	if configured && config.IsObject() && req.Guardrail != nil {
		s := config.Object()
		mode := s.OneOf("streamProcessingMode", "SYNCHRONOUS", "ASYNCHRONOUS")
		req.Guardrail.Async = mode == "ASYNCHRONOUS"
		if tag, ok := s.Get("tagSuffix"); ok {
			tag.Fail("is not supported: all of the prompt is looked at; leave it out")
		}
		refuse(s)
	}
	return o.Value().Err()
}
