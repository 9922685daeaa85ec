package openai

import (
	"math"
	"strings"

	"basalt/server/api"
)

const (
	maxMessages = 1 << 16
	maxTools    = 128 // OpenAI's limit
	maxToolName = 64
)

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
	for _, m := range v.Elements() {
		messages = append(messages, readMessage(m))
	}
	return messages
}

func readMessage(v api.Value) api.Message {
	o := v.Object()
	m := api.Message{Role: o.OneOf("role", "system", "developer", "user", "assistant", "tool")}
	if !o.Has("role") {
		o.Missing("role")
	}
	if name, ok := o.NotNull("name"); ok {
		m.Name = name.Str()
	}
	switch m.Role {
	case "developer":
		m.Role = "system"
		m.Content = readContent(o, true)
	case "assistant":
		m.Content = readAssistant(o)
	case "tool":
		m.Content = []api.Block{{
			Kind: api.BlockToolResult, ToolID: o.NeedString("tool_call_id"),
			Content: readContent(o, true),
		}}
	default:
		m.Content = readContent(o, true)
	}
	refuseRest(o)
	return m
}

// readAssistant reads an earlier answer: thinking, text, tool calls, in the order in which a model
// writes them.
func readAssistant(o *api.Object) []api.Block {
	var blocks []api.Block
	for _, name := range []string{"reasoning_content", "reasoning"} {
		if v, ok := o.NotNull(name); ok && len(blocks) == 0 {
			blocks = append(blocks, api.Block{Kind: api.BlockReasoning, Text: v.Str()})
		}
	}
	calls, hasCalls := o.NotNull("tool_calls")
	refusal, hasRefusal := o.NotNull("refusal")
	blocks = append(blocks, readContent(o, !hasCalls && !hasRefusal && len(blocks) == 0)...)
	if hasRefusal {
		blocks = append(blocks, api.Block{Kind: api.BlockText, Text: refusal.Str()})
	}
	acceptAnswer(o)
	if hasCalls {
		for _, call := range calls.Elements() {
			blocks = append(blocks, readToolCall(call))
		}
	}
	return blocks
}

// acceptAnswer reads members of an earlier answer that says nothing to the model.
func acceptAnswer(o *api.Object) {
	if v, ok := o.NotNull("annotations"); ok {
		for _, e := range v.Elements() {
			e.Object()
		}
	}
	for _, name := range []string{"audio", "function_call"} {
		if v, ok := o.NotNull(name); ok {
			v.Fail("is not supported; send content and tool_calls")
		}
	}
}

func readToolCall(v api.Value) api.Block {
	o := v.Object()
	refuseCustom(o)
	o.OneOf("type", "function")
	if i, ok := o.NotNull("index"); ok {
		i.Int(0, math.MaxInt32) // of a stream's delta
	}
	b := api.Block{Kind: api.BlockToolUse, ToolID: o.NeedString("id")}
	if fn, ok := o.Need("function"); ok {
		f := fn.Object()
		b.ToolName = f.NeedString("name")
		b.Input = arguments(f.String("arguments").Or("{}"))
		refuseRest(f)
	}
	refuseRest(o)
	return b
}

// arguments gives the JSON of a call's arguments. What a model wrote badly once comes back in every
// later turn, so text that is no JSON is kept as a JSON string instead of being refused.
func arguments(text string) []byte {
	if strings.TrimSpace(text) == "" {
		return []byte("{}")
	}
	if v, err := api.ParseJSON([]byte(text)); err == nil && v.IsObject() {
		return []byte(text)
	}
	return api.AppendString(nil, text)
}

// readContent reads a message's content: a string or an array of parts.
func readContent(o *api.Object, required bool) []api.Block {
	v, ok := o.Get("content")
	switch {
	case !ok && required:
		o.Missing("content")
		return nil
	case !ok || !required && v.IsNull():
		return nil
	case v.IsString():
		return []api.Block{{Kind: api.BlockText, Text: v.Str()}}
	case !v.IsArray():
		v.Fail("must be a string or an array of parts")
		return nil
	}
	var blocks []api.Block
	for _, part := range v.Elements() {
		blocks = append(blocks, readPart(part))
	}
	return blocks
}

func readPart(v api.Value) api.Block {
	o := v.Object()
	b := readPartOf(o)
	acceptHints(o)
	refuseRest(o)
	return b
}

func readPartOf(o *api.Object) api.Block {
	for _, name := range []string{"input_audio", "file"} {
		if v, ok := o.NotNull(name); ok {
			v.Fail("is not supported: the models here read text; leave it out")
		}
	}
	switch kind := o.OneOf("type", "text", "refusal", "image_url"); kind {
	case "image_url":
		return readImage(o)
	case "":
		if !o.Has("type") {
			o.Missing("type")
		}
		return api.Block{}
	default:
		return api.Block{Kind: api.BlockText, Text: o.NeedString(kind)}
	}
}

// readImage reads a data URL. Nothing is ever fetched.
func readImage(o *api.Object) api.Block {
	v, ok := o.Need("image_url")
	if !ok {
		return api.Block{}
	}
	img := v.Object()
	url := img.NeedString("url")
	if _, ok := img.NotNull("detail"); ok {
		img.OneOf("detail", "auto", "low", "high", "original")
	}
	refuseRest(img)
	head, data, found := strings.Cut(url, ";base64,")
	format, isImage := strings.CutPrefix(head, "data:image/")
	if !found || !isImage {
		v.Fail("must be a data: URL with base64; addresses are not fetched")
	}
	return api.Block{Kind: api.BlockImage, Format: format, Data: []byte(data)}
}

func readTools(o *api.Object, req *api.Request) {
	v, ok := o.NotNull("tools")
	if ok {
		if n := v.Len(); n > maxTools {
			v.Fail("has %d tools; at most %d are allowed", n, maxTools)
			return
		}
		for _, t := range v.Elements() {
			req.Tools = append(req.Tools, readTool(t))
		}
	}
	if many, ok := o.NotNull("parallel_tool_calls"); ok {
		req.OneTool = !many.Bool()
	}
	readToolChoice(o, req)
}

func readTool(v api.Value) api.Tool {
	o := v.Object()
	refuseCustom(o)
	o.OneOf("type", "function")
	fn, ok := o.Need("function")
	acceptHints(o)
	refuseRest(o)
	if !ok {
		return api.Tool{}
	}
	return readFunction(fn.Object())
}

// refuseCustom refuses tools whose input is no JSON.
func refuseCustom(o *api.Object) {
	if v, ok := o.NotNull("custom"); ok {
		v.Fail("is not supported; use \"function\"")
	}
}

// readFunction reads a function and all that stands beside it.
func readFunction(f *api.Object) api.Tool {
	t := api.Tool{Name: f.NeedString("name")}
	if name, ok := f.Get("name"); ok && !validName(t.Name) {
		name.Fail("must have 1 to %d letters, digits, underscores and hyphens", maxToolName)
	}
	if d, ok := f.NotNull("description"); ok {
		t.Description = d.Str()
	}
	if s, ok := f.NotNull("parameters"); ok {
		s.Object()
		t.Schema = s.Raw()
	}
	if s, ok := f.NotNull("strict"); ok {
		if s.Bool() {
			s.Fail("must be false: arguments cannot be constrained to the schema yet, which is " +
				"shown to the model; leave it out")
		}
	}
	refuseRest(f)
	return t
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxToolName
}

func readToolChoice(o *api.Object, req *api.Request) {
	v, ok := o.NotNull("tool_choice")
	if !ok {
		return
	}
	if v.IsObject() {
		c := v.Object()
		refuseCustom(c)
		if allowed, ok := c.NotNull("allowed_tools"); ok {
			allowed.Fail("is not supported; send the tools that are allowed alone")
		}
		c.OneOf("type", "function")
		req.ToolChoice.Mode = api.ToolNamed
		if fn, ok := c.Get("function"); ok {
			f := fn.Object()
			req.ToolChoice.Name = f.NeedString("name")
			refuseRest(f)
		} else {
			req.ToolChoice.Name = c.NeedString("name") // as in responses
		}
		refuseRest(c)
		if !knownTool(req.Tools, req.ToolChoice.Name) {
			v.Fail("names a function that is not in tools")
		}
		return
	}
	switch o.OneOf("tool_choice", "none", "auto", "required", "any") {
	case "none":
		req.ToolChoice.Mode = api.ToolNone
	case "required", "any":
		req.ToolChoice.Mode = api.ToolRequired
		if len(req.Tools) == 0 {
			v.Fail("asks for a tool, but there are no tools")
		}
	}
}

func knownTool(tools []api.Tool, name string) bool {
	for i := range tools {
		if tools[i].Name == name {
			return true
		}
	}
	return false
}
