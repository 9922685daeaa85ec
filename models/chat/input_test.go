package chat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// jsonConversation is one entry of conversations.json.
type jsonConversation struct {
	Messages []struct {
		Role       string          `json:"role"`
		Content    json.RawMessage `json:"content"`
		Reasoning  string          `json:"reasoning_content"`
		ToolCallID string          `json:"tool_call_id"`
		Name       string          `json:"name"`
		ToolCalls  []struct {
			ID       string `json:"id"`
			Function struct {
				Name      string          `json:"name"`
				Arguments json.RawMessage `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
	} `json:"messages"`
	Tools []struct {
		Function struct {
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Parameters  json.RawMessage `json:"parameters"`
		} `json:"function"`
	} `json:"tools"`
	AddGenerationPrompt bool `json:"add_generation_prompt"`
}

// input converts c; ok is false where a message's content is null, which Message cannot say.
func (c *jsonConversation) input(t *testing.T) (in Input, ok bool) {
	in.AddGenerationPrompt = c.AddGenerationPrompt
	for _, m := range c.Messages {
		out := Message{Role: m.Role, Reasoning: m.Reasoning, ToolCallID: m.ToolCallID, Name: m.Name}
		switch {
		case string(m.Content) == "null":
			return in, false
		case m.Content[0] == '"':
			must(t, json.Unmarshal(m.Content, &out.Content))
		default:
			must(t, json.Unmarshal(m.Content, &out.Parts))
		}
		for _, call := range m.ToolCalls {
			out.ToolCalls = append(out.ToolCalls, ToolCall{
				call.ID, call.Function.Name,
				call.Function.Arguments,
			})
		}
		in.Messages = append(in.Messages, out)
	}
	for _, tool := range c.Tools {
		in.Tools = append(in.Tools, Tool(tool.Function))
	}
	return in, true
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRenderPublishedTemplates goes through Render's own types. Where it sets tools to None, as
// Hugging Face does, a template made only for tools refuses a conversation without them.
func TestRenderPublishedTemplates(t *testing.T) {
	_, want := corpus(t)
	raw, err := os.ReadFile(filepath.Join(corpusDir, "conversations.json"))
	must(t, err)
	var conversations map[string]jsonConversation
	var kwargs map[string]map[string]json.RawMessage
	must(t, json.Unmarshal(raw, &conversations))
	must(t, json.Unmarshal(raw, &kwargs))
	pairs := 0
	for _, name := range keys(want) {
		tmpl := corpusTemplate(t, name)
		for conv, c := range conversations {
			in, ok := c.input(t)
			if !ok || in.Tools == nil && strings.HasSuffix(name,
				"Hermes-3-Llama-3.1-8B-tool_use.jinja") {
				continue
			}
			in.Kwargs = kwargs[conv]
			for _, own := range []string{
				"messages", "tools", "add_generation_prompt", "bos_token",
				"eos_token",
			} {
				delete(in.Kwargs, own)
			}
			pairs++
			got, err := tmpl.Render(in)
			w := want[name][conv]
			if w.OK == nil && err == nil || w.OK != nil && (err != nil || got != *w.OK) {
				t.Errorf("%s %s: error %v, Python error %q\n%s", name, conv, err, w.Err,
					firstDifference(got, w.OK))
			}
			must(t, json.Unmarshal(raw, &kwargs))
		}
	}
	if pairs < 200 {
		t.Errorf("compared only %d pairs", pairs)
	}
	t.Logf("%d pairs", pairs)
}

func parse(t testing.TB, source string, o Options) *Template {
	t.Helper()
	tmpl, err := Parse(source, o)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestVariables(t *testing.T) {
	f := func(source string, in Input, want string) {
		t.Helper()
		tmpl := parse(t, source,
			Options{BOS: "<s>", Extra: map[string]string{"pad_token": "<pad>"}})
		got, err := tmpl.Render(in)
		if err != nil || got != want {
			t.Errorf("%s = %q, error %v; want %q", source, got, err, want)
		}
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	f("{{ bos_token }}|{{ pad_token }}|{{ eos_token is defined }}", Input{}, "<s>|<pad>|False")
	f("{{ tools is none }} {{ documents is none }} {{ messages }}", Input{}, "True True []")
	f("{{ add_generation_prompt }}", Input{AddGenerationPrompt: true}, "True")
	f("{{ enable_thinking }}",
		Input{Kwargs: map[string]json.RawMessage{"enable_thinking": raw("false")}}, "False")
	f("{{ documents[0].n }}",
		Input{Kwargs: map[string]json.RawMessage{"documents": raw(`[{"n": 1.0}]`)}}, "1.0")
	f("{{ messages }}", Input{Messages: []Message{{Role: "user", Content: "it's"}}},
		`[{'role': 'user', 'content': "it's"}]`)
	f("{{ messages[0] | tojson }}", Input{Messages: []Message{{
		Role: "assistant", Reasoning: "r",
		ToolCalls: []ToolCall{{
			ID: "1", Name: "f",
			Arguments: raw(`{"b":1,"a":2.0,"c":null,"d":12345678901234567890}`),
		}},
	}}},
		`{"role": "assistant", "content": "", "reasoning_content": "r", "tool_calls": [{"id": `+
			`"1", "type": `+
			`"function", "function": {"name": "f", "arguments": {"b": 1, "a": 2.0, "c": null, `+
			`"d": `+
			`12345678901234567890}}}]}`)
	f("{{ messages[0].tool_calls[0].function.arguments }}",
		Input{Messages: []Message{{ToolCalls: []ToolCall{{}}}}}, "{}")
	f("{{ messages[0] | tojson }}", Input{Messages: []Message{{
		Role: "user", Name: "n",
		ToolCallID: "7",
		Parts:      []Part{{"text", ""}, {Type: "image"}},
	}}},
		`{"role": "user", "content": [{"type": "text", "text": ""}, `+
			`{"type": "image"}], "tool_call_id": "7", "name": "n"}`)
	f("{{ tools | tojson }}", Input{Tools: []Tool{{
		"f", "does",
		raw(`{"type":"object","properties":{"z":{},"a":{}}}`),
	}, {Name: "g"}}},
		`[{"type": "function", "function": {"name": "f", "description": "does", "parameters": `+
			`{"type": "object", `+
			`"properties": {"z": {}, "a": {}}}}}, {"type": "function", "function": {"name": "g"}}]`)
}

// TestRenderConcurrently is for the race detector.
func TestRenderConcurrently(t *testing.T) {
	tmpl := parse(t,
		"{% macro m(x) %}[{{ x }}]{% endmacro %}{% for x in messages %}{{ m(x.content) }}{% "+
			"endfor %}", Options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				got, err := tmpl.Render(Input{Messages: []Message{{Content: "a"}, {Content: "b"}}})
				if err != nil || got != "[a][b]" {
					t.Errorf("got %q, error %v", got, err)
				}
			}
		})
	}
	all.Wait()
}

func TestRenderRefuses(t *testing.T) {
	f := func(in Input, want string) {
		t.Helper()
		_, err := parse(t,
			"{% if messages %}{{ raise_exception('No ' ~ messages[0].role) }}{% endif %}",
			Options{}).Render(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want %q in it", err, want)
		}
	}
	kw := func(name, v string) Input {
		return Input{Kwargs: map[string]json.RawMessage{name: json.RawMessage(v)}}
	}
	f(kw("messages", "[]"), `"messages" is reserved`)
	f(kw("tools", "[]"), `"tools" is reserved`)
	f(kw("bos_token", `"x"`), `"bos_token" is reserved`)
	f(kw("raise_exception", `"x"`), `"raise_exception" is reserved`)
	f(kw("x", `{`), `template argument "x": cannot decode JSON`)
	f(kw("x", strings.Repeat("[", 1000)), `nested more than 64 deep`)
	f(Input{Messages: []Message{{ToolCalls: []ToolCall{{
		Name:      "f",
		Arguments: json.RawMessage("{"),
	}}}}},
		`message 0: arguments of tool call 0 ("f")`)
	f(Input{Tools: []Tool{{Name: "t", Parameters: json.RawMessage("x")}}},
		`parameters of tool 0 ("t")`)
	f(Input{Messages: []Message{{Role: "user"}}}, "chat template refuses the conversation: No user")
}

func TestParseRefuses(t *testing.T) {
	f := func(source, want string) {
		t.Helper()
		_, err := Parse(source, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v; want %q in it", source, err, want)
		}
	}
	f("a\n{% include 'x' %}", "template line 2: syntax error: tag 'include' is not supported")
	f("{% if x %}", "block of line 1 has no 'endif'")
	f("{{ x | nosuch }}", "no filter named 'nosuch'")
	f("{% for a in b recursive %}{% endfor %}", "recursive")
}
