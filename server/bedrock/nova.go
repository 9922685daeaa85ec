package bedrock

import (
	"math"

	"basalt/server/api"
)

// Nova is the family of Amazon Nova bodies: those of Converse with the model's own settings, and
// events in JSON.
func Nova() Family {
	return Family{
		Name: "nova", Title: "Amazon Nova", Keys: []string{"messages"}, MetricsLast: true,
		Fits: fitsNova,
		Decode: func(body []byte, call Call) (*api.Request, api.Codec, *api.Error) {
			return decodeNova(body, call)
		},
	}
}

// fitsNova tells Converse's messages, whose parts have no type, from those of other chats.
func fitsNova(o *api.Object) bool {
	for _, key := range []string{"schemaVersion", "inferenceConfig", "toolConfig"} {
		if o.Has(key) {
			return true
		}
	}
	v, _ := o.Get("messages")
	if !v.IsArray() {
		return false
	}
	for _, m := range v.Elements() {
		if !m.IsObject() {
			return false
		}
		content, ok := m.Object().Get("content")
		if !ok || !content.IsArray() {
			return false
		}
		for _, part := range content.Elements() {
			return part.IsObject() && !part.Object().Has("type")
		}
	}
	return false
}

func decodeNova(body []byte, call Call) (*api.Request, api.Codec, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{
		Kind: api.Chat, Model: call.Model, NumChoices: 1, Stream: call.Stream,
		TemplateArgs: map[string][]byte{},
	}
	if v, ok := o.Get("schemaVersion"); ok && v.Str() != "messages-v1" {
		v.Fail("must be \"messages-v1\"")
	}
	readConversation(o, req)
	if v, ok := o.Get("inferenceConfig"); ok {
		readNovaInference(v.Object(), req)
	}
	o.Get(GuardrailKey)
	refuse(o)
	return req, &Converse{frames: novaFrames()}, root.Err()
}

func readNovaInference(c *api.Object, req *api.Request) {
	s := &req.Sampling
	s.MaxTokens = c.Int("maxTokens", 1, math.MaxInt32)
	s.MaxTokensField = "inferenceConfig.maxTokens"
	if old := c.Int("max_new_tokens", 1, math.MaxInt32); old.Set {
		s.MaxTokens, s.MaxTokensField = old, "inferenceConfig.max_new_tokens"
	}
	s.Temperature = c.Float("temperature", 0, 1)
	s.TopP = either(s.TopP, c.Float("topP", 0, 1), c.Float("top_p", 0, 1))
	s.TopK = either(s.TopK, c.Int("topK", 0, math.MaxInt32), c.Int("top_k", 0, math.MaxInt32))
	if stops, ok := c.Get("stopSequences"); ok {
		req.Stop = stops.Strings(maxStops, maxStopLen)
	}
	if r, ok := c.Get("reasoningConfig"); ok {
		readReasoningConfig(r.Object(), req)
	}
	refuse(c)
}

// either is the last that is set.
func either[T any](values ...api.Opt[T]) (last api.Opt[T]) {
	for _, v := range values {
		if v.Set {
			last = v
		}
	}
	return last
}
