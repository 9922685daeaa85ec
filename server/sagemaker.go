package server

import (
	"strings"

	"basalt/server/api"
	"basalt/server/bedrock"
	"basalt/server/openai"
	"basalt/server/sagemaker"
)

func sagemakerDialect() *dialect { return &dialect{"x-amzn-RequestId", failSageMaker} }

func failSageMaker(err *api.Error, id string) reply {
	name, status := sagemaker.Exception(err)
	p := reply{
		status: status, contentType: "application/json", body: sagemaker.AppendError(nil, err),
	}
	p.set("x-amzn-RequestId", id)
	p.set("x-amzn-ErrorType", name)
	setRetry(&p, err)
	return p
}

// endpointOf gives the route of a call of SageMaker's runtime API: /endpoints/{name}/invocations.
func endpointOf(path string) ([]route, *api.Error) {
	rest, ok := strings.CutPrefix(path, "/endpoints/")
	if !ok {
		return nil, nil
	}
	escaped, call, _ := strings.Cut(rest, "/")
	if call != "invocations" && call != "invocations-response-stream" {
		return nil, nil
	}
	name, valid := decodeSegment(escaped)
	if !valid || name == "" {
		return nil, api.FieldError("EndpointName", "the endpoint in the path is malformed")
	}
	return []route{generates(endpoint(name, call != "invocations"))}, nil
}

func endpoint(name string, stream bool) operation {
	o := operation{
		action: "InvokeEndpoint", dialect: sagemakerDialect(), modelField: "EndpointName",
		headers: [][2]string{{"x-Amzn-Invoked-Production-Variant", sagemaker.Variant}},
		whole: func(p *reply, _ *api.Answer) {
			p.set("x-Amzn-Invoked-Production-Variant", sagemaker.Variant)
		},
		streamType: "text/event-stream; charset=utf-8",
	}
	if stream {
		o.action, o.streamType = "InvokeEndpointWithResponseStream", bedrock.StreamContentType
	}
	o.decode = func(s *Server, r *request) (*api.Request, api.Codec, *api.Error) {
		if len(r.body) > sagemaker.MaxBody {
			return nil, nil, api.FieldError("Body", "Body has %d bytes; at most %d are allowed",
				len(r.body), sagemaker.MaxBody)
		}
		h := sagemaker.Read(r.value, stream)
		if err := h.Check(); err != nil {
			return nil, nil, err
		}
		req, codec, err := decodeInvocation(r, h.Model(name))
		if err != nil || !stream {
			return req, codec, err
		}
		return framed(req, codec)
	}
	return o
}

// framed frames an answer as the runtime API's stream does: as it comes, or in one part where the
// body does not ask for a stream.
func framed(req *api.Request, codec api.Codec) (*api.Request, api.Codec, *api.Error) {
	if !req.Stream {
		req.Stream = true
		codec = &onePart{codec, newCollector(max(1, len(req.Prompts)*req.NumChoices))}
	}
	return req, bedrock.NewPayload(codec, sagemaker.StreamException), nil
}

// onePart writes a stream as the whole answer at its end. It implements api.Codec.
type onePart struct {
	api.Codec
	gathered *collector
}

// AppendEvent implements api.Codec.
func (c *onePart) AppendEvent(dst []byte, e *api.Event) []byte {
	c.gathered.event(e)
	if e.Kind != api.End {
		return dst
	}
	return c.AppendAnswer(dst, &c.gathered.answer)
}

// invocations is the contract of SageMaker's containers: OpenAI's bodies at one path, whose model
// may be left out where there is only one.
func invocations() operation {
	return operation{
		action: "Invocations", dialect: openaiDialect(), modelField: "model",
		headers: sseHeaders(), streamType: "text/event-stream; charset=utf-8",
		decode: func(s *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			only := ""
			if len(s.served) == 1 {
				only = s.served[0].ID
			}
			return decodeInvocation(r, only)
		},
	}
}

// decodeInvocation reads a chat completion or a completion, of a model that the body need not name.
func decodeInvocation(r *request, model string) (*api.Request, api.Codec, *api.Error) {
	root, err := api.ParseJSON(r.body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	if err := root.Err(); err != nil {
		return nil, nil, err
	}
	call := openaiCall(r)
	call.Model = model
	switch {
	case o.Has("messages"):
		return decoded(openai.DecodeChat(r.body, call))
	case o.Has("prompt"):
		return decoded(openai.DecodeCompletion(r.body, call))
	}
	return nil, nil, api.Errorf(api.Invalid, "the body must have \"messages\" (a chat completion) "+
		"or \"prompt\" (a completion)")
}
