package openai

import (
	"math"

	"basalt/server/api"
)

// Call is what the server knows of a request before its body is read.
type Call struct {
	ID      string // without the dialect's prefix
	Created int64  // Unix seconds
	// Model, when not empty, was named outside the body; the body need not name it.
	Model string
	// Known is a field of the body that the caller reads itself; may be empty.
	Known string
}

// DecodeChat reads the body of a chat completion.
func DecodeChat(body []byte, call Call) (*api.Request, *Chat, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{Operation: "ChatCompletions", Kind: api.Chat}
	usage := readCommon(o, req, call)
	req.Messages = readMessages(o)
	readTools(o, req)
	if limit := whole(o, "max_completion_tokens", 1, math.MaxInt32); limit.Set {
		req.Sampling.MaxTokens, req.Sampling.MaxTokensField = limit, "max_completion_tokens"
	}
	readChatLogprobs(o, &req.Sampling)
	readTemplateArgs(o, req)
	if err := finish(o, call); err != nil {
		return nil, nil, err
	}
	return req, NewChat(req, call, usage), nil
}

func readChatLogprobs(o *api.Object, s *api.Sampling) {
	wanted := readBool(o, "logprobs")
	top := whole(o, "top_logprobs", 0, maxLogprobs)
	if top.Set && top.Value > 0 && !wanted {
		v, _ := o.Get("top_logprobs")
		v.Fail("needs logprobs to be true")
	}
	if wanted {
		s.Logprobs = api.Some(top.Or(0))
	}
}

// readTemplateArgs reads the variables that clients may hand to the model's template. A template
// itself is never taken from a request.
func readTemplateArgs(o *api.Object, req *api.Request) {
	req.TemplateArgs = make(map[string][]byte)
	if v, ok := o.NotNull("chat_template_kwargs"); ok {
		for name, arg := range v.Object().Fields() {
			req.TemplateArgs[name] = arg.Raw()
		}
	}
	if v, ok := o.NotNull("reasoning_effort"); ok {
		req.TemplateArgs["reasoning_effort"] = api.AppendString(nil, v.Str())
	}
	readVerbosity(o, req)
}

func readVerbosity(o *api.Object, req *api.Request) {
	if _, ok := o.NotNull("verbosity"); ok {
		how := o.OneOf("verbosity", "low", "medium", "high")
		req.TemplateArgs["verbosity"] = api.AppendString(nil, how)
	}
}
