package bedrock

import (
	"math"
	"slices"

	"basalt/server/api"
)

// Limits that Cohere documents for Command R.
const (
	maxCohereTopK    = 500
	maxCoherePenalty = 1
	cohereTemp       = 0.3
	cohereP          = 0.75
)

// CohereCommandR is the family of Cohere Command R and R+ bodies: one message with a history.
func CohereCommandR() Family {
	return Family{
		Name: "cohere-command-r", Title: "Cohere Command R", Keys: []string{"message"},
		Decode: func(body []byte, call Call) (*api.Request, api.Codec, *api.Error) {
			return decodeCommandR(body, call)
		},
	}
}

func decodeCommandR(body []byte, call Call) (*api.Request, api.Codec, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{Kind: api.Chat, Model: call.Model, NumChoices: 1}
	readCohereSampling(o, req)
	text := o.NeedString("message")
	if o.Bool("raw_prompting").Or(false) {
		req.Kind, req.Prompts = api.Completion, []api.Prompt{{Text: text}}
	} else {
		readCohereChat(o, req, text)
	}
	for _, name := range []string{"search_queries_only", "return_prompt"} {
		if v, ok := o.Get(name); ok && v.Bool() {
			v.Fail("must be false: it is not supported")
		}
	}
	if v, ok := o.Get("prompt_truncation"); ok && v.Str() != "OFF" {
		v.Fail("must be \"OFF\": prompts are never cut")
	}
	o.Get(GuardrailKey)
	refuse(o)
	return req, &commandR{}, root.Err()
}

func readCohereSampling(o *api.Object, req *api.Request) {
	s := &req.Sampling
	s.MaxTokens, s.MaxTokensField = o.Int("max_tokens", 1, math.MaxInt32), "max_tokens"
	s.Temperature = orDefault(o.Float("temperature", 0, 1), cohereTemp)
	s.TopP = orDefault(o.Float("p", 0, 1), cohereP)
	s.TopK = orDefault(o.Int("k", 0, maxCohereTopK), 0)
	s.FrequencyPenalty = o.Float("frequency_penalty", 0, maxCoherePenalty)
	s.PresencePenalty = o.Float("presence_penalty", 0, maxCoherePenalty)
	if seed, ok := o.Get("seed"); ok {
		s.Seed = api.Some(uint64(seed.Int(math.MinInt64, math.MaxInt64)))
	}
	if v, ok := o.Get("stop_sequences"); ok {
		req.Stop = v.Strings(maxStops, maxStopLen)
	}
}

// readCohereChat makes turns of preamble, history, documents, message and the tools' results.
func readCohereChat(o *api.Object, req *api.Request, message string) {
	if p := o.String("preamble"); p.Set && p.Value != "" {
		req.Messages = append(req.Messages, textMessage("system", p.Value))
	}
	if v, ok := o.Get("chat_history"); ok {
		for _, e := range v.Elements() {
			req.Messages = append(req.Messages, readCohereTurn(e))
		}
	}
	documents := ""
	if v, ok := o.Get("documents"); ok {
		for _, e := range v.Elements() {
			d := e.Object()
			documents += "Document " + d.String("title").Or("") + ":\n" + d.NeedString("snippet") +
				"\n\n"
			refuse(d)
		}
	}
	if message != "" || documents != "" {
		req.Messages = append(req.Messages, textMessage("user", documents+message))
	}
	readCohereTools(o, req)
	if v, ok := o.Get("tool_results"); ok {
		appendCohereResults(v, req)
	}
	if len(req.Messages) == 0 {
		o.Value().Fail("has neither a message nor a history")
	}
}

func textMessage(role, text string) api.Message {
	return api.Message{Role: role, Content: []api.Block{{Kind: api.BlockText, Text: text}}}
}

func readCohereTurn(v api.Value) api.Message {
	o := v.Object()
	role := map[string]string{"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}
	name := o.OneOf("role", "USER", "CHATBOT", "SYSTEM")
	if !o.Has("role") {
		o.Missing("role")
	}
	m := textMessage(role[name], o.NeedString("message"))
	refuse(o)
	return m
}

// readCohereTools makes JSON schemas of the tools' definitions of parameters.
func readCohereTools(o *api.Object, req *api.Request) {
	v, ok := o.Get("tools")
	if !ok {
		return
	}
	if n := v.Len(); n > maxTools {
		v.Fail("has %d tools; at most %d are allowed", n, maxTools)
		return
	}
	for _, e := range v.Elements() {
		t := e.Object()
		tool := api.Tool{Name: readToolName(t), Description: t.String("description").Or("")}
		if p, ok := t.Get("parameter_definitions"); ok {
			tool.Schema = cohereSchema(p)
		}
		refuse(t)
		req.Tools = append(req.Tools, tool)
	}
}

func cohereSchema(v api.Value) []byte {
	schema := []byte(`{"type":"object","properties":{`)
	var required []string
	first := true
	for name, p := range v.Object().Fields() {
		d := p.Object()
		if !first {
			schema = append(schema, ',')
		}
		first = false
		schema = append(api.AppendString(schema, name), `:{"type":`...)
		schema = api.AppendString(schema, jsonType(d.String("type").Or("str")))
		if text := d.String("description"); text.Set {
			schema = api.AppendString(append(schema, `,"description":`...), text.Value)
		}
		schema = append(schema, '}')
		if d.Bool("required").Or(false) {
			required = append(required, name)
		}
		refuse(d)
	}
	schema = append(schema, `},"required":[`...)
	for i, name := range required {
		if i > 0 {
			schema = append(schema, ',')
		}
		schema = api.AppendString(schema, name)
	}
	return append(schema, `]}`...)
}

// jsonType is JSON Schema's word for one of Python's types, which Cohere takes.
func jsonType(t string) string {
	names := map[string]string{
		"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array",
		"dict": "object",
	}
	if name, ok := names[t]; ok {
		return name
	}
	return t
}

// appendCohereResults adds the calls, as the assistant's turn, and their results.
func appendCohereResults(v api.Value, req *api.Request) {
	var calls, results []api.Block
	for i, e := range v.Elements() {
		o := e.Object()
		id := string(api.AppendInt([]byte("call_"), i))
		use := api.Block{Kind: api.BlockToolUse, ToolID: id}
		if call, ok := o.Need("call"); ok {
			c := call.Object()
			use.ToolName = readToolName(c)
			if p, ok := c.Need("parameters"); ok {
				p.Object()
				use.Input = p.Raw()
			}
			refuse(c)
		}
		result := api.Block{Kind: api.BlockToolResult, ToolID: id}
		if out, ok := o.Need("outputs"); ok {
			for _, part := range out.Elements() {
				part.Object()
				text := string(part.Raw())
				result.Content = append(result.Content, api.Block{Text: text})
			}
		}
		refuse(o)
		calls, results = append(calls, use), append(results, result)
	}
	req.Messages = append(req.Messages, api.Message{Role: "assistant", Content: calls},
		api.Message{Role: "user", Content: slices.Clip(results)})
}
