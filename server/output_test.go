package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"

	"basalt/server/api"
	"basalt/server/bedrock"
)

// outputOf feeds a model's text, cut into pieces of n bytes, to a choice and collects the answer.
func outputOf(t *testing.T, m *model, req *api.Request, text string, n int) api.Choice {
	t.Helper()
	req.Kind, req.NumChoices = api.Chat, 1
	g := &generation{
		s: &Server{metrics: newMetrics(&Server{served: []*model{m}})}, model: m,
		req: req,
		r:   &request{arrived: time.Now()},
	}
	if _, err := g.chatPrompt(); err != nil {
		t.Fatal(err)
	}
	out := newCollector(1)
	g.sink = out
	q := newSequence(g, 0, nil, nil, newStopper(req.Stop))
	g.seqs = []*sequence{q}
	for len(text) > 0 && !q.findStop() {
		k := min(n, len(text))
		q.text = append(q.text, text[:k]...)
		text = text[k:]
		if q.findStop() {
			return out.answer.Choices[0]
		}
		q.release(len(q.text)-q.stop.held(), false)
	}
	q.conclude(api.FinishStop, "")
	return out.answer.Choices[0]
}

func TestToolCallsAndReasoningAreFound(t *testing.T) {
	m := testModel(t, "qwen3")
	weather := []api.Tool{{Name: "weather", Schema: []byte(`{"type":"object"}`)}}
	block := func(k api.BlockKind, text string) api.Block { return api.Block{Kind: k, Text: text} }
	f := func(text string, tools []api.Tool, reason api.FinishReason, want ...api.Block) {
		t.Helper()
		for _, n := range []int{1, 3, len(text)} {
			req := userSays("Hi")
			req.Tools = tools
			got := outputOf(t, m, req, text, n)
			for i := range got.Content {
				b := &got.Content[i]
				if b.Kind != api.BlockToolUse {
					b.Text = strings.TrimSpace(b.Text)
					continue
				}
				if !strings.HasPrefix(b.ToolID, "call_") || len(b.ToolID) != 29 {
					t.Errorf("the id of a call is %q", b.ToolID)
				}
				b.ToolID = ""
			}
			if diff := cmp.Diff(want, got.Content); diff != "" || got.Reason != reason {
				t.Errorf("%q in pieces of %d ends with %d: %s", text, n, got.Reason, diff)
			}
		}
	}
	call := "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": " +
		"\"Zürich\"}}\n</tool_call>"
	use := api.Block{
		Kind: api.BlockToolUse, ToolName: "weather",
		Input: []byte(`{"city": "Zürich"}`),
	}
	f("Hello.", weather, api.FinishStop, block(api.BlockText, "Hello."))
	f("<think>\nhm\n</think>\n\nHello.", nil, api.FinishStop, block(api.BlockReasoning, "hm"),
		block(api.BlockText, "Hello."))
	f(call, weather, api.FinishToolUse, use)
	f("<think>\nhm\n</think>\n\n"+call+"\n"+call, weather, api.FinishToolUse,
		block(api.BlockReasoning, "hm"), use, use)
	f(call, nil, api.FinishStop, block(api.BlockText, call))
}

// TestCallsOfToolsThatWereNotOffered: their names are told, but none that a later message could not
// bring back.
func TestCallsOfToolsThatWereNotOffered(t *testing.T) {
	m := testModel(t, "qwen3")
	f := func(name, arguments, want string, reason api.FinishReason, stop string) {
		t.Helper()
		req := userSays("Hi")
		req.Tools = []api.Tool{{Name: "weather"}, {Name: strings.Repeat("n", 128)}}
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		got := outputOf(t, m, req, "<tool_call>\n{\"name\": "+string(quoted)+
			", \"arguments\": "+arguments+"}\n</tool_call>", 5)
		if len(got.Content) == 0 || got.Content[0].ToolName != want || got.Reason != reason {
			t.Fatalf("%q: %+v", name, got)
		}
		c := &bedrock.Converse{}
		answer := string(c.AppendAnswer(nil, &api.Answer{Choices: []api.Choice{got}}))
		if !strings.Contains(answer, `"stopReason":"`+stop+`"`) {
			t.Errorf("%q: %s", name, answer)
		}
	}
	f("weather", "{}", "weather", api.FinishToolUse, "tool_use")
	f("read_file", "{}", "read_file", api.FinishToolUse, "tool_use")
	f(strings.Repeat("n", 128), "{}", strings.Repeat("n", 128), api.FinishToolUse, "tool_use")
	f(strings.Repeat("x", 65), "{}", strings.Repeat("x", 64), api.FinishBadTool,
		"malformed_tool_use")
	f("$READ FILE", "{}", "_READ_FILE", api.FinishBadTool, "malformed_tool_use")
	f("é", "{}", "__", api.FinishBadTool, "malformed_tool_use")
	f("weather", `{"a": 1,}`, "weather", api.FinishBadTool, "malformed_tool_use")
}

func TestStopStringsEndOutputBeforeTools(t *testing.T) {
	m := testModel(t, "qwen3")
	req := userSays("Hi")
	req.Stop = []string{"STOP"}
	for n := 1; n < 9; n++ {
		got := outputOf(t, m, req, "<think>a</think>bSTO STOP c", n)
		if got.Reason != api.FinishStopString || got.StopString != "STOP" || got.Text() != "bSTO " {
			t.Errorf("in pieces of %d: %+v", n, got)
		}
	}
}

func TestAStopStringEndsTheSequence(t *testing.T) {
	const step = 2 * time.Millisecond
	f := start(t, setup{noEOS: true, stepTime: step})
	full := f.whole(completionBody("tell", 3, 12, ""))
	quoted, err := json.Marshal(full.text[len(full.text)-6:])
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"", `,"stream":true`} {
		f.post(textPath, completionBody("tell", 3, 1500, more+`,"stop":`+string(quoted)))
		f.balance(100 * time.Millisecond)
		if steps := f.loop.Stats().Steps; steps > 100 {
			t.Errorf("%d steps for two answers of 12 tokens", steps)
		}
	}
}

// frames reads an event stream.
func frames(t *testing.T, body string) map[string]string {
	t.Helper()
	dec, out := eventstream.NewDecoder(), map[string]string{}
	for r := bytes.NewReader([]byte(body)); r.Len() > 0; {
		m, err := dec.Decode(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		out[m.Headers.Get(":event-type").String()] = string(m.Payload)
	}
	return out
}

// TestUsageAgreesEverywhere asks for the same tokens in all the ways in which they are counted.
func TestUsageAgreesEverywhere(t *testing.T) { both(t, testUsageAgreesEverywhere) }

func testUsageAgreesEverywhere(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	const numTokens = 9
	got := map[string]string{}
	read := func(where, body string, path ...string) {
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatalf("%s: %v: %s", where, err, body)
		}
		for _, p := range path {
			v = v.(map[string]any)[p]
		}
		u := v.(map[string]any)
		in := []any{
			u["inputTokens"], u["inputTokenCount"], u["prompt_token_count"],
			u["prompt_tokens"],
		}
		out := []any{
			u["outputTokens"], u["outputTokenCount"], u["generation_token_count"],
			u["completion_tokens"],
		}
		for i := range in {
			if in[i] != nil {
				got[where] = fmt.Sprint(in[i], " in, ", out[i], " out")
			}
		}
	}
	limit := strconv.Itoa(numTokens)
	chat := strings.Replace(chatHi, ":3", ":"+limit, 1)
	converse := strings.Replace(converseHi, ":3", ":"+limit, 1)
	read("converse", f.post(conversePath, converse).body, "usage")
	read("converse stream", frames(t, f.post(conversePath+"-stream", converse).body)["metadata"],
		"usage")
	read("chat", f.post(chatPath, chat).body, "usage")
	a := f.post("/model/tiny/invoke", chat)
	read("invoke", a.body, "usage")
	got["headers"] = a.header.Get("X-Amzn-Bedrock-Input-Token-Count") + " in, " +
		a.header.Get("X-Amzn-Bedrock-Output-Token-Count") + " out"
	var chunk struct{ Bytes string }
	last := frames(t, f.post("/model/tiny/invoke-with-response-stream", chat).body)["chunk"]
	if err := json.Unmarshal([]byte(last), &chunk); err != nil {
		t.Fatal(err)
	}
	inner, err := base64.StdEncoding.DecodeString(chunk.Bytes)
	if err != nil || !strings.Contains(string(inner), `"finish_reason":"length"`) {
		t.Errorf("the last chunk is %s, %v", inner, err)
	}
	read("metrics", string(inner), "amazon-bedrock-invocationMetrics")
	events := sse(t, f.post(chatPath, strings.Replace(chat, "{",
		`{"stream":true,"stream_options":{"include_usage":true},`, 1)).body)
	read("chat stream", events[len(events)-2], "usage")
	if len(got) != 7 {
		t.Errorf("only %d counts: %v", len(got), got)
	}
	for where, n := range got {
		if n != got["converse"] || !strings.HasSuffix(n, limit+" out") {
			t.Errorf("%s: %s; Converse says %s", where, n, got["converse"])
		}
	}
}

func TestLlamaBodiesContinueRawPrompts(t *testing.T) {
	f := start(t, setup{noEOS: true})
	a := f.post("/model/tiny/invoke", `{"prompt":"once","max_gen_len":8,"temperature":0}`)
	var got struct {
		Generation string
		Reason     string `json:"stop_reason"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Generation == "" || got.Reason != "length" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestModelsAnswerToTheirAliases(t *testing.T) { both(t, testModelsAnswerToTheirAliases) }

func testModelsAnswerToTheirAliases(t *testing.T, start starter) {
	f := start(t, setup{})
	for _, path := range []string{
		"/model/meta.tiny-v1%3A0/converse",
		"/model/meta.tiny-v1:0/converse",
	} {
		if a := f.post(path, converseHi); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	list := f.do("GET", "/openai/v1/models", "").body
	if !strings.Contains(list, `"id":"tiny"`) || !strings.Contains(list, `"id":"meta.tiny-v1:0"`) {
		t.Error(list)
	}
}
