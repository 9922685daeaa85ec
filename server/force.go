package server

import (
	"strings"

	"basalt/models/chat"
	"basalt/server/api"
)

// prefill takes the last message of a conversation out of it, when that is the beginning of the
// answer. It returns the text that the answer continues.
func (g *generation) prefill(messages []chat.Message) ([]chat.Message, *chat.Message, *api.Error) {
	n := len(messages) - 1
	if !g.req.Prefill || n < 0 {
		return messages, nil, nil
	}
	last := &messages[n]
	if len(last.ToolCalls) > 0 {
		return nil, nil, api.FieldError("messages",
			"messages end with a call of a tool; the next message must bring its result")
	}
	if n == 0 {
		return nil, nil, api.FieldError("messages",
			"messages are the beginning of an answer alone; there must be a user's message")
	}
	return messages[:n], last, nil
}

// begun is the text of a prefilled answer behind a rendered prompt, with its thinking in the
// family's marks.
func begun(f chat.Format, rendered string, last *chat.Message) string {
	inside := f.ForPrompt(rendered).Thinking
	switch {
	case last.Reasoning != "" && f.Think != "" && !inside:
		return f.Think + last.Reasoning + f.EndThink + last.Content
	case last.Reasoning != "" && inside:
		return last.Reasoning + f.EndThink + last.Content
	case inside:
		return f.EndThink + "\n\n" + last.Content
	}
	return last.Content
}

// force ends a prompt with the beginning of a call, where the client asks for one. What the answer
// begins with is kept, as the client gets it with the answer.
func (g *generation) force(text string) (string, *api.Error) {
	g.rendered = text
	mode := g.req.ToolChoice.Mode
	if mode != api.ToolRequired && mode != api.ToolNamed {
		return text, nil
	}
	m := g.model
	forced, ok := forceCall(&m.format, m.Template.Source(), g.req.ToolChoice, g.req.Tools)
	if !ok {
		return "", api.FieldError("toolChoice", "the model %q writes calls of tools in a way that "+
			"is not known here, so that none can be asked for", m.ID)
	}
	if mode == api.ToolNamed {
		g.req.OneTool = true
	}
	g.forced = forced
	// A model that would think first is asked not to.
	if f := m.format.ForPrompt(text); f.Thinking {
		text += f.EndThink + "\n\n"
		g.rendered = text
	}
	return text + forced, nil
}

// forceCall is what an answer must begin with so that it is a call: of the tool of that name, or of
// one that the model chooses. It is the family's own writing of a call, cut off where the model has
// to go on.
func forceCall(f *chat.Format, source string, c api.ToolChoice, tools []api.Tool) (string, bool) {
	if len(f.Calls) == 0 {
		return "", false
	}
	syntax := f.Calls[0]
	for _, other := range f.Calls[1:] {
		newer := other.Shape == chat.ShapeNamed && strings.Contains(source, other.BeforeArgs)
		if newer || other.Open == "" {
			syntax = other
		}
	}
	name := c.Name
	if c.Mode == api.ToolRequired && len(tools) == 1 {
		name = tools[0].Name
	}
	open := syntax.Open
	if f.Name == "deepseek-v3.1" {
		open = f.Ignore[0] + open
	}
	switch syntax.Shape {
	case chat.ShapeNamed:
		if name == "" {
			return open, true
		}
		return open + name + syntax.BeforeArgs + beginArguments(tools, name), true
	case chat.ShapeList:
		return open + "[" + beginObject(f, tools, name), true
	}
	if syntax.Close != "" {
		open += "\n"
	}
	return open + beginObject(f, tools, name), true
}

// beginObject begins a call that is a JSON object.
func beginObject(f *chat.Format, tools []api.Tool, name string) string {
	head, arguments := `{"name": "`, "arguments"
	switch f.Name {
	case "llama3":
		arguments = "parameters"
	case "command-r":
		head, arguments = `{"tool_call_id": "0", "tool_name": "`, "parameters"
	}
	if name == "" {
		return head
	}
	return head + name + `", "` + arguments + `": ` + beginArguments(tools, name)
}

// beginArguments begins the arguments of a tool. Where one is required its quote comes too: models
// know a brace and a quote as one token, and after a brace alone many end the answer.
func beginArguments(tools []api.Tool, name string) string {
	for i := range tools {
		v, err := api.ParseJSON(tools[i].Schema)
		if tools[i].Name != name || err != nil || !v.IsObject() {
			continue
		}
		if needed, ok := v.Object().Get("required"); ok && needed.IsArray() && needed.Len() > 0 {
			return `{"`
		}
	}
	return "{"
}
