package openai

import (
	"math"

	"basalt/server/api"
)

// DecodeResponse reads the body of a response (the Responses API). Nothing is stored: a
// conversation is always sent whole.
func DecodeResponse(body []byte, call Call) (*api.Request, *Response, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{
		Operation: "Responses", Kind: api.Chat, NumChoices: 1, Model: readModel(o, call),
		TemplateArgs: map[string][]byte{}, Stream: readBool(o, "stream"),
	}
	if v, ok := o.NotNull("instructions"); ok {
		req.Messages = append(req.Messages, textMessage("system", v.Str()))
	}
	readInput(o, req)
	readResponseSampling(o, req)
	readResponseTools(o, req)
	readReasoning(o, req)
	readText(o, req)
	readKept(o)
	refuseFields(o)
	acceptFields(o)
	readMarks(o, req)
	codec := newResponse(o, req, call)
	if err := finish(o, call); err != nil {
		return nil, nil, err
	}
	return req, codec, nil
}

func textMessage(role, text string) api.Message {
	return api.Message{Role: role, Content: []api.Block{{Kind: api.BlockText, Text: text}}}
}

func readResponseSampling(o *api.Object, req *api.Request) {
	s := &req.Sampling
	s.Temperature = number(o, "temperature", 0, maxTemperature)
	s.TopP = number(o, "top_p", 0, 1)
	s.TopK = whole(o, "top_k", -1, math.MaxInt32)
	s.MinP = number(o, "min_p", 0, 1)
	s.RepetitionPenalty = number(o, "repetition_penalty", minRepetition, maxRepetition)
	if v, ok := o.NotNull("seed"); ok {
		s.Seed = api.Some(uint64(v.Int(math.MinInt64, math.MaxInt64)))
	}
	s.MaxTokens = whole(o, "max_output_tokens", 1, math.MaxInt32)
	s.MaxTokensField = "max_output_tokens"
	if top := whole(o, "top_logprobs", 0, maxLogprobs); top.Set && top.Value > 0 {
		v, _ := o.Get("top_logprobs")
		v.Fail("is not supported here; use chat completions")
	}
	readTemplateArgsOf(o, req)
}

func readTemplateArgsOf(o *api.Object, req *api.Request) {
	if v, ok := o.NotNull("chat_template_kwargs"); ok {
		for name, arg := range v.Object().Fields() {
			req.TemplateArgs[name] = arg.Raw()
		}
	}
}

// readKept reads what asks for a memory of the server, which it has not, or changes nothing.
func readKept(o *api.Object) {
	for _, name := range []string{"previous_response_id", "conversation", "prompt"} {
		if v, ok := o.NotNull(name); ok {
			v.Fail("is not supported: nothing is stored here; send the whole conversation")
		}
	}
	if v, ok := o.NotNull("background"); ok && v.Bool() {
		v.Fail("must be false: responses are given at once")
	}
	if v, ok := o.NotNull("truncation"); ok && v.Str() != "disabled" {
		v.Fail("must be \"disabled\": conversations are never cut")
	}
	if v, ok := o.NotNull("include"); ok {
		for _, e := range v.Elements() {
			if s := e.Str(); s != "reasoning.encrypted_content" {
				e.Fail("is not supported; leave it out")
			}
		}
	}
	whole(o, "max_tool_calls", 1, math.MaxInt32) // of the API's own tools
	readStreamOptions(o, true)
}

func readReasoning(o *api.Object, req *api.Request) {
	v, ok := o.NotNull("reasoning")
	if !ok {
		return
	}
	r := v.Object()
	if effort, ok := r.NotNull("effort"); ok {
		req.TemplateArgs["reasoning_effort"] = api.AppendString(nil, effort.Str())
		if effort.Str() == "none" {
			req.TemplateArgs["enable_thinking"] = []byte("false")
		}
	}
	for _, name := range []string{"summary", "generate_summary"} {
		if _, ok := r.NotNull(name); ok {
			r.OneOf(name, "auto", "concise", "detailed") // thinking is given whole
		}
	}
	refuseRest(r)
}

func readText(o *api.Object, req *api.Request) {
	v, ok := o.NotNull("text")
	if !ok {
		return
	}
	t := v.Object()
	if format, ok := t.NotNull("format"); ok {
		refuseFormat(format)
	}
	readVerbosity(t, req)
	refuseRest(t)
}

// refuseFormat refuses output in a form: it would need constrained decoding.
func refuseFormat(v api.Value) {
	f := v.Object()
	kind := f.NeedString("type")
	if kind == "text" || v.Err() != nil {
		refuseRest(f)
		return
	}
	at, _ := f.Get("type")
	for _, name := range []string{"json_schema", "schema"} {
		if schema, ok := f.NotNull(name); ok {
			at = schema
		}
	}
	at.Fail("needs constrained output, which is not supported yet. Give a function with the " +
		"schema in tools and name it in tool_choice (LangChain: with_structured_output(..., " +
		"method=\"function_calling\"); AI SDK: a tool and toolChoice), or describe the form in " +
		"the prompt")
}

// readResponseTools reads functions, which are not wrapped here as in chat completions.
func readResponseTools(o *api.Object, req *api.Request) {
	if v, ok := o.NotNull("tools"); ok {
		if n := v.Len(); n > maxTools {
			v.Fail("has %d tools; at most %d are allowed", n, maxTools)
			return
		}
		for _, e := range v.Elements() {
			t := e.Object()
			if kind := t.NeedString("type"); kind != "function" && e.Err() == nil {
				at, _ := t.Get("type")
				at.Fail("must be \"function\": there are no tools on this server")
			}
			acceptHints(t)
			req.Tools = append(req.Tools, readFunction(t))
		}
	}
	if many, ok := o.NotNull("parallel_tool_calls"); ok {
		req.OneTool = !many.Bool()
	}
	readToolChoice(o, req)
}
