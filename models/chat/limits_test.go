package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"basalt/models/chat/jinja"
)

// TestLimitsLeaveRoom renders every published template with a quarter of the constant limits.
func TestLimitsLeaveRoom(t *testing.T) {
	conversations, want := corpus(t)
	for _, name := range keys(want) {
		tmpl := corpusTemplate(t, name)
		for _, conv := range keys(want[name]) {
			if want[name][conv].OK == nil {
				continue
			}
			vars, _ := conversations.Get(conv)
			limits := jinja.Limits{
				Steps: baseSteps / 4, Bytes: baseBytes / 4,
				Output: baseOutput / 4,
			}
			if _, err := tmpl.prog.Render(vars.(*jinja.Dict), jinja.Env{Now: tmpl.now},
				limits); err != nil {
				t.Errorf("%s %s: %v", name, conv, err)
			}
		}
	}
}

// longInput is a conversation of turns exchanges with numTools tools.
func longInput(turns, numTools int, text string) Input {
	in := Input{AddGenerationPrompt: true}
	for range turns {
		in.Messages = append(in.Messages, Message{Role: "user", Content: text},
			Message{Role: "assistant", Content: text, Reasoning: text})
	}
	in.Messages = append(in.Messages, Message{Role: "user", Content: text})
	for i := range numTools {
		var props []string
		for j := range 8 {
			props = append(props,
				fmt.Sprintf(`"arg%d": {"type": "string", "description": "What it means"}`, j))
		}
		in.Tools = append(in.Tools, Tool{
			Name:        fmt.Sprintf("tool%d", i),
			Description: "Does a thing",
			Parameters: json.RawMessage(`{"type": "object", "properties": {` +
				strings.Join(props, ", ") + `}}`),
		})
	}
	return in
}

// TestLimitsGrowWithInput renders inputs far larger than usual with the limits that Render sets.
func TestLimitsGrowWithInput(t *testing.T) {
	_, want := corpus(t)
	short := strings.Repeat("word ", 10)
	long := strings.Repeat("word ", 100_000)
	for _, name := range keys(want) {
		tmpl := corpusTemplate(t, name)
		f := func(what string, in Input) {
			t.Helper()
			if _, err := tmpl.Render(in); err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		f("2,001 messages", longInput(1000, 1, short))
		f("500 tools", longInput(1, 500, short))
		f("1.5 MB of text", longInput(1, 1, long))
	}
}
