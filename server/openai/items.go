package openai

import (
	"strings"

	"basalt/server/api"
)

// readInput reads a response's input: a text or items.
func readInput(o *api.Object, req *api.Request) {
	v, ok := o.Need("input")
	if !ok {
		return
	}
	if v.IsString() {
		req.Messages = append(req.Messages, textMessage("user", v.Str()))
		return
	}
	if !v.IsArray() {
		v.Fail("must be a string or an array of items")
		return
	}
	if n := v.Len(); n == 0 || n > maxMessages {
		v.Fail("must have 1 to %d items, not %d", maxMessages, n)
		return
	}
	for _, e := range v.Elements() {
		readItem(e, req)
	}
}

// readItem adds an item to the conversation. Thinking and calls belong to the assistant's turn that
// stands before them, if one does.
func readItem(v api.Value, req *api.Request) {
	o := v.Object()
	kind := "message"
	if t, ok := o.NotNull("type"); ok {
		kind = t.Str()
	}
	switch kind {
	case "message":
		role := o.OneOf("role", "user", "assistant", "system", "developer")
		if !o.Has("role") {
			o.Missing("role")
		}
		if role == "developer" {
			role = "system"
		}
		if content, ok := o.Need("content"); ok {
			addBlocks(req, role, readItemContent(content))
		}
	case "function_call":
		addBlocks(req, "assistant", []api.Block{{
			Kind: api.BlockToolUse, ToolID: o.NeedString("call_id"), ToolName: o.NeedString("name"),
			Input: arguments(o.NeedString("arguments")),
		}})
	case "function_call_output":
		b := api.Block{Kind: api.BlockToolResult, ToolID: o.NeedString("call_id")}
		if out, ok := o.Need("output"); ok {
			b.Content = readItemContent(out)
		}
		req.Messages = append(req.Messages, api.Message{Role: "tool", Content: []api.Block{b}})
	case "reasoning":
		addBlocks(req, "assistant", readReasoningItem(o))
	default:
		t, _ := o.Get("type")
		t.Fail("must be message, function_call, function_call_output or reasoning")
	}
	acceptItem(o)
	refuseRest(o)
}

// acceptItem reads what an item of an earlier answer has beside its content.
func acceptItem(o *api.Object) {
	for _, name := range []string{"id", "encrypted_content"} {
		if v, ok := o.NotNull(name); ok {
			v.Str()
		}
	}
	if _, ok := o.NotNull("status"); ok {
		o.OneOf("status", "in_progress", "completed", "incomplete")
	}
	if _, ok := o.NotNull("phase"); ok {
		o.OneOf("phase", "commentary", "final_answer")
	}
}

// addBlocks adds content to the conversation; consecutive items of the assistant are one turn.
func addBlocks(req *api.Request, role string, blocks []api.Block) {
	n := len(req.Messages)
	if role == "assistant" && n > 0 && req.Messages[n-1].Role == role {
		req.Messages[n-1].Content = append(req.Messages[n-1].Content, blocks...)
		return
	}
	if len(blocks) > 0 {
		req.Messages = append(req.Messages, api.Message{Role: role, Content: blocks})
	}
}

func readItemContent(v api.Value) []api.Block {
	if v.IsString() {
		return []api.Block{{Kind: api.BlockText, Text: v.Str()}}
	}
	if !v.IsArray() {
		v.Fail("must be a string or an array of parts")
		return nil
	}
	var blocks []api.Block
	for _, e := range v.Elements() {
		part := e.Object()
		switch kind := part.NeedString("type"); kind {
		case "input_text", "output_text", "text":
			blocks = append(blocks, api.Block{Kind: api.BlockText, Text: part.NeedString("text")})
		case "refusal":
			blocks = append(blocks, api.Block{Kind: api.BlockText, Text: part.NeedString(kind)})
		case "input_image":
			blocks = append(blocks, readItemImage(part))
		default:
			if at, ok := part.Get("type"); ok && e.Err() == nil {
				at.Fail("must be input_text, output_text, refusal or input_image")
			}
		}
		acceptHints(part)
		for _, name := range []string{"annotations", "logprobs"} {
			if v, ok := part.NotNull(name); ok {
				v.Len()
			}
		}
		refuseRest(part)
	}
	return blocks
}

// readItemImage reads a data URL. Nothing is ever fetched.
func readItemImage(o *api.Object) api.Block {
	if _, ok := o.NotNull("detail"); ok {
		o.OneOf("detail", "auto", "low", "high", "original")
	}
	url := o.NeedString("image_url")
	head, data, found := strings.Cut(url, ";base64,")
	format, isImage := strings.CutPrefix(head, "data:image/")
	if v, ok := o.Get("image_url"); ok && (!found || !isImage) {
		v.Fail("must be a data: URL with base64; addresses are not fetched")
	}
	return api.Block{Kind: api.BlockImage, Format: format, Data: []byte(data)}
}

// readReasoningItem reads earlier thinking: its text where there is any, else its summary.
func readReasoningItem(o *api.Object) []api.Block {
	text := ""
	for _, name := range []string{"content", "summary"} {
		v, ok := o.NotNull(name)
		if !ok || text != "" {
			continue
		}
		for _, e := range v.Elements() {
			part := e.Object()
			text += part.NeedString("text")
			part.String("type")
			refuseRest(part)
		}
	}
	if text == "" {
		return nil // encrypted thinking says nothing to a local model
	}
	return []api.Block{{Kind: api.BlockReasoning, Text: text}}
}
