package bedrock

import (
	"encoding/base64"
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
	usage := func(out int) api.Usage { return api.Usage{Input: 12, Output: out} }
	timing := api.Timing{Latency: 1234 * time.Millisecond, FirstByte: 56 * time.Millisecond}
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

// plain is a generation of text that ends for a reason.
func plain(reason api.FinishReason, stop string) []api.Event {
	timing := api.Timing{Latency: 1234 * time.Millisecond, FirstByte: 56 * time.Millisecond}
	return []api.Event{
		{Kind: api.Start, Usage: api.Usage{Input: 3}},
		{Kind: api.TextDelta, Text: []byte("Once upon"), Usage: api.Usage{Input: 3, Output: 1}},
		{Kind: api.TextDelta, Text: []byte(" a time"), Usage: api.Usage{Input: 3, Output: 2}},
		{
			Kind: api.Finish, Reason: reason, StopString: stop, Usage: api.Usage{
				Input:  3,
				Output: 3,
			},
			Timing: timing,
		},
		{Kind: api.End, Usage: api.Usage{Input: 3, Output: 3}, Timing: timing},
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
			a.Choices[0].Reason, a.Choices[0].StopString = e.Reason, e.StopString
		case api.End:
			a.Usage, a.Timing = e.Usage, e.Timing
		default: // the others bring no content
		}
	}
	a.Choices[0].Content = blocks
	return a
}

// render writes a stream as text: one frame a line, chunks opened.
func render(t testing.TB, codec api.Codec, events []api.Event) string {
	var out []byte
	for i := range events {
		out = codec.AppendEvent(out, &events[i])
	}
	var lines strings.Builder
	for _, f := range decodeFrames(t, out) {
		if !json.Valid([]byte(f.Payload)) {
			t.Errorf("the payload of %s is no JSON: %s", f.Name, f.Payload)
		}
		payload := f.Payload
		if f.Name == "chunk" {
			var c struct{ Bytes string }
			if err := json.Unmarshal([]byte(payload), &c); err != nil {
				t.Fatal(err)
			}
			inner, err := base64.StdEncoding.DecodeString(c.Bytes)
			if err != nil || !json.Valid(inner) {
				t.Errorf("chunk %q: %v", inner, err)
			}
			payload = string(inner)
		}
		lines.WriteString(f.Kind + " " + f.Name + " " + payload + "\n")
	}
	return lines.String()
}

// TestExchanges replays testdata/*.txt: a file's first line names operation and script, then come
// the request's body, the stream and the answer, each under a line of its own.
func TestExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no exchanges", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { replay(t, file) })
	}
}

// ownFamilies are the families of this package.
func ownFamilies() []Family {
	return []Family{
		Nova(), TitanText(), CohereCommandR(), MistralText(), DeepSeek(), CohereCommand(), Llama(),
	}
}

// hinted puts the family that a line names first.
func hinted(head string) []Family {
	all := ownFamilies()
	for _, f := range all {
		if strings.Contains(head, f.Title) {
			return append([]Family{f}, all...)
		}
	}
	return all
}

func replay(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(data), "\n--- request\n")
	body, _, _ := strings.Cut(rest, "\n--- stream\n")
	events := script()
	switch {
	case strings.Contains(head, " length"):
		events = plain(api.FinishLength, "")
	case strings.Contains(head, " stop"):
		events = plain(api.FinishStopString, "time")
	}
	codec := func(stream bool) api.Codec {
		call := Call{Model: "m", Stream: stream}
		if strings.HasPrefix(head, "Converse") {
			_, c, err := DecodeConverse([]byte(body), call)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		_, c, err := DecodeInvoke([]byte(body), call, hinted(head))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	answer := codec(false).AppendAnswer(nil, answerOf(events))
	if !json.Valid(answer) {
		t.Errorf("the answer is no JSON: %s", answer)
	}
	got := head + "\n--- request\n" + body + "\n--- stream\n" + render(t, codec(true), events) +
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
