package server

import (
	"strconv"

	"basalt/server/anthropic"
	"basalt/server/api"
	"basalt/server/bedrock"
	"basalt/server/openai"
)

// operation is a call of a model: how its body is read and its answer sent.
type operation struct {
	action     string // the policy's name of it: the API's own
	dialect    *dialect
	modelField string // where the dialect names the model
	decode     func(s *Server, r *request) (*api.Request, api.Codec, *api.Error)
	streamType string
	headers    [][2]string // of a stream
	// whole sets headers of an answer that is not streamed; it may be nil.
	whole func(p *reply, a *api.Answer)
	// count, where it is set, makes the answer of how many tokens the prompt has: nothing is
	// generated then, and there is no codec.
	count func(dst []byte, tokens int) []byte
}

func sseHeaders() [][2]string {
	return [][2]string{{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}
}

func chatCompletions() operation {
	return operation{
		action: "ChatCompletions", dialect: openaiDialect(), modelField: "model",
		headers: sseHeaders(), streamType: "text/event-stream; charset=utf-8",
		decode: func(_ *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			return decoded(openai.DecodeChat(r.body, openaiCall(r)))
		},
	}
}

func completions() operation {
	return operation{
		action: "Completions", dialect: openaiDialect(), modelField: "model",
		headers: sseHeaders(), streamType: "text/event-stream; charset=utf-8",
		decode: func(_ *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			return decoded(openai.DecodeCompletion(r.body, openaiCall(r)))
		},
	}
}

func messages() operation {
	return operation{
		action: "Messages", dialect: anthropicDialect(), modelField: "model",
		headers: sseHeaders(), streamType: "text/event-stream; charset=utf-8",
		decode: func(_ *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			return decoded(anthropic.DecodeMessages(r.body, anthropic.Call{ID: r.id}))
		},
	}
}

func responses() operation {
	return operation{
		action: "Responses", dialect: openaiDialect(), modelField: "model",
		headers: sseHeaders(), streamType: "text/event-stream; charset=utf-8",
		decode: func(_ *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			return decoded(openai.DecodeResponse(r.body, openaiCall(r)))
		},
	}
}

func openaiCall(r *request) openai.Call {
	return openai.Call{ID: r.id, Created: r.arrived.Unix()}
}

// decoded keeps a nil codec of a failed decoding from becoming an interface that is not nil.
func decoded[C api.Codec](req *api.Request, codec C, err *api.Error) (*api.Request, api.Codec,
	*api.Error,
) {
	if err != nil {
		return nil, nil, err
	}
	return req, codec, nil
}

// modelOperations are the last parts of /model/{id}/...
func modelOperations() map[string]func(id string) operation {
	return map[string]func(id string) operation{
		"converse":                    func(id string) operation { return converse(id, false) },
		"converse-stream":             func(id string) operation { return converse(id, true) },
		"invoke":                      func(id string) operation { return invoke(id, false) },
		"invoke-with-response-stream": func(id string) operation { return invoke(id, true) },
		"count-tokens":                countTokens,
	}
}

// bidirectional is the operation of models that listen while they speak.
const bidirectional = "invoke-with-bidirectional-stream"

// checkBidirectional refuses that operation by its path: its body has no end to wait for.
func checkBidirectional(path string) *api.Error {
	if _, op, ok := splitModelPath(path); !ok || op != bidirectional {
		return nil
	}
	return api.FieldError("modelId", "InvokeModelWithBidirectionalStream is for models of speech, "+
		"and none is served here; use ConverseStream")
}

func converse(id string, stream bool) operation {
	action := "Converse"
	if stream {
		action = "ConverseStream"
	}
	return operation{
		action: action, dialect: bedrockDialect(), modelField: "modelId",
		streamType: bedrock.StreamContentType,
		decode: func(_ *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			return decoded(bedrock.DecodeConverse(r.body, bedrock.Call{Model: id, Stream: stream}))
		},
	}
}

func invoke(id string, stream bool) operation {
	action := "InvokeModel"
	if stream {
		action = "InvokeModelWithResponseStream"
	}
	return operation{
		action: action, dialect: bedrockDialect(), modelField: "modelId",
		streamType: bedrock.StreamContentType,
		headers:    [][2]string{{"X-Amzn-Bedrock-Content-Type", "application/json"}},
		whole:      setInvokeHeaders,
		decode: func(s *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			call := bedrock.Call{Model: id, Stream: stream, Headers: invokeHeaders(r, stream)}
			return decoded(bedrock.DecodeInvoke(r.body, call, s.families(r, id)))
		},
	}
}

func invokeHeaders(r *request, stream bool) bedrock.InvokeHeaders {
	accept := "accept"
	if stream {
		accept = "x-amzn-bedrock-accept"
	}
	return bedrock.InvokeHeaders{
		Accept:           r.value(accept),
		GuardrailID:      r.value("x-amzn-bedrock-guardrailidentifier"),
		GuardrailVersion: r.value("x-amzn-bedrock-guardrailversion"),
		Trace:            r.value("x-amzn-bedrock-trace"),
		Latency:          r.value("x-amzn-bedrock-performanceconfig-latency"),
		Tier:             r.value("x-amzn-bedrock-service-tier"),
		MetadataJSON:     r.value("x-amzn-bedrock-request-metadata"),
	}
}

func setInvokeHeaders(p *reply, a *api.Answer) {
	p.set("X-Amzn-Bedrock-Input-Token-Count", strconv.Itoa(a.Usage.Input))
	p.set("X-Amzn-Bedrock-Output-Token-Count", strconv.Itoa(a.Usage.Output))
	p.set("X-Amzn-Bedrock-Cache-Read-Input-Token-Count", strconv.Itoa(a.Usage.CacheRead))
	p.set("X-Amzn-Bedrock-Cache-Write-Input-Token-Count", strconv.Itoa(a.Usage.CacheWrite))
	p.set("X-Amzn-Bedrock-Invocation-Latency",
		strconv.FormatInt(a.Timing.Latency.Milliseconds(), 10))
}
