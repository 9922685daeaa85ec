package chat

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"basalt/models/chat/jinja"
)

// Message is one turn of a conversation. Parts, where there are any, take the place of Content.
type Message struct {
	Role       string
	Content    string
	Parts      []Part
	Reasoning  string // reasoning_content in templates
	ToolCalls  []ToolCall
	ToolCallID string // of a tool's answer
	Name       string
}

// Part is a piece of a message's content.
type Part struct {
	Type string // "text", "image" ...
	Text string // of type text
}

// ToolCall is a call that the assistant made. Arguments is usually a JSON object; a template gets a
// JSON string as a string. Empty means no arguments.
type ToolCall struct {
	ID, Name  string
	Arguments json.RawMessage
}

// Tool is a function that the model may call.
type Tool struct {
	Name, Description string
	Parameters        json.RawMessage // JSON schema; its key order is kept
}

// Input is what one prompt is made of.
type Input struct {
	Messages            []Message
	Tools               []Tool
	AddGenerationPrompt bool
	// Kwargs become variables of the template, as enable_thinking. The caller decides which names a
	// client may set; the names that Render itself sets are refused here.
	Kwargs map[string]json.RawMessage
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// variables builds the top level names of a render after Hugging Face's apply_chat_template.
func (t *Template) variables(in *Input) (*jinja.Dict, inputSize, error) {
	b := builder{}
	vars := jinja.NewDict(5 + t.tokens.Len() + len(in.Kwargs))
	messages, err := b.messages(in.Messages)
	if err != nil {
		return nil, b.size, err
	}
	tools, err := b.tools(in.Tools)
	if err != nil {
		return nil, b.size, err
	}
	for name, token := range t.tokens.All() {
		vars.Set(name, token)
	}
	vars.Set("messages", messages)
	vars.Set("tools", tools)
	vars.Set("documents", jinja.None{})
	vars.Set("add_generation_prompt", in.AddGenerationPrompt)
	for _, name := range sortedKeys(in.Kwargs) {
		if _, taken := vars.Get(name); taken && name != "documents" || isFunction(name) {
			return nil, b.size, fmt.Errorf("template argument %q is reserved", name)
		}
		v, err := b.json(in.Kwargs[name])
		if err != nil {
			return nil, b.size, fmt.Errorf("template argument %q: %w", name, err)
		}
		vars.Set(name, v)
	}
	return vars, b.size, nil
}

func isFunction(name string) bool {
	switch name {
	case "raise_exception", "strftime_now", "range", "namespace", "dict", "joiner", "cycler",
		"bos_token", "eos_token":
		return true
	}
	return false
}

// builder makes template values and measures them.
type builder struct{ size inputSize }

func (b *builder) set(d *jinja.Dict, key, text string) {
	d.Set(key, text)
	b.size.values++
	b.size.bytes += len(text)
}

// setIf leaves an empty text out.
func (b *builder) setIf(d *jinja.Dict, key, text string) {
	if text != "" {
		b.set(d, key, text)
	}
}

func (b *builder) json(raw json.RawMessage) (jinja.Value, error) {
	b.size.bytes += len(raw)
	v, err := jinja.DecodeJSON(raw)
	b.size.values += 1 + len(raw)/8
	return v, err
}

func (b *builder) messages(messages []Message) (*jinja.List, error) {
	b.size.messages = len(messages)
	items := make([]jinja.Value, len(messages))
	for i := range messages {
		d, err := b.message(&messages[i])
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		items[i] = d
	}
	return jinja.NewList(items...), nil
}

func (b *builder) message(m *Message) (*jinja.Dict, error) {
	b.size.values++
	d := jinja.NewDict(6)
	b.set(d, "role", m.Role)
	if m.Parts == nil {
		b.set(d, "content", m.Content)
	} else {
		d.Set("content", b.parts(m.Parts))
	}
	b.setIf(d, "reasoning_content", m.Reasoning)
	if len(m.ToolCalls) > 0 {
		calls, err := b.calls(m.ToolCalls)
		if err != nil {
			return nil, err
		}
		d.Set("tool_calls", calls)
	}
	b.setIf(d, "tool_call_id", m.ToolCallID)
	b.setIf(d, "name", m.Name)
	return d, nil
}

func (b *builder) parts(parts []Part) *jinja.List {
	items := make([]jinja.Value, len(parts))
	for i, p := range parts {
		d := jinja.NewDict(2)
		b.set(d, "type", p.Type)
		if p.Type == "text" || p.Text != "" {
			b.set(d, "text", p.Text)
		}
		items[i] = d
	}
	return jinja.NewList(items...)
}

func (b *builder) calls(calls []ToolCall) (*jinja.List, error) {
	items := make([]jinja.Value, len(calls))
	for i, c := range calls {
		fn := jinja.NewDict(2)
		b.set(fn, "name", c.Name)
		fn.Set("arguments", jinja.NewDict(0))
		if len(c.Arguments) > 0 {
			v, err := b.json(c.Arguments)
			if err != nil {
				return nil, fmt.Errorf("arguments of tool call %d (%q): %w", i, c.Name, err)
			}
			fn.Set("arguments", v)
		}
		d := jinja.NewDict(3)
		b.setIf(d, "id", c.ID)
		b.set(d, "type", "function")
		d.Set("function", fn)
		items[i] = d
	}
	return jinja.NewList(items...), nil
}

func (b *builder) tools(tools []Tool) (jinja.Value, error) {
	if len(tools) == 0 {
		return jinja.None{}, nil
	}
	items := make([]jinja.Value, len(tools))
	for i, t := range tools {
		fn := jinja.NewDict(3)
		b.set(fn, "name", t.Name)
		b.setIf(fn, "description", t.Description)
		if len(t.Parameters) > 0 {
			v, err := b.json(t.Parameters)
			if err != nil {
				return nil, fmt.Errorf("parameters of tool %d (%q): %w", i, t.Name, err)
			}
			fn.Set("parameters", v)
		}
		d := jinja.NewDict(2)
		b.set(d, "type", "function")
		d.Set("function", fn)
		items[i] = d
	}
	return jinja.NewList(items...), nil
}
