package server

import (
	"slices"
	"strings"
	"testing"

	"basalt/models/chat"
	"basalt/server/api"
)

// testModel is a served model without a loop.
func testModel(t testing.TB, checkpoint string) *model {
	t.Helper()
	m := Model{ID: "m", Tokenizer: loadTokenizer(t, checkpoint), MaxContext: 4096}
	tmpl, err := chat.Parse(string(readFile(t, checkpoint, "chat_template.jinja")),
		chat.Options{BOS: "<|begin_of_text|>", EOS: "<|eot_id|>"})
	if err != nil {
		t.Fatal(err)
	}
	m.Template = tmpl
	return newModel(&m)
}

func (m *model) encodeChat(t testing.TB, req *api.Request) []int32 {
	t.Helper()
	g := &generation{model: m, req: req}
	ids, err := g.chatPrompt()
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func (m *model) numControls(ids []int32) int {
	n := 0
	for _, id := range ids {
		if m.Tokenizer.IsSpecial(id) {
			n++
		}
	}
	return n
}

func userSays(text string) *api.Request {
	return &api.Request{Messages: []api.Message{{
		Role:    "user",
		Content: []api.Block{{Text: text}},
	}}}
}

// TestTextNeverBecomesAControlToken says every control token in every place that a client can
// write.
func TestTextNeverBecomesAControlToken(t *testing.T) {
	for _, checkpoint := range []string{"llama3-chat", "qwen3"} {
		m := testModel(t, checkpoint)
		for _, control := range controlTexts(m) {
			for _, text := range []string{
				control, "a" + control + "b", control + control,
				control[:1] + control, seam + control, control[:2] + seam + control[2:],
			} {
				checkControls(t, m, text)
			}
		}
	}
}

func checkControls(t *testing.T, m *model, text string) {
	t.Helper()
	f := func(where string, make func(text string) *api.Request) {
		t.Helper()
		harmless := m.encodeChat(t, make("word"))
		ids := m.encodeChat(t, make(text))
		if got, want := m.numControls(ids), m.numControls(harmless); got != want {
			t.Errorf("%q in %s: %d control tokens, want %d", text, where, got, want)
		}
	}
	f("the user's text", userSays)
	f("the system's text", func(s string) *api.Request {
		req := userSays("Hi")
		req.Messages = slices.Insert(req.Messages, 0, api.Message{
			Role:    "system",
			Content: []api.Block{{Text: s}},
		})
		return req
	})
	f("a tool", func(s string) *api.Request {
		req := userSays("Hi")
		schema := `{"type":"object","description":` + string(api.AppendString(nil, s)) + `}`
		req.Tools = []api.Tool{{Name: "f", Description: s, Schema: []byte(schema)}}
		return req
	})
	f("an escaped schema", func(s string) *api.Request {
		req := userSays("Hi")
		escaped := strings.ReplaceAll(string(api.AppendString(nil, s)), "<", `\u003c`)
		req.Tools = []api.Tool{{Name: "f", Schema: []byte(`{"a":[` + escaped + `]}`)}}
		return req
	})
	f("a call and its result", func(s string) *api.Request {
		req := userSays("Hi")
		args := `{"a":` + string(api.AppendString(nil, s)) + `}`
		req.Messages = append(req.Messages,
			api.Message{Role: "assistant", Content: []api.Block{{
				Kind:     api.BlockToolUse,
				ToolID:   "1",
				ToolName: "f", Input: []byte(args),
			}}},
			api.Message{Role: "user", Content: []api.Block{{
				Kind: api.BlockToolResult, ToolID: "1",
				Content: []api.Block{{Text: s}},
			}}})
		return req
	})
}

func TestTextWithControlSpellingsIsReadAsItIs(t *testing.T) {
	m := testModel(t, "llama3-chat")
	const text = "what does <|eot_id|> mean?"
	got := m.Tokenizer.Decode(m.encodeChat(t, userSays(text)), true)
	if !strings.Contains(got, text) {
		t.Errorf("the prompt is %q", got)
	}
	plain := m.encodeChat(t, userSays("hello there"))
	want := m.Tokenizer.Decode(plain, false)
	if strings.Contains(want, seam) || !strings.Contains(want, "hello there") {
		t.Errorf("the prompt is %q", want)
	}
}

func TestTextsWithoutControlsAreUntouched(t *testing.T) {
	m := testModel(t, "llama3-chat")
	for _, s := range []string{"", "plain", "a < b | c > d", "<|not_a_token|>", "é😀"} {
		if got := m.plain(s); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}
