package load

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// read feeds a stream's text in pieces of so many bytes and gives what the client makes of it.
func read(dialectName string, stream []byte, piece int) (string, Outcome, error) {
	c, err := newClient(&Options{Dialect: dialectName})
	if err != nil {
		return "", Outcome{}, err
	}
	c.began = time.Now()
	var out Outcome
	text, err := c.receive(&pieces{stream, piece}, &out, true)
	return text, out, err
}

type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.size, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

func TestReadOpenAIStreams(t *testing.T) {
	f := func(dialect, stream, text string, tokens, input, output, cached int) {
		t.Helper()
		for _, piece := range []int{1, 7, 1 << 20} {
			got, out, err := read(dialect, []byte(stream), piece)
			if err != nil || got != text || len(out.Chunks) != tokens || out.Input != input ||
				out.Output != output || out.Cached != cached {
				t.Errorf("pieces of %d: %q, %+v, %v", piece, got, out, err)
			}
		}
	}
	// As llama-server writes it: the last chunk has no text, and usage beside the choice.
	f("openai", `data: {"choices":[{"text":"a\"b","index":0,"finish_reason":null}],"id":"x"}

data: {"choices":[{"text":"","index":0,"finish_reason":null}]}

data: {"choices":[{"text":"","finish_reason":"length"}],"usage":{"completion_tokens":2,`+
		`"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":1}},"timings":{"cache_n":0}}

data: [DONE]

`, `a"b`, 2, 3, 2, 1)
	// As vLLM and Basalt write it: the last text says why it ends, usage comes alone. Comments are
	// left out.
	f("openai", ": ping\r\n\r\ndata: {\"choices\": [ {\"index\": 0, \"text\": \"\\u00e9\", "+
		"\"finish_reason\": null } ]}\r\n\r\ndata:{\"choices\":[{\"text\":\"z\","+
		"\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,"+
		"\"completion_tokens\":9}}\n\ndata: [DONE]\n\n", "éz", 2, 5, 9, 0)
	f("openai-chat", `data: {"choices":[{"delta":{"role":"assistant","content":""},`+
		`"finish_reason":null}]}

data: {"choices":[{"delta":{"reasoning_content":"hm"},"finish_reason":null}]}

data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":null}]}

data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{}"}}]}}]}

data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}],"usage":null}

data: [DONE]

`, "Hi", 3, 0, 0, 0)
}

func TestStreamsThatFail(t *testing.T) {
	f := func(dialect, stream, want string) {
		t.Helper()
		if _, _, err := read(dialect, []byte(stream), 5); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	const token = `data: {"choices":[{"text":"a","finish_reason":null}]}` + "\n\n"
	f("openai", token, errTruncated.Error())
	f("openai", "", errTruncated.Error())
	f("openai", "data: [DONE]\n\n", "no tokens")
	f("openai", token+"data: {\"error\":{\"message\":\"full\"}}\n\n", "full")
	f("openai", "data: oops\n\n", "no JSON object")
	f("converse", strings.Repeat("\x00", 16), "a frame of 0 bytes")
	f("converse", "\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00xxxx", "checksum")
	good := frame(t, "event", "contentBlockDelta", `{"delta":{"text":"a"}}`)
	good[len(good)-1] ^= 1
	f("converse", string(good), "checksum")
	f("converse", string(frame(t, "exception", "throttlingException", `{"message":"slow"}`)),
		"slow")
	f("invoke", string(frame(t, "event", "chunk", `{"bytes":"!"}`)), "payload")
}

// frame is a message as the AWS SDK writes it.
func frame(t testing.TB, message, event, payload string) []byte {
	t.Helper()
	name := ":event-type"
	if message == "exception" {
		name = ":exception-type"
	}
	var b bytes.Buffer
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":message-type", eventstream.StringValue(message))
	m.Headers.Set(name, eventstream.StringValue(event))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadBedrockStreams(t *testing.T) {
	f := func(dialect string, stream []byte, tokens, input, output, cached int) {
		t.Helper()
		for _, piece := range []int{1, 13, 1 << 20} {
			got, out, err := read(dialect, stream, piece)
			if err != nil || got != "Hi." || len(out.Chunks) != tokens || out.Input != input ||
				out.Output != output || out.Cached != cached {
				t.Errorf("pieces of %d: %q, %+v, %v", piece, got, out, err)
			}
		}
	}
	var s []byte
	for _, e := range [][2]string{
		{"messageStart", `{"role":"assistant"}`},
		{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hi"}}`},
		{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"."}}`},
		{"contentBlockDelta", `{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{}"}}}`},
		{"contentBlockStop", `{"contentBlockIndex":0}`},
		{"messageStop", `{"stopReason":"end_turn"}`},
		{"metadata", `{"usage":{"inputTokens":4,"outputTokens":3,"totalTokens":7,` +
			`"cacheReadInputTokens":2},"metrics":{"latencyMs":5}}`},
	} {
		s = append(s, frame(t, "event", e[0], e[1])...)
	}
	f("converse", s, 3, 4, 3, 2)
	s = nil
	for _, inner := range []string{
		`{"generation":"Hi","prompt_token_count":4,"generation_token_count":1,"stop_reason":null}`,
		`{"generation":".","generation_token_count":2,"stop_reason":null}`,
		`{"generation":"","generation_token_count":2,"stop_reason":"stop",` +
			`"amazon-bedrock-invocationMetrics":{"inputTokenCount":4,"outputTokenCount":2}}`,
	} {
		s = append(s, frame(t, "event", "chunk",
			`{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(inner))+`","p":"abc"}`)...)
	}
	f("invoke", s, 2, 4, 2, 0)
}

func FuzzReadStreams(f *testing.F) {
	f.Add("openai", []byte("data: {\"choices\":[{\"text\":\"a\\\\\"}]}\n\ndata: [DONE]\n\n"))
	f.Add("openai-chat", []byte("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"))
	f.Add("converse", frame(f, "event", "metadata", `{"usage":{"inputTokens":4}}`))
	f.Add("invoke", frame(f, "event", "chunk", `{"bytes":"e30="}`))
	f.Fuzz(func(t *testing.T, dialect string, stream []byte) {
		whole, a, errA := read(dialect, stream, 1<<20)
		parts, b, errB := read(dialect, stream, 3)
		if whole != parts || (errA == nil) != (errB == nil) || len(a.Chunks) != len(b.Chunks) {
			t.Errorf("%q %v %d, in pieces %q %v %d", whole, errA, len(a.Chunks), parts, errB,
				len(b.Chunks))
		}
	})
}

// The scanner agrees with encoding/json about every object's members.
func FuzzFields(f *testing.F) {
	f.Add(`{"a": 1, "b": {"c": [true, "x\"}"]}, "d": null}`)
	f.Add(`{"\\": "\\\"", "e": -1.5e3}`)
	f.Fuzz(func(t *testing.T, text string) {
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil {
			for o := object([]byte(text)); o.next(); {
				_ = unquoted(o.value)
			}
			return
		}
		n := 0
		for o := object([]byte(text)); o.next(); n++ {
			key := unquoted(append(append([]byte{'"'}, o.key...), '"'))
			if strings.Count(text, ":") == len(want) && string(want[key]) != string(o.value) {
				t.Errorf("%q is %q, want %q", key, o.value, want[key])
			}
		}
		if n < len(want) {
			t.Errorf("%d members of %d", n, len(want))
		}
	})
}

// stub is a server whose answers a test chooses.
type stub struct {
	*httptest.Server
	mu             sync.Mutex
	bodies         []map[string]any
	paths          []string
	running, most  atomic.Int64
	asked          atomic.Int64
	before, answer func(n int64, w http.ResponseWriter)
}

func newStub(t *testing.T) *stub {
	s := &stub{answer: func(_ int64, w http.ResponseWriter) { writeTokens(w, 3) }}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running := s.running.Add(1)
		defer s.running.Add(-1)
		for most := s.most.Load(); running > most && !s.most.CompareAndSwap(most, running); {
			most = s.most.Load()
		}
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.bodies, s.paths = append(s.bodies, body), append(s.paths, r.URL.EscapedPath())
		s.mu.Unlock()
		n := s.asked.Add(1)
		if s.before != nil {
			s.before(n, w)
		}
		s.answer(n, w)
	}))
	t.Cleanup(s.Close)
	return s
}

func writeTokens(w http.ResponseWriter, n int) {
	for i := range n {
		fmt.Fprintf(w, "data: {\"choices\":[{\"text\":\" w%d\",\"delta\":{\"content\":\" "+
			"w%d\"}}]}\n\n",
			i, i)
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

func (s *stub) run(t *testing.T, o Options, w Workload) (*Record, *Metrics) {
	t.Helper()
	o.URL, o.Model = s.URL, "m"
	if o.Dialect == "" {
		o.Dialect = "openai"
	}
	if o.Rate == 0 {
		o.Rate = math.Inf(1)
	}
	if o.Burstiness == 0 {
		o.Burstiness = 1
	}
	r, err := Run(t.Context(), &o, sessionsOf(t, w))
	if err != nil {
		t.Fatal(err)
	}
	return r, r.Summarise(SLO{})
}

func TestClosedLoopKeepsItsLimit(t *testing.T) {
	s := newStub(t)
	s.before = func(int64, http.ResponseWriter) { time.Sleep(5 * time.Millisecond) }
	var progress bytes.Buffer
	_, m := s.run(t, Options{Clients: 3, Progress: &progress, Extra: map[string]any{
		"temperature": nil, "top_k": 5,
	}}, Workload{Kind: "random", Num: 20, Input: 4, Output: 3, Vocab: 50})
	if m.Completed != 20 || s.most.Load() != 3 || m.Output != 60 || m.PeakConcurrent > 3 {
		t.Errorf("%d answered, %d at the same time, %d tokens", m.Completed, s.most.Load(),
			m.Output)
	}
	body := s.bodies[0]
	if ids, ok := body["prompt"].([]any); !ok || len(ids) != 4 || body["stream"] != true ||
		body["ignore_eos"] != true || body["top_k"] != 5.0 || body["max_tokens"] != 3.0 {
		t.Errorf("body %v", body)
	}
	if _, ok := body["temperature"]; ok {
		t.Error("null does not remove a member")
	}
}

// A server that stalls does not slow an open loop's requests down: their clocks start when they
// are due, so that the stall shows in every one of them. This server answers nobody until all have
// asked, which a generator that waits for answers would never do.
func TestOpenLoopDoesNotOmitWhatAStallDelays(t *testing.T) {
	const n, rate = 20, 100.0
	s, all := newStub(t), make(chan struct{})
	s.before = func(asked int64, _ http.ResponseWriter) {
		if asked == n {
			close(all)
		}
		select {
		case <-all:
		case <-time.After(30 * time.Second):
			t.Error("not all requests are sent while the server stalls")
		}
	}
	r, m := s.run(t, Options{Rate: rate, Burstiness: math.Inf(1)},
		Workload{Kind: "random", Num: n, Input: 4, Output: 3})
	if m.Completed != n || s.most.Load() != n {
		t.Errorf("%d answered, %d at the same time", m.Completed, s.most.Load())
	}
	last := time.Duration(n / rate * float64(time.Second))
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		due := time.Duration(float64(i+1) / rate * float64(time.Second))
		if o.Start != due || o.Queue != 0 || time.Duration(o.Chunks[0]) < last {
			t.Errorf("request %d is due at %v, started at %v, first token %v", i, due, o.Start,
				time.Duration(o.Chunks[0]))
		}
	}
}

// With a limit of clients, what waits for one is told apart and added up.
func TestOpenLoopWithClientsReportsTheirQueue(t *testing.T) {
	s := newStub(t)
	s.before = func(int64, http.ResponseWriter) { time.Sleep(20 * time.Millisecond) }
	_, m := s.run(t, Options{Rate: 1000, Burstiness: math.Inf(1), Clients: 1},
		Workload{Kind: "random", Num: 10, Input: 4, Output: 3})
	if s.most.Load() != 1 || m.Queue.Percentile(100) < 150 || m.E2EL.Percentile(50) > 100 ||
		m.WithAll.Percentile(100) < m.Queue.Percentile(100) {
		t.Errorf("queue %.0f ms, request %.0f ms, both %.0f ms", m.Queue.Percentile(100),
			m.E2EL.Percentile(50), m.WithAll.Percentile(100))
	}
}

func TestTraceTimesMakeAnOpenLoop(t *testing.T) {
	s := newStub(t)
	sessions, err := ReadTrace(strings.NewReader(
		`{"timestamp": 40, "prompt": "a", "output_length": 3}
{"timestamp": 10, "prompt": "b", "output_length": 3}`), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), &Options{
		URL: s.URL, Dialect: "openai", Model: "m", Rate: math.Inf(1), Burstiness: 1,
	}, sessions)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcomes[0].Start != 40*time.Millisecond || r.Outcomes[1].Start != 10*time.Millisecond {
		t.Errorf("starts %v, %v", r.Outcomes[0].Start, r.Outcomes[1].Start)
	}
}

func TestConversationCarriesTheAnswers(t *testing.T) {
	f := func(dialect string, answers func(body map[string]any) string) {
		t.Helper()
		s := newStub(t)
		if dialect == "converse" {
			s.answer = func(_ int64, w http.ResponseWriter) {
				_, _ = w.Write(frame(t, "event", "contentBlockDelta", `{"delta":{"text":" w0"}}`))
				_, _ = w.Write(frame(t, "event", "metadata", `{"usage":{"inputTokens":1}}`))
			}
		}
		r, m := s.run(t, Options{Dialect: dialect, Clients: 1}, Workload{
			Kind: "conversation", Num: 1, Input: 2, Output: 3, Turns: 3,
		})
		if m.Completed != 3 || r.Outcomes[2].Turn != 2 ||
			r.Outcomes[2].Start < r.Outcomes[1].Start {
			t.Errorf("%s: %d answered: %v", dialect, m.Completed, m.ErrorTexts)
			return
		}
		if got := answers(s.bodies[2]); strings.Count(got, " w0") != 2 {
			t.Errorf("%s: the third turn is asked with %s", dialect, got)
		}
	}
	whole := func(body map[string]any) string {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	f("openai", whole)
	f("openai-chat", whole)
	f("converse", whole)
}

func TestBodiesOfBedrock(t *testing.T) {
	s := newStub(t)
	w := Workload{Kind: "tools", Num: 1, Input: 2, Output: 3}
	for _, d := range []string{"converse", "invoke", "openai-chat"} {
		s.run(t, Options{Dialect: d}, w)
	}
	if got := strings.Join(s.paths, " "); got != "/model/m/converse-stream "+
		"/model/m/invoke-with-response-stream /v1/chat/completions" {
		t.Errorf("paths %s", got)
	}
	config, ok := s.bodies[0]["toolConfig"].(map[string]any)
	if !ok || len(config["tools"].([]any)) != 2 {
		t.Errorf("tools %v", s.bodies[0])
	}
	if s.bodies[1]["max_gen_len"] != 3.0 || len(s.bodies[2]["tools"].([]any)) != 2 {
		t.Errorf("bodies %v", s.bodies[1:])
	}
}

func TestFailuresAreCountedAndRetried(t *testing.T) {
	s := newStub(t)
	s.answer = func(n int64, w http.ResponseWriter) {
		switch n % 3 {
		case 0:
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"error":"full"}`)
		case 1:
			panic(http.ErrAbortHandler)
		default:
			writeTokens(w, 2)
		}
	}
	w := Workload{Kind: "random", Num: 6, Input: 4, Output: 2}
	_, m := s.run(t, Options{Clients: 1}, w)
	if m.Completed != 2 || m.Failed != 4 || m.Attempts != 4 || len(m.ErrorTexts) != 2 {
		t.Errorf("without retries: %d answered, %d failed: %q", m.Completed, m.Failed, m.ErrorTexts)
	}
	s.asked.Store(0)
	_, m = s.run(t, Options{Clients: 1, Retry: 4}, w)
	if m.Completed != 6 || m.Failed != 0 || m.Attempts < 9 {
		t.Errorf("with retries: %d answered, %d attempts failed", m.Completed, m.Attempts)
	}
}

func TestRunRefuses(t *testing.T) {
	f := func(o Options, sessions []Session, want string) {
		t.Helper()
		if _, err := Run(t.Context(), &o, sessions); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	one := []Session{{At: -1, Requests: []Request{{Text: "a", OutputLen: 1}}}}
	f(Options{Rate: 1, Burstiness: 1, Dialect: "openai"}, nil, "no sessions")
	f(Options{Rate: 0, Burstiness: 1, Dialect: "openai"}, one, "rate 0")
	f(Options{Rate: 1, Burstiness: math.NaN(), Dialect: "openai"}, one, "burstiness NaN")
	f(Options{Rate: 1, Burstiness: 1, Dialect: "grpc"}, one, "unknown API")
}

func TestFirstModel(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer k" {
			fmt.Fprint(w, `{"data":[{"id":"one"},{"id":"two"}]}`)
		}
	}))
	defer s.Close()
	if id, err := FirstModel(t.Context(), s.Client(), s.URL+"/", "k"); id != "one" {
		t.Errorf("%q, %v", id, err)
	}
	if _, err := FirstModel(t.Context(), s.Client(), s.URL, ""); err == nil ||
		errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}
