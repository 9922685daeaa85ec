package openai

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"basalt/server/api"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata/*.txt")

// script is a generation of every kind of content.
func script() []api.Event {
	usage := func(out int) api.Usage { return api.Usage{Input: 12, Output: out, CacheRead: 4} }
	token := func(s string, logprob float32, top ...api.TokenLogprob) api.TokenLogprob {
		return api.TokenLogprob{Token: s, Bytes: []byte(s), Logprob: logprob, Top: top}
	}
	return []api.Event{
		{Kind: api.Start, Usage: usage(0)},
		{Kind: api.ReasoningDelta, Text: []byte("Let me see."), Usage: usage(4)},
		{
			Kind: api.TextDelta, Text: []byte("The \"weather\"\n"), Usage: usage(6),
			Logprobs: []api.TokenLogprob{
				token("The \"weather\"\n", -0.25, token("The", -0.25), token("é", -2)),
			},
		},
		{Kind: api.TextDelta, Text: []byte("in Zürich 😀"), Usage: usage(8)},
		{Kind: api.ToolStart, ToolID: "call_1", ToolName: "weather", Usage: usage(10)},
		{Kind: api.ToolDelta, Text: []byte(`{"city":`), Usage: usage(11)},
		{Kind: api.ToolDelta, Text: []byte(`"Zürich"}`), Usage: usage(13)},
		{Kind: api.ToolStop, Usage: usage(13)},
		{Kind: api.Finish, Reason: api.FinishToolUse, Usage: usage(14)},
		{Kind: api.End, Usage: usage(14), Timing: api.Timing{Latency: time.Second}},
	}
}

// answerOf is what a collector makes of events.
func answerOf(events []api.Event) *api.Answer {
	var blocks []api.Block
	a := &api.Answer{Choices: make([]api.Choice, 1)}
	add := func(k api.BlockKind, text []byte) {
		if n := len(blocks); n == 0 || blocks[n-1].Kind != k {
			blocks = append(blocks, api.Block{Kind: k})
		}
		blocks[len(blocks)-1].Text += string(text)
	}
	for _, e := range events {
		a.Choices[0].Logprobs = append(a.Choices[0].Logprobs, e.Logprobs...)
		switch e.Kind {
		case api.TextDelta:
			add(api.BlockText, e.Text)
		case api.ReasoningDelta:
			add(api.BlockReasoning, e.Text)
		case api.ToolStart:
			blocks = append(blocks, api.Block{
				Kind: api.BlockToolUse, ToolID: e.ToolID,
				ToolName: e.ToolName,
			})
		case api.ToolDelta:
			b := &blocks[len(blocks)-1]
			b.Input = append(b.Input, e.Text...)
		case api.Finish:
			a.Choices[0].Reason = e.Reason
		case api.End:
			a.Usage = e.Usage
		default: // the others bring no content
		}
	}
	a.Choices[0].Content = blocks
	return a
}

// render writes a stream and checks its frames.
func render(t testing.TB, codec api.Codec, events []api.Event) string {
	var out []byte
	for i := range events {
		out = codec.AppendEvent(out, &events[i])
	}
	for _, doc := range strings.Split(strings.TrimSuffix(string(out), "\n\n"), "\n\n") {
		if event, after, ok := strings.Cut(doc, "\n"); ok && strings.HasPrefix(event, "event: ") {
			doc = after
			if !strings.Contains(doc, `{"type":"`+event[len("event: "):]+`"`) {
				t.Errorf("%s is not of %s", doc, event)
			}
		}
		if event, after, ok := strings.Cut(doc, "\n"); ok && strings.HasPrefix(event, "event: ") {
			doc = after
			if !strings.Contains(doc, `{"type":"`+event[len("event: "):]+`"`) {
				t.Errorf("%s is not of %s", doc, event)
			}
		}
		data, isData := strings.CutPrefix(doc, "data: ")
		if !isData || data != "[DONE]" && !json.Valid([]byte(data)) {
			t.Errorf("a broken event: %q", doc)
		}
	}
	return string(out)
}

// TestExchanges replays testdata/*.txt: a file's first line names the operation, then come the
// request's body, the stream and the answer, each under a line of its own.
func TestExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no exchanges", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { replay(t, file) })
	}
}

func replay(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(data), "\n--- request\n")
	body, _, _ := strings.Cut(rest, "\n--- stream\n")
	codec := func() api.Codec {
		call := Call{ID: "7", Created: 1700000000}
		if strings.HasPrefix(head, "Response") {
			_, c, err := DecodeResponse([]byte(body), call)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		if strings.HasPrefix(head, "Response") {
			_, c, err := DecodeResponse([]byte(body), call)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		if strings.HasPrefix(head, "Chat") {
			_, c, err := DecodeChat([]byte(body), call)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		_, c, err := DecodeCompletion([]byte(body), call)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	answer := codec().AppendAnswer(nil, answerOf(script()))
	if !json.Valid(answer) {
		t.Errorf("the answer is no JSON: %s", answer)
	}
	got := head + "\n--- request\n" + body + "\n--- stream\n" + render(t, codec(), script()) +
		"--- error\n" + string(codec().AppendError(nil, api.Errorf(api.DeviceFailed, "gone"))) +
		"--- answer\n" + string(answer) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(data), got); diff != "" && !*update {
		t.Error(diff)
	}
}

func TestErrorsAreShapedAsOpenAIDoes(t *testing.T) {
	f := func(err *api.Error, status int, want string) {
		t.Helper()
		if got := Status(err); got != status {
			t.Errorf("%v: status %d, want %d", err, got, status)
		}
		if diff := cmp.Diff(want, string(AppendError(nil, err))); diff != "" {
			t.Error(diff)
		}
	}
	f(api.FieldError("n", "n is bad"), 400,
		`{"error":{"message":"n is bad","type":"invalid_request_error","param":"n","code":null}}`)
	f(&api.Error{Code: api.ContextExceeded, Message: "long"}, 400, `{"error":{"message":"long",`+
		`"type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`)
	f(&api.Error{Code: api.NotFound, Message: "m", Field: "model"}, 404, `{"error":{"message":"m",`+
		`"type":"invalid_request_error","param":"model","code":"model_not_found"}}`)
	f(&api.Error{Code: api.Unauthenticated, Message: "m"}, 401, `{"error":{"message":"m",`+
		`"type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`)
	f(&api.Error{Code: api.Throttled, Message: "m"}, 429, `{"error":{"message":"m",`+
		`"type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`)
	f(&api.Error{Code: api.DeviceFailed, Message: "m"}, 500, `{"error":{"message":"m",`+
		`"type":"server_error","param":null,"code":"device_error"}}`)
}

func TestModelsAreListed(t *testing.T) {
	got := AppendModels(nil, []api.ModelInfo{{ID: "a", Created: 5, MaxContext: 9}, {ID: "b/c"}})
	const want = `{"object":"list","data":[{"id":"a","object":"model","created":5,` +
		`"owned_by":"basalt","max_model_len":9},{"id":"b/c","object":"model","created":0,` +
		`"owned_by":"basalt","max_model_len":0}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
