package anthropic

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"basalt/server/api"
)

// script is a generation of every kind of content.
func script() []api.Event {
	usage := func(out int) api.Usage { return api.Usage{Input: 12, Output: out, CacheRead: 4} }
	timing := api.Timing{Latency: 1234 * time.Millisecond}
	return []api.Event{
		{Kind: api.Start, Usage: usage(0)},
		{Kind: api.ReasoningDelta, Text: []byte("Let me "), Usage: usage(2)},
		{Kind: api.ReasoningDelta, Text: []byte("see."), Usage: usage(4)},
		{Kind: api.TextDelta, Text: []byte("The \"weather\"\n"), Usage: usage(6)},
		{Kind: api.TextDelta, Text: []byte("in Zürich 😀"), Usage: usage(8)},
		{Kind: api.ToolStart, ToolID: "call_1", ToolName: "weather", Usage: usage(10)},
		{Kind: api.ToolDelta, Text: []byte(`{"city":`), Usage: usage(11)},
		{Kind: api.ToolDelta, Text: []byte(`"Zürich"}`), Usage: usage(13)},
		{Kind: api.ToolStop, Usage: usage(13)},
		{Kind: api.Finish, Reason: api.FinishToolUse, Usage: usage(14), Timing: timing},
		{Kind: api.End, Usage: usage(14), Timing: timing},
	}
}

// plain is a generation of text that ends with a stop string.
func plain() []api.Event {
	usage := api.Usage{Input: 3, Output: 3}
	return []api.Event{
		{Kind: api.Start, Usage: api.Usage{Input: 3}},
		{Kind: api.TextDelta, Text: []byte("Once upon"), Usage: api.Usage{Input: 3, Output: 1}},
		{Kind: api.Finish, Reason: api.FinishStopString, StopString: "time", Usage: usage},
		{Kind: api.End, Usage: usage},
	}
}

// answerOf is what a collector makes of events.
func answerOf(events []api.Event) *api.Answer {
	a := &api.Answer{Choices: make([]api.Choice, 1)}
	c := &a.Choices[0]
	open := func(k api.BlockKind, e *api.Event) *api.Block {
		n := len(c.Content)
		if n == 0 || c.Content[n-1].Kind != k {
			b := api.Block{Kind: k, ToolID: e.ToolID, ToolName: e.ToolName}
			c.Content = append(c.Content, b)
			n++
		}
		return &c.Content[n-1]
	}
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case api.TextDelta:
			open(api.BlockText, e).Text += string(e.Text)
		case api.ReasoningDelta:
			open(api.BlockReasoning, e).Text += string(e.Text)
		case api.ToolStart, api.ToolDelta:
			b := open(api.BlockToolUse, e)
			b.Input = append(b.Input, e.Text...)
		case api.Finish:
			c.Reason, c.StopString = e.Reason, e.StopString
		case api.End:
			a.Usage, a.Timing = e.Usage, e.Timing
		default: // the others bring no content
		}
	}
	return a
}

// render is a stream's text, checked to be server-sent events of JSON whose type is the event's.
func render(t testing.TB, codec api.Codec, events []api.Event) string {
	t.Helper()
	var out []byte
	for i := range events {
		out = codec.AppendEvent(out, &events[i])
	}
	for event := range strings.SplitSeq(strings.TrimSuffix(string(out), "\n\n"), "\n\n") {
		name, data, _ := strings.Cut(event, "\ndata: ")
		var v struct{ Type string }
		if err := json.Unmarshal([]byte(data), &v); err != nil || "event: "+v.Type != name {
			t.Fatalf("%q: %v", event, err)
		}
	}
	return string(out)
}

// TestExchanges replays testdata/*.txt: a line that names the script, the request's body, the
// stream and the answer.
func TestExchanges(t *testing.T) {
	for _, name := range []string{"tools", "stop"} {
		file := filepath.Join("testdata", name+".txt")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, _ := strings.Cut(string(data), "\n--- request\n")
		body, _, _ := strings.Cut(rest, "\n--- stream\n")
		events := script()
		if name == "stop" {
			events = plain()
		}
		_, codec, aerr := DecodeMessages([]byte(body), Call{ID: "0123"})
		if aerr != nil {
			t.Fatal(aerr)
		}
		answer := codec.AppendAnswer(nil, answerOf(events))
		if !json.Valid(answer) {
			t.Errorf("the answer is no JSON: %s", answer)
		}
		got := head + "\n--- request\n" + body + "\n--- stream\n" + render(t, codec, events) +
			"--- answer\n" + string(answer) + "\n"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if diff := cmp.Diff(string(data), got); diff != "" {
			t.Error(file, diff)
		}
	}
}

func TestBareDocumentsHaveALineEach(t *testing.T) {
	_, codec, err := DecodeMessages([]byte(`{"anthropic_version":"v","max_tokens":1,`+hi+`}`),
		Call{ID: "1", Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	events := script()
	for i := range events {
		out = codec.Bare().AppendEvent(out, &events[i])
	}
	var types []string
	for line := range strings.Lines(string(out)) {
		var v struct{ Type string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if n := len(types); n == 0 || types[n-1] != v.Type {
			types = append(types, v.Type)
		}
	}
	block := []string{"content_block_start", "content_block_delta", "content_block_stop"}
	want := []string{"message_start"}
	for range 3 {
		want = append(want, block...)
	}
	want = append(want, "message_delta", "message_stop")
	if diff := cmp.Diff(want, types); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsAreShapedAsTheAPIDoes(t *testing.T) {
	f := func(code api.Code, name string, status int) {
		t.Helper()
		err := &api.Error{Code: code, Message: "why"}
		if got := Status(err); got != status {
			t.Errorf("%s: status %d, want %d", name, got, status)
		}
		var body struct {
			Type, RequestID string
			Error           struct{ Type, Message string }
		}
		if e := json.Unmarshal(AppendError(nil, err, "id"), &body); e != nil ||
			body.Type != "error" || body.Error.Type != name || body.Error.Message == "" {
			t.Errorf("%s, want %s: %v", AppendError(nil, err, "id"), name, e)
		}
	}
	f(api.Invalid, "invalid_request_error", 400)
	f(api.ContextExceeded, "invalid_request_error", 400)
	f(api.Unauthenticated, "authentication_error", 401)
	f(api.Forbidden, "permission_error", 403)
	f(api.NotFound, "not_found_error", 404)
	f(api.TooLarge, "request_too_large", 413)
	f(api.Throttled, "rate_limit_error", 429)
	f(api.Internal, "api_error", 500)
	f(api.DeviceFailed, "api_error", 500)
	f(api.Unavailable, "overloaded_error", 529)
}
