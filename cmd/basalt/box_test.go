package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"basalt/models/box"
)

// said is the visible part of an OpenAI chat answer, without thoughts.
func said(t *testing.T, body string) (string, []toolCall) {
	t.Helper()
	var reply struct {
		Choices []struct {
			Message struct {
				Content   string     `json:"content"`
				ToolCalls []toolCall `json:"tool_calls"`
			} `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal([]byte(body), &reply); err != nil || len(reply.Choices) != 1 {
		t.Fatalf("no answer in %s", body)
	}
	m := reply.Choices[0].Message
	parts := strings.Split(m.Content, "</think>")
	return strings.TrimSpace(parts[len(parts)-1]), m.ToolCalls
}

type toolCall struct {
	Function struct{ Name, Arguments string } `json:"function"`
}

func TestTheBoxAnswersWhenNoModelIsNamed(t *testing.T) {
	p := serve(t)
	f := func(question, want string) {
		t.Helper()
		body, err := json.Marshal(map[string]any{
			"model": box.ID, "temperature": 0,
			"messages": []any{map[string]any{"role": "user", "content": question}},
		})
		if err != nil {
			t.Fatal(err)
		}
		status, reply := post(t, p.url+"/v1/chat/completions", string(body))
		if got, _ := said(t, reply); status != 200 || got != want {
			t.Errorf("%q: status %d, answer %q, want %q", question, status, got, want)
		}
	}
	f("What is 347 + 89?", "436")
	f("What is 500 - 76?", "424")
	f(`Reverse "basalt".`, "tlasab")
	f("Which port does Basalt use?", "The default port is 8080.")
	f("| item | price |\n|---|---|\n| salt | 12 |\n| lamp | 44 |\nWhat is the price of lamp?",
		"The price of lamp is 44.")
	if err := p.stop(t); err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func TestTheBoxCallsTools(t *testing.T) {
	p := serve(t)
	status, reply := post(t, p.url+"/v1/chat/completions", `{"model": "basalt.box-v1",
		"temperature": 0, "messages": [{"role": "user", "content": "What is 12 * 34?"}],
		"tools": [{"type": "function", "function": {"name": "calculator",
		"parameters": {"type": "object", "properties": {"expression": {"type": "string"}}}}}]}`)
	_, calls := said(t, reply)
	if status != 200 || len(calls) != 1 || calls[0].Function.Name != "calculator" ||
		!strings.Contains(calls[0].Function.Arguments, "12*34") {
		t.Errorf("status %d, %s", status, reply)
	}
}

func TestRunAndInspectTakeTheBox(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	f := func(want string, args ...string) {
		t.Helper()
		out, err := exec.Command(path, args...).Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("basalt %v: %v, printed %s", args, err, out)
		}
	}
	f("436", "run", box.ID, "What is 347 + 89?", "--temperature", "0")
	f("2755328", "inspect")
}
