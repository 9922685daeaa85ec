package bedrock

import (
	"math"

	"basalt/server/api"
)

// Limits of the service model, as the error messages state them.
const (
	maxStops   = 2500
	maxStopLen = 1024 // the house's
)

// Call is what the server knows of a request before its body is read.
type Call struct {
	Model   string // from the path, decoded
	Stream  bool
	Headers InvokeHeaders // of InvokeModel
}

// DecodeConverse reads the body of Converse and ConverseStream.
func DecodeConverse(body []byte, call Call) (*api.Request, *Converse, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{
		Operation: "Converse", Kind: api.Chat, Model: call.Model, NumChoices: 1,
		Stream: call.Stream, TemplateArgs: map[string][]byte{},
	}
	if call.Stream {
		req.Operation = "ConverseStream"
	}
	readConversation(o, req)
	readInference(o, req)
	readOutputConfig(o, req)
	readGuardrailConfig(o, req)
	codec := newConverse(readEchoes(o, req))
	codec.paths = readPaths(o)
	if v, ok := o.Get("promptVariables"); ok {
		v.Fail("is not supported: there are no managed prompts here; leave it out")
	}
	refuse(o)
	return req, codec, root.Err()
}

// readConversation reads what makes the prompt.
func readConversation(o *api.Object, req *api.Request) {
	req.Messages = append(readSystem(o), readMessages(o)...)
	if n := len(req.Messages); n > 0 && req.Messages[n-1].Role == "assistant" {
		req.Prefill = true
	}
	readToolConfig(o, req)
	readExtras(o, req)
}

// refuse reports the first field that was not read: nothing is dropped silently.
func refuse(o *api.Object) {
	for _, v := range o.Unread() {
		v.Fail("is not supported; leave it out")
	}
}

// union checks that a value has exactly one member, which every member of a union's type must.
func union(v api.Value) *api.Object {
	o := v.Object()
	if v.IsObject() && o.Len() != 1 {
		v.Fail("must have exactly one member, not %d", o.Len())
	}
	return o
}

func readSystem(o *api.Object) []api.Message {
	v, ok := o.Get("system")
	if !ok {
		return nil
	}
	var blocks []api.Block
	for _, e := range v.Elements() {
		b := union(e)
		if text, ok := b.Get("text"); ok {
			blocks = append(blocks, readText(text))
		} else if guard, ok := b.Get("guardContent"); ok {
			blocks = append(blocks, readGuardContent(guard))
		} else if point, ok := b.Get("cachePoint"); ok {
			readCachePoint(point)
		}
		refuse(b)
	}
	if len(blocks) == 0 {
		return nil // some clients always send an empty list
	}
	return []api.Message{{Role: "system", Content: blocks}}
}

func readText(v api.Value) api.Block {
	s := v.Str()
	if v.IsString() && s == "" {
		v.Fail("must not be empty")
	}
	return api.Block{Kind: api.BlockText, Text: s}
}

func readInference(o *api.Object, req *api.Request) {
	v, ok := o.Get("inferenceConfig")
	if !ok {
		return
	}
	c := v.Object()
	req.Sampling.MaxTokens = c.Int("maxTokens", 1, math.MaxInt32)
	req.Sampling.MaxTokensField = "inferenceConfig.maxTokens"
	req.Sampling.Temperature = c.Float("temperature", 0, 1)
	req.Sampling.TopP = c.Float("topP", 0, 1)
	if stops, ok := c.Get("stopSequences"); ok {
		req.Stop = stops.Strings(maxStops, maxStopLen)
	}
	refuse(c)
}

// readOutputConfig reads the effort, a variable of chat templates that know it.
func readOutputConfig(o *api.Object, req *api.Request) {
	v, ok := o.Get("outputConfig")
	if !ok {
		return
	}
	c := v.Object()
	if effort := c.OneOf("effort", "low", "medium", "high", "xhigh", "max"); effort != "" {
		setEffort(req, effort)
	}
	if format, ok := c.Get("textFormat"); ok {
		format.Fail("is not supported: output cannot be constrained to a schema; leave it out " +
			"and describe the form in the prompt, or give a tool with the schema and choose it")
	}
	refuse(c)
}

func setEffort(req *api.Request, effort string) {
	req.TemplateArgs["reasoning_effort"] = api.AppendString(nil, effort)
}
