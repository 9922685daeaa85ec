package bedrock

import (
	"encoding/base64"
	"unicode/utf8"

	"basalt/server/api"
)

const (
	maxToolID   = 64
	maxDocName  = 200
	maxMessages = 1 << 16
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
	for _, e := range v.Elements() {
		m := e.Object()
		msg := api.Message{Role: m.OneOf("role", "user", "assistant")}
		if !m.Has("role") {
			m.Missing("role")
		}
		if content, ok := m.Need("content"); ok {
			if content.IsArray() && content.Len() == 0 {
				content.Fail("must not be empty")
			}
			for _, block := range content.Elements() {
				msg.Content = appendBlock(msg.Content, block)
			}
		}
		refuse(m)
		messages = append(messages, msg)
	}
	return messages
}

// appendBlock reads one member of the ContentBlock union.
func appendBlock(blocks []api.Block, v api.Value) []api.Block {
	o := v.Object()
	if v.IsObject() && o.Len() != 1 {
		v.Fail("must have exactly one member, not %d", o.Len())
		return blocks
	}
	for name, member := range o.Fields() {
		switch name {
		case "text":
			blocks = append(blocks, readText(member))
		case "image":
			blocks = append(blocks, readImage(member))
		case "document":
			blocks = append(blocks, readDocument(member))
		case "toolUse":
			blocks = append(blocks, readToolUse(member))
		case "toolResult":
			blocks = append(blocks, readToolResult(member))
		case "reasoningContent":
			blocks = appendReasoning(blocks, member)
		case "cachePoint":
			readCachePoint(member)
		default:
			member.Fail("is not supported; leave it out")
		}
	}
	return blocks
}

// readCachePoint checks a cache point. It asks for nothing that the prefix cache does not do
// anyway.
func readCachePoint(v api.Value) {
	o := v.Object()
	if o.OneOf("type", "default"); !o.Has("type") {
		o.Missing("type")
	}
	o.OneOf("ttl", "5m", "1h")
	refuse(o)
}

func readImage(v api.Value) api.Block {
	o := v.Object()
	b := api.Block{Kind: api.BlockImage, Format: o.OneOf("format", "png", "jpeg", "gif", "webp")}
	if src, ok := o.Need("source"); ok {
		b.Data = readBytes(src.Object())
	}
	refuse(o)
	return b
}

// readBytes reads the bytes member of a source.
func readBytes(o *api.Object) []byte {
	v, ok := o.Get("bytes")
	refuse(o)
	if !ok {
		o.Missing("bytes")
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(v.Str())
	if err != nil {
		v.Fail("must be base64")
	}
	return data
}

// readDocument reads a document in a text format as text under its name.
func readDocument(v api.Value) api.Block {
	o := v.Object()
	name := o.NeedString("name")
	if n, ok := o.Get("name"); ok && (name == "" || len(name) > maxDocName) {
		n.Fail("must have 1 to %d bytes, not %d", maxDocName, len(name))
	}
	if f, ok := o.Get("format"); ok && !textFormat(f.Str()) {
		f.Fail("must be \"txt\", \"md\", \"csv\" or \"html\"; other formats are not read")
	}
	text := ""
	if src, ok := o.Need("source"); ok {
		text = readSource(src)
	}
	context := o.String("context").Or("")
	refuse(o)
	if context != "" {
		context += "\n"
	}
	return api.Block{Kind: api.BlockText, Text: "Document " + name + ":\n" + context + text + "\n"}
}

func textFormat(f string) bool { return f == "txt" || f == "md" || f == "csv" || f == "html" }

func readSource(v api.Value) string {
	o := v.Object()
	if text, ok := o.Get("text"); ok {
		refuse(o)
		return text.Str()
	}
	if parts, ok := o.Get("content"); ok {
		text := ""
		for _, p := range parts.Elements() {
			text += p.Object().NeedString("text")
		}
		refuse(o)
		return text
	}
	data := readBytes(o)
	if !utf8.Valid(data) {
		v.Fail("must be UTF-8 text")
	}
	return string(data)
}

func readToolID(o *api.Object) string {
	id := o.NeedString("toolUseId")
	if v, ok := o.Get("toolUseId"); ok && !validID(id, maxToolID, "_.:-") {
		v.Fail("must have 1 to %d letters, digits or \"_.:-\"", maxToolID)
	}
	return id
}

func validID(s string, limit int, marks string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !containsByte(marks, c) {
			return false
		}
	}
	return s != "" && len(s) <= limit
}

func containsByte(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == c {
			return true
		}
	}
	return false
}

func readToolUse(v api.Value) api.Block {
	o := v.Object()
	b := api.Block{Kind: api.BlockToolUse, ToolID: readToolID(o), ToolName: o.NeedString("name")}
	if in, ok := o.Need("input"); ok {
		b.Input = in.Raw()
	}
	o.OneOf("type", "server_tool_use")
	refuse(o)
	return b
}

func readToolResult(v api.Value) api.Block {
	o := v.Object()
	b := api.Block{Kind: api.BlockToolResult, ToolID: readToolID(o)}
	b.IsError = o.OneOf("status", "success", "error") == "error"
	if content, ok := o.Need("content"); ok {
		for _, e := range content.Elements() {
			b.Content = appendResult(b.Content, e)
		}
	}
	o.String("type")
	refuse(o)
	return b
}

// appendResult reads one member of the ToolResultContentBlock union; JSON is given to the model as
// text.
func appendResult(blocks []api.Block, v api.Value) []api.Block {
	o := v.Object()
	if v.IsObject() && o.Len() != 1 {
		v.Fail("must have exactly one member, not %d", o.Len())
		return blocks
	}
	for name, member := range o.Fields() {
		switch name {
		case "text":
			blocks = append(blocks, api.Block{Kind: api.BlockText, Text: member.Str()})
		case "json":
			blocks = append(blocks, api.Block{Kind: api.BlockText, Text: string(member.Raw())})
		case "document":
			blocks = append(blocks, readDocument(member))
		case "image":
			blocks = append(blocks, readImage(member))
		default:
			member.Fail("is not supported; leave it out")
		}
	}
	return blocks
}

// appendReasoning reads earlier thinking. A redacted one says nothing to a local model and is left
// out.
func appendReasoning(blocks []api.Block, v api.Value) []api.Block {
	o := v.Object()
	if v.IsObject() && o.Len() != 1 {
		v.Fail("must have exactly one member, not %d", o.Len())
	}
	if redacted, ok := o.Get("redactedContent"); ok {
		redacted.Str()
		return blocks
	}
	text, ok := o.Need("reasoningText")
	refuse(o)
	if !ok {
		return blocks
	}
	r := text.Object()
	b := api.Block{Kind: api.BlockReasoning, Text: r.NeedString("text")}
	r.String("signature")
	refuse(r)
	return append(blocks, b)
}
