package anthropic

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"basalt/server/api"
)

// readContent reads a message's content: a string or an array of blocks.
func readContent(v api.Value) []api.Block {
	if v.IsString() {
		s := v.Str()
		if s == "" {
			v.Fail("must not be empty")
		}
		return []api.Block{{Kind: api.BlockText, Text: s}}
	}
	if !v.IsArray() {
		v.Fail("must be a string or an array of blocks")
		return nil
	}
	var blocks []api.Block
	for _, e := range v.Elements() {
		blocks = appendBlock(blocks, e)
	}
	return blocks
}

func appendBlock(blocks []api.Block, v api.Value) []api.Block {
	o := v.Object()
	switch kind := o.NeedString("type"); kind {
	case "text":
		return append(blocks, readTextBlock(v))
	case "image":
		blocks = append(blocks, readImage(o))
	case "document":
		blocks = append(blocks, readDocument(o))
	case "search_result":
		blocks = append(blocks, readSearchResult(o))
	case "tool_use":
		blocks = append(blocks, readToolUse(o))
	case "tool_result":
		blocks = append(blocks, readToolResult(o))
	case "thinking":
		b := api.Block{Kind: api.BlockReasoning, Text: o.NeedString("thinking")}
		if s, ok := o.NotNull("signature"); ok {
			s.Str() // proves thinking to the model that signed it; none is made or checked here
		}
		blocks = append(blocks, b)
	case "redacted_thinking":
		o.NeedString("data") // says nothing to a local model
	default:
		if at, ok := o.Get("type"); ok && v.Err() == nil {
			at.Fail("is not supported; blocks are text, image, document, search_result, " +
				"tool_use, tool_result, thinking and redacted_thinking")
		}
		return blocks
	}
	readCacheControl(o)
	refuse(o)
	return blocks
}

// readTextBlock reads text. Citations are the sources of an earlier answer, which the model did not
// write and is not shown again.
func readTextBlock(v api.Value) api.Block {
	o := v.Object()
	if o.OneOf("type", "text"); !o.Has("type") {
		o.Missing("type")
	}
	b := api.Block{Kind: api.BlockText, Text: o.NeedString("text")}
	if cited, ok := o.NotNull("citations"); ok {
		for _, e := range cited.Elements() {
			e.Object()
		}
	}
	readCacheControl(o)
	refuse(o)
	return b
}

func readImage(o *api.Object) api.Block {
	b := api.Block{Kind: api.BlockImage}
	src, ok := o.Need("source")
	if !ok {
		return b
	}
	s := src.Object()
	if kind := s.NeedString("type"); kind != "base64" && src.Err() == nil {
		at, _ := s.Get("type")
		at.Fail("must be \"base64\": nothing is fetched")
	}
	media := s.OneOf("media_type", "image/jpeg", "image/png", "image/gif", "image/webp")
	b.Format = strings.TrimPrefix(media, "image/")
	if data, ok := s.Need("data"); ok {
		b.Data = decode(data)
	}
	refuse(s)
	return b
}

func decode(v api.Value) []byte {
	data, err := base64.StdEncoding.DecodeString(v.Str())
	if err != nil {
		v.Fail("must be base64")
	}
	return data
}

// readDocument reads a document in a text format as text under its title.
func readDocument(o *api.Object) api.Block {
	title, context, text := "", "", ""
	if v, ok := o.NotNull("title"); ok {
		title = v.Str()
	}
	if v, ok := o.NotNull("context"); ok {
		context = v.Str() + "\n"
	}
	if src, ok := o.Need("source"); ok {
		text = readSource(src)
	}
	readCitations(o)
	return api.Block{
		Kind: api.BlockText, Text: "Document " + title + ":\n" + context + text + "\n",
	}
}

func readSource(v api.Value) string {
	o := v.Object()
	text := ""
	switch kind := o.NeedString("type"); kind {
	case "text":
		o.OneOf("media_type", "text/plain")
		text = o.NeedString("data")
	case "content":
		if content, ok := o.Need("content"); ok {
			for _, b := range readContent(content) {
				if b.Kind != api.BlockText {
					content.Fail("must be text")
				}
				text += b.Text
			}
		}
	default:
		if at, ok := o.Get("type"); ok && v.Err() == nil {
			at.Fail("must be \"text\" or \"content\": PDF is not read, and nothing is fetched")
		}
		return ""
	}
	if !utf8.ValidString(text) {
		v.Fail("must be UTF-8 text")
	}
	refuse(o)
	return text
}

// readCitations refuses answers with sources, which nothing here writes.
func readCitations(o *api.Object) {
	v, ok := o.NotNull("citations")
	if !ok {
		return
	}
	c := v.Object()
	if on, ok := c.NotNull("enabled"); ok && on.Bool() {
		on.Fail("must be false: answers have no citations")
	}
	refuse(c)
}

func readSearchResult(o *api.Object) api.Block {
	text := "Search result " + o.NeedString("title") + " (" + o.NeedString("source") + "):\n"
	if content, ok := o.Need("content"); ok {
		for _, e := range content.Elements() {
			text += readTextBlock(e).Text + "\n"
		}
	}
	readCitations(o)
	return api.Block{Kind: api.BlockText, Text: text}
}

func readToolUse(o *api.Object) api.Block {
	b := api.Block{Kind: api.BlockToolUse, ToolID: o.NeedString("id"), ToolName: readName(o)}
	if in, ok := o.Need("input"); ok {
		in.Object()
		b.Input = in.Raw()
	}
	readCaller(o)
	return b
}

// readCaller takes a call that the model made itself; no program calls tools here.
func readCaller(o *api.Object) {
	v, ok := o.NotNull("caller")
	if !ok {
		return
	}
	c := v.Object()
	if c.OneOf("type", "direct"); !c.Has("type") {
		c.Missing("type")
	}
	refuse(c)
}

func readToolResult(o *api.Object) api.Block {
	b := api.Block{Kind: api.BlockToolResult, ToolID: o.NeedString("tool_use_id")}
	if v, ok := o.NotNull("is_error"); ok {
		b.IsError = v.Bool()
	}
	content, ok := o.NotNull("content")
	switch {
	case !ok:
	case content.IsString():
		b.Content = []api.Block{{Kind: api.BlockText, Text: content.Str()}}
	default:
		for _, e := range content.Elements() {
			n := len(b.Content)
			b.Content = appendBlock(b.Content, e)
			for _, inner := range b.Content[n:] {
				if inner.Kind != api.BlockText && inner.Kind != api.BlockImage {
					e.Fail("may not stand in a tool's result")
				}
			}
		}
	}
	return b
}
