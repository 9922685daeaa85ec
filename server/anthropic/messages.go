package anthropic

import (
	"math"

	"basalt/server/api"
)

// Limits of a body. Those of tools and stop strings are the house's.
const (
	maxMessages = 100_000
	maxTools    = 1024
	maxStops    = 8191
	maxStopLen  = 1024
	maxUserID   = 512
	maxBetas    = 256
)

// Call is what the server knows of a request before its body is read.
type Call struct {
	ID string // without the dialect's prefix
	// Model, when not empty, was named outside the body: the call is InvokeModel's, whose body
	// names a version instead.
	Model string
}

// DecodeMessages reads the body of a message to be answered.
func DecodeMessages(body []byte, call Call) (*api.Request, *Messages, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := newRequest(o, call)
	readSettings(o, req)
	if _, ok := o.NotNull("max_tokens"); !ok {
		o.Missing("max_tokens")
	}
	refuse(o)
	return req, newMessages(req, call), root.Err()
}

// DecodeCount reads the body of a message whose tokens are to be counted.
func DecodeCount(body []byte, call Call) (*api.Request, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	o := root.Object()
	req := newRequest(o, call)
	req.Operation = "CountMessageTokens"
	readOutputConfig(o, req)
	refuse(o)
	return req, root.Err()
}

// AppendCount appends the answer of a count.
func AppendCount(dst []byte, tokens int) []byte {
	return append(api.AppendInt(append(dst, `{"input_tokens":`...), tokens), '}')
}

// newRequest reads what makes the prompt.
func newRequest(o *api.Object, call Call) *api.Request {
	req := &api.Request{
		Operation: "Messages", Kind: api.Chat, NumChoices: 1, Model: call.Model,
		TemplateArgs: map[string][]byte{},
	}
	if call.Model == "" {
		req.Model = o.NeedString("model")
		if v, ok := o.Get("model"); ok && req.Model == "" {
			v.Fail("must not be empty")
		}
	} else {
		readVersion(o)
	}
	readCacheControl(o)
	req.Messages = append(readSystem(o), readMessages(o)...)
	if n := len(req.Messages); n > 0 && req.Messages[n-1].Role == "assistant" {
		req.Prefill = true
	}
	readTools(o, req)
	readThinking(o, req)
	return req
}

// readVersion reads what InvokeModel's bodies have instead of headers. Every version that clients
// send asks for the shapes of 2023-06-01; betas only allow fields, each of which is read or refused
// by itself.
func readVersion(o *api.Object) {
	if o.NeedString("anthropic_version") == "" && o.Has("anthropic_version") {
		v, _ := o.Get("anthropic_version")
		v.Fail("must not be empty")
	}
	if v, ok := o.NotNull("anthropic_beta"); ok {
		v.Strings(maxBetas, maxStopLen)
	}
	o.String("model") // named by the path
	o.Get("amazon-bedrock-guardrailConfig")
}

// refuse reports the first field that was not read: nothing is dropped silently.
func refuse(o *api.Object) {
	for _, v := range o.Unread() {
		if v.IsNull() {
			continue // the SDKs write what is left out so
		}
		v.Fail("is not supported; leave it out")
	}
}

func readSystem(o *api.Object) []api.Message {
	v, ok := o.NotNull("system")
	if !ok {
		return nil
	}
	var blocks []api.Block
	if v.IsString() {
		blocks = []api.Block{{Kind: api.BlockText, Text: v.Str()}}
	} else {
		for _, e := range v.Elements() {
			blocks = append(blocks, readTextBlock(e))
		}
	}
	if len(blocks) == 0 || len(blocks) == 1 && blocks[0].Text == "" {
		return nil
	}
	return []api.Message{{Role: "system", Content: blocks}}
}

func readMessages(o *api.Object) []api.Message {
	v, ok := o.Need("messages")
	if !ok {
		return nil
	}
	if n := v.Len(); v.IsArray() && (n == 0 || n > maxMessages) {
		v.Fail("must have 1 to %d messages, not %d", maxMessages, n)
		return nil
	}
	var messages []api.Message
	for _, e := range v.Elements() {
		m := e.Object()
		msg := api.Message{Role: m.OneOf("role", "user", "assistant", "system")}
		if !m.Has("role") {
			m.Missing("role")
		}
		if content, ok := m.Need("content"); ok {
			msg.Content = readContent(content)
		}
		refuse(m)
		messages = append(messages, msg)
	}
	return messages
}

// readCacheControl checks a mark of the prompt cache. It asks for nothing that the prefix cache
// does not do anyway.
func readCacheControl(o *api.Object) {
	v, ok := o.NotNull("cache_control")
	if !ok {
		return
	}
	c := v.Object()
	if c.OneOf("type", "ephemeral"); !c.Has("type") {
		c.Missing("type")
	}
	c.OneOf("ttl", "5m", "1h")
	if scope, ok := c.NotNull("scope"); ok {
		scope.Str()
	}
	refuse(c)
}

func whole(o *api.Object, name string, lo int) api.Opt[int] {
	if _, ok := o.NotNull(name); !ok {
		return api.Opt[int]{}
	}
	return o.Int(name, lo, math.MaxInt32)
}

func number(o *api.Object, name string, lo, hi float64) api.Opt[float64] {
	if _, ok := o.NotNull(name); !ok {
		return api.Opt[float64]{}
	}
	return o.Float(name, lo, hi)
}
