package bedrock

import (
	"strings"

	"basalt/server/api"
)

// Limits of the service model; of messages, the house's.
const (
	maxToolID   = 64
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
		messages = append(messages, readMessage(e))
	}
	return messages
}

func readMessage(v api.Value) api.Message {
	o := v.Object()
	m := api.Message{Role: o.OneOf("role", "user", "assistant", "system")}
	if !o.Has("role") {
		o.Missing("role")
	}
	content, ok := o.Need("content")
	refuse(o)
	if !ok {
		return m
	}
	if content.IsArray() && content.Len() == 0 {
		content.Fail("must not be empty")
	}
	for _, e := range content.Elements() {
		m.Content = appendBlock(m.Content, e)
	}
	checkMedia(content, m.Role)
	return m
}

// appendBlock reads one member of the ContentBlock union.
func appendBlock(blocks []api.Block, v api.Value) []api.Block {
	for name, member := range union(v).Fields() {
		switch name {
		case "text":
			blocks = append(blocks, readText(member))
		case "guardContent":
			blocks = append(blocks, readGuardContent(member))
		case "toolUse":
			blocks = append(blocks, readToolUse(member))
		case "toolResult":
			blocks = append(blocks, readToolResult(member))
		case "reasoningContent":
			blocks = appendReasoning(blocks, member)
		case "citationsContent":
			blocks = appendCited(blocks, member)
		case "cachePoint":
			readCachePoint(member)
		default:
			blocks = appendMedia(blocks, name, member)
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

// readGuardContent reads text that the client wants a guardrail to look at. Qualifiers tell the
// parts of a question about sources apart, which only a check of grounding would need.
func readGuardContent(v api.Value) api.Block {
	o := union(v)
	b := api.Block{Kind: api.BlockText, Guard: true}
	text, ok := o.Get("text")
	if !ok {
		refuse(o)
		return b
	}
	t := text.Object()
	b.Text = t.NeedString("text")
	if q, ok := t.Get("qualifiers"); ok {
		for _, e := range q.Elements() {
			if s := e.Str(); s != "guard_content" && e.IsString() {
				e.Fail("must be \"guard_content\": answers are not checked against sources")
			}
		}
	}
	refuse(t)
	return b
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
		if !isAlphanumeric(s[i]) && strings.IndexByte(marks, s[i]) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= limit
}

func isAlphanumeric(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}

// refuseServerTool refuses calls that the service's own tools made: there are none here.
func refuseServerTool(o *api.Object) {
	if v, ok := o.Get("type"); ok {
		v.Fail("is not supported: there are no tools on this server; leave it out")
	}
}

func readToolUse(v api.Value) api.Block {
	o := v.Object()
	b := api.Block{Kind: api.BlockToolUse, ToolID: readToolID(o), ToolName: readToolName(o)}
	if in, ok := o.Need("input"); ok {
		b.Input = in.Raw()
	}
	refuseServerTool(o)
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
	refuseServerTool(o)
	refuse(o)
	return b
}

// appendResult reads one member of the ToolResultContentBlock union; JSON is given to the model as
// text.
func appendResult(blocks []api.Block, v api.Value) []api.Block {
	for name, member := range union(v).Fields() {
		switch name {
		case "text":
			blocks = append(blocks, api.Block{Kind: api.BlockText, Text: member.Str()})
		case "json":
			blocks = append(blocks, api.Block{Kind: api.BlockText, Text: string(member.Raw())})
		default:
			blocks = appendMedia(blocks, name, member)
		}
	}
	return blocks
}

// appendReasoning reads earlier thinking. A redacted one says nothing to a local model and is left
// out. Signatures prove thinking to the model that signed it; none is made or checked here.
func appendReasoning(blocks []api.Block, v api.Value) []api.Block {
	o := union(v)
	if redacted, ok := o.Get("redactedContent"); ok {
		decodeBytes(redacted)
		return blocks
	}
	text, ok := o.Get("reasoningText")
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

// appendCited reads an earlier answer with its sources. The model wrote the text; the sources were
// beside it and are not shown to it again.
func appendCited(blocks []api.Block, v api.Value) []api.Block {
	o := v.Object()
	if content, ok := o.Get("content"); ok {
		for _, e := range content.Elements() {
			part := union(e)
			if text, ok := part.Get("text"); ok {
				blocks = append(blocks, api.Block{Kind: api.BlockText, Text: text.Str()})
			}
			refuse(part)
		}
	}
	if cited, ok := o.Get("citations"); ok {
		for _, e := range cited.Elements() {
			e.Object()
		}
	}
	refuse(o)
	return blocks
}
