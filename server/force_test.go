package server

import (
	"strings"
	"testing"

	"basalt/models/chat"
	"basalt/server/api"
)

// TestForcedCallsAreRead holds that what an answer is made to begin with, gone on with, is a call.
func TestForcedCallsAreRead(t *testing.T) {
	needs := ""
	f := func(format chat.Format, source string, mode api.ToolMode, rest string) {
		t.Helper()
		choice := api.ToolChoice{Mode: mode}
		if mode == api.ToolNamed {
			choice.Name = "day"
		}
		tools := []api.Tool{{Name: "day", Schema: []byte(needs)}, {Name: "night"}}
		text, ok := forceCall(&format, source, choice, tools)
		if !ok {
			t.Fatalf("%s: none", format.Name)
		}
		p := chat.NewParser(format)
		name, args, ended := "", "", false
		for _, part := range []string{text, rest} {
			for _, e := range p.Feed(part) {
				name += e.Name
				switch e.Kind {
				case chat.EventCallArgs:
					args += e.Text
				case chat.EventCallEnd:
					ended = !e.Broken
				case chat.EventText:
					t.Errorf("%s: text %q", format.Name, e.Text)
				default: // the others bring no arguments
				}
			}
		}
		if name != "day" || strings.ReplaceAll(args, " ", "") != `{"n":1}` || !ended {
			t.Errorf("%s: %q is %q %q, ended %v", format.Name, text+rest, name, args, ended)
		}
	}
	const args = `"n": 1}` // named calls are forced up to their first brace
	f(chat.Hermes(), "", api.ToolNamed, args+"}\n</tool_call>")
	f(chat.Hermes(), "", api.ToolRequired, `day", "arguments": {`+args+"}\n</tool_call>")
	f(chat.Llama3(), "", api.ToolNamed, args+"}")
	f(chat.Llama3(), "", api.ToolRequired, `day", "parameters": {`+args+"}")
	f(chat.Mistral(), "", api.ToolNamed, args+"}]")
	f(chat.Mistral(), "", api.ToolRequired, `day", "arguments": {`+args+"}]")
	f(chat.Mistral(), "[ARGS]", api.ToolNamed, args)
	f(chat.Mistral(), "[ARGS]", api.ToolRequired, "day[ARGS]{"+args)
	needs = `{"type":"object","required":["n"]}`
	f(chat.Mistral(), "[ARGS]", api.ToolNamed, `n": 1}`)
	f(chat.Llama3(), "", api.ToolNamed, `n": 1}}`)
	for _, other := range []string{`{"required":[]}`, `{"required":1}`, `[]`, `true`} {
		needs = other
		f(chat.Llama3(), "", api.ToolNamed, args+"}")
	}
	f(chat.Nemotron(), "", api.ToolNamed, args+"}]</TOOLCALL>")
	f(chat.CommandR(), "", api.ToolNamed, args+"}]<|END_ACTION|>")
	f(chat.CommandR(), "", api.ToolRequired, `day", "parameters": {`+args+"}]<|END_ACTION|>")
	f(chat.DeepSeekV31(), "", api.ToolNamed, args+"<｜tool▁call▁end｜>")
	f(chat.DeepSeekV31(), "", api.ToolRequired, "day<｜tool▁sep｜>{"+args+
		"<｜tool▁call▁end｜>")
}

const toolBody = `{"messages":[{"role":"user","content":[{"text":"Hi"}]}],
	"inferenceConfig":{"maxTokens":12},"toolConfig":{"tools":[{"toolSpec":{"name":"day",
	"inputSchema":{"json":{}}}},{"toolSpec":{"name":"night","inputSchema":{"json":{}}}}],
	"toolChoice":CHOICE}}`

func TestAnAskedForToolIsCalled(t *testing.T) { both(t, testAnAskedForToolIsCalled) }

func testAnAskedForToolIsCalled(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	named := strings.Replace(toolBody, "CHOICE", `{"tool":{"name":"night"}}`, 1)
	a := f.post(conversePath, named)
	if got := field(t, a, "output", "message", "content", "0", "toolUse", "name"); got != "night" {
		t.Errorf("%v: %s", got, a.body)
	}
	s := frames(t, f.post(conversePath+"-stream", named).body)
	if !strings.Contains(s["contentBlockStart"], `"name":"night"`) || s["contentBlockDelta"] == "" {
		t.Errorf("%v", s)
	}
	// Random text is no JSON, and the client is told so.
	if s["messageStop"] != `{"stopReason":"malformed_tool_use"}` {
		t.Error(s["messageStop"])
	}
	chatTools := `{"model":"tiny","max_tokens":12,"messages":[{"role":"user","content":"Hi"}],
		"tools":[{"type":"function","function":{"name":"day"}}],"tool_choice":"required"}`
	a = f.post(chatPath, chatTools)
	call := field(t, a, "choices", "0", "message", "tool_calls", "0", "function", "name")
	if call != "day" {
		t.Error(a.body)
	}
}

func TestPrefillsAreContinued(t *testing.T) {
	f := start(t, setup{noEOS: true})
	g := &generation{s: f.srv, model: f.srv.models["tiny"], req: &api.Request{
		Kind: api.Chat, Prefill: true, Messages: []api.Message{
			{Role: "user", Content: []api.Block{{Text: "Hi"}}},
			{Role: "assistant", Content: []api.Block{{Text: "So <|eot_id|>then"}}},
		},
	}}
	ids, err := g.chatPrompt()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(g.rendered, "assistant<|end_header_id|>\n\nSo <"+seam+"|eot_id|>then") {
		t.Errorf("%q", g.rendered[max(0, len(g.rendered)-80):])
	}
	last := g.model.Tokenizer.Token(ids[len(ids)-1])
	if strings.Contains(last, "eot_id") {
		t.Error(last)
	}
	refused := func(messages ...api.Message) {
		t.Helper()
		g.req.Messages = messages
		if _, err := g.chatPrompt(); err == nil || err.Field != "messages" {
			t.Error(err)
		}
	}
	refused(g.req.Messages[1])
	refused(g.req.Messages[0], api.Message{Role: "assistant", Content: []api.Block{
		{Kind: api.BlockToolUse, ToolName: "f", Input: []byte("{}")},
	}})
}

func TestToolsAreToldInWords(t *testing.T) {
	messages := []chat.Message{
		{Role: "system", Content: "Be brief."},
		{Role: "user", Content: "Hi"},
		{
			Role:      "assistant",
			ToolCalls: []chat.ToolCall{{Name: "day", Arguments: []byte(`{"n":1}`)}},
		},
		{Role: "tool", Content: "Monday"},
		{Role: "tool", Content: "Tuesday"},
	}
	tools := []chat.Tool{{Name: "day", Description: "d", Parameters: []byte(`{"type":"object"}`)}}
	out := describeTools(messages, tools)
	is := func(i int, role string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if out[i].Role != role || !strings.Contains(out[i].Content, part) {
				t.Errorf("%d: %s %q lacks %q", i, out[i].Role, out[i].Content, part)
			}
		}
	}
	is(0, "system", "Be brief.\n\nYou may call", "<tools>\n",
		`{"name": "day", "description": "d", "parameters": {"type":"object"}}`)
	is(1, "user", "Hi")
	is(2, "assistant", "<tool_call>\n"+`{"name": "day", "arguments": {"n":1}}`+"\n</tool_call>")
	is(3, "user", "<tool_response>\nMonday\n</tool_response>\n<tool_response>\nTuesday\n")
	if len(out) != 4 {
		t.Errorf("%d messages", len(out))
	}
	out = describeTools(messages[1:2], tools)
	is(0, "user", "You may call", "</tools>\n\nHi")
}
