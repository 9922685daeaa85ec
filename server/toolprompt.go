package server

import (
	"strings"

	"basalt/models/chat"
	"basalt/server/api"
)

// Templates that know no tools are told of them in words: the functions and how to call them stand
// before the conversation, and earlier calls and their results become text. The form is the one
// that most models have seen, Hermes'.

const toolIntroduction = "You may call functions. To call one, write its name and arguments as " +
	"JSON between <tool_call> and </tool_call>:\n<tool_call>\n{\"name\": \"NAME\", " +
	"\"arguments\": {}}\n</tool_call>\nThe functions, with JSON Schemas of their arguments:\n" +
	"<tools>\n"

// knowsTools reports a template that has tools written into its prompt.
func knowsTools(t *chat.Template) bool { return strings.Contains(t.Source(), "tools") }

// describeTools rewrites a conversation for a template that knows no tools.
func describeTools(messages []chat.Message, tools []chat.Tool) []chat.Message {
	out := make([]chat.Message, 0, len(messages))
	for _, m := range messages {
		switch {
		case m.Role == "tool":
			m = chat.Message{
				Role: "user", Content: "<tool_response>\n" + m.Content + "\n</tool_response>",
			}
			if n := len(out); n > 0 && out[n-1].Role == "user" {
				out[n-1].Content += "\n" + m.Content
				continue
			}
		case len(m.ToolCalls) > 0:
			m.Content += callText(m.ToolCalls)
			m.ToolCalls = nil
		}
		out = append(out, m)
	}
	if len(tools) == 0 {
		return out
	}
	text := []byte(toolIntroduction)
	for i := range tools {
		text = append(appendToolText(text, &tools[i]), '\n')
	}
	return introduce(out, string(text)+"</tools>")
}

// introduce puts a text into the system message, or before the first user's where there is none:
// some templates take no system message.
func introduce(messages []chat.Message, text string) []chat.Message {
	for i := range messages {
		switch messages[i].Role {
		case "system":
			messages[i].Content += "\n\n" + text
			return messages
		case "user":
			messages[i].Content = text + "\n\n" + messages[i].Content
			return messages
		}
	}
	return append([]chat.Message{{Role: "user", Content: text}}, messages...)
}

func callText(calls []chat.ToolCall) string {
	var text []byte
	for i := range calls {
		text = append(text, "\n<tool_call>\n"...)
		text = api.AppendString(append(text, `{"name": `...), calls[i].Name)
		text = append(text, `, "arguments": `...)
		if len(calls[i].Arguments) == 0 {
			text = append(text, `{}`...)
		}
		text = append(text, calls[i].Arguments...)
		text = append(text, "}\n</tool_call>"...)
	}
	return string(text)
}

func appendToolText(dst []byte, t *chat.Tool) []byte {
	dst = api.AppendString(append(dst, `{"name": `...), t.Name)
	if t.Description != "" {
		dst = api.AppendString(append(dst, `, "description": `...), t.Description)
	}
	if len(t.Parameters) > 0 {
		dst = append(append(dst, `, "parameters": `...), t.Parameters...)
	}
	return append(dst, '}')
}
