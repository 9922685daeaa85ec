package openai

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"basalt/server/api"
)

func TestDecodeResponseReadsItems(t *testing.T) {
	body := `{"model":"m","instructions":"Be brief.","input":[
		{"role":"developer","content":"Now."},
		{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]},
		{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},
		{"type":"message","role":"assistant","content":[{"type":"output_text","text":"So."}]},
		{"type":"function_call","call_id":"c","name":"f","arguments":"{\"x\":1}"},
		{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"r"}]}]}`
	req, _, err := DecodeResponse([]byte(body), Call{})
	if err != nil {
		t.Fatal(err)
	}
	want := []api.Message{
		textMessage("system", "Be brief."), textMessage("system", "Now."),
		textMessage("user", "Hi"),
		{Role: "assistant", Content: []api.Block{
			{Kind: api.BlockReasoning, Text: "hm"},
			{Kind: api.BlockText, Text: "So."},
			{Kind: api.BlockToolUse, ToolID: "c", ToolName: "f", Input: []byte(`{"x":1}`)},
		}},
		{Role: "tool", Content: []api.Block{{
			Kind: api.BlockToolResult, ToolID: "c", Content: []api.Block{{Text: "r"}},
		}}},
	}
	if diff := cmp.Diff(want, req.Messages); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeResponseRefuses(t *testing.T) {
	f := func(fields, field, reason string) {
		t.Helper()
		body := `{"model":"m","input":"Hi",` + fields + `}`
		if strings.HasPrefix(fields, "{") {
			body = fields
		}
		_, _, err := DecodeResponse([]byte(body), Call{})
		if err == nil {
			t.Errorf("%s was accepted", body)
		} else if err.Field != field || !strings.Contains(err.Message, reason) {
			t.Errorf("%s: field %q: %s; want %q, %q", body, err.Field, err.Message, field, reason)
		}
	}
	f(`{"model":"m"}`, "input", "required")
	f(`{"input":"a"}`, "model", "required")
	f(`{"model":"m","input":[]}`, "input", "1 to")
	f(`{"model":"m","input":[{"type":"item_reference","id":"x"}]}`, "input[0].type", "must be")
	f(`{"model":"m","input":[{"role":"user","content":[{"type":"input_file"}]}]}`,
		"input[0].content[0].type", "must be")
	f(`{"model":"m","input":[{"role":"user","content":[{"type":"input_image",
		"image_url":"http://a/b.png"}]}]}`, "input[0].content[0].image_url", "not fetched")
	f(`"previous_response_id":"resp_1"`, "previous_response_id", "nothing is stored")
	f(`"conversation":"c"`, "conversation", "nothing is stored")
	f(`"prompt":{"id":"p"}`, "prompt", "nothing is stored")
	f(`"background":true`, "background", "false")
	f(`"truncation":"auto"`, "truncation", "never cut")
	f(`"include":["file_search_call.results"]`, "include[0]", "not supported")
	f(`"text":{"format":{"type":"json_object"}}`, "text.format.type", "not supported")
	f(`"tools":[{"type":"web_search"}]`, "tools[0].type", "no tools on this server")
	f(`"tool_choice":{"type":"function","name":"f"}`, "tool_choice", "not in tools")
	f(`"max_output_tokens":0`, "max_output_tokens", "between")
	f(`"temperature":3`, "temperature", "between")
	f(`"top_logprobs":2`, "top_logprobs", "chat completions")
	f(`"reasoning":{"summary":"x"}`, "reasoning.summary", "one of")
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(`{"model":"m","input":"Hi","tools":[{"type":"function","name":"f"}]}`))
	f.Add([]byte(`{"model":"m","input":[{"role":"user","content":"a"},{"type":"function_call",
		"call_id":"c","name":"f","arguments":"{}"}],"stream":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, codec, err := DecodeResponse(body, Call{ID: "1"})
		if err != nil {
			if err.Message == "" {
				t.Fatal("an error without a message")
			}
			return
		}
		var events []api.Event
		for _, e := range script() {
			if e.Choice == 0 {
				events = append(events, e)
			}
		}
		render(t, codec, events)
	})
}
