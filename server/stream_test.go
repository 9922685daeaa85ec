package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// chunk is what tests read of a streamed completion or chat.
type chunk struct {
	Choices []struct {
		Index        int
		Text         string
		Delta        struct{ Content, Reasoning_content string }
		FinishReason *string `json:"finish_reason"`
	}
	Usage *struct {
		Completion int `json:"completion_tokens"`
	}
	Error *struct{ Message, Code string }
}

// streamed is the text of one choice and how it ended.
type streamed struct{ text, finish string }

// readSSE puts a stream's choices together; it fails on one that does not end as it must.
func readSSE(t testing.TB, body string) ([]streamed, *chunk) {
	t.Helper()
	var out []streamed
	var last *chunk
	events := sse(t, body)
	if len(events) == 0 || events[len(events)-1] != "[DONE]" {
		t.Errorf("the stream does not end with [DONE]: %.200q", body)
		return nil, nil
	}
	for _, e := range events[:len(events)-1] {
		c := &chunk{}
		if err := json.Unmarshal([]byte(e), c); err != nil {
			t.Fatalf("%q: %v", e, err)
		}
		last = c
		for _, choice := range c.Choices {
			for len(out) <= choice.Index {
				out = append(out, streamed{})
			}
			s := &out[choice.Index]
			if s.finish != "" {
				t.Errorf("choice %d goes on after its end", choice.Index)
			}
			s.text += choice.Text + choice.Delta.Content
			if choice.FinishReason != nil {
				s.finish = *choice.FinishReason
			}
		}
	}
	return out, last
}

func completionBody(prompt string, seed, maxTokens int, more string) string {
	return fmt.Sprintf(`{"model":"tiny","prompt":%q,"seed":%d,"max_tokens":%d%s}`, prompt, seed,
		maxTokens, more)
}

// whole is the text of a completion that is not streamed.
func (f *fixture) whole(body string) streamed {
	f.t.Helper()
	a := f.post("/v1/completions", body)
	var c chunk
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.status != 200 {
		f.t.Fatalf("%d %s", a.status, a.body)
	}
	return streamed{c.Choices[0].Text, *c.Choices[0].FinishReason}
}

func TestManyStreamsEqualEachAlone(t *testing.T) { both(t, testManyStreamsEqualEachAlone) }

func testManyStreamsEqualEachAlone(t *testing.T, start starter) {
	f := start(t, setup{})
	const numStreams = 64
	body := func(i int, more string) string {
		return completionBody(strings.Repeat("once upon ", 1+i%37), i, 20+i*3, more)
	}
	alone := make([]streamed, numStreams)
	for i := range alone {
		alone[i] = f.whole(body(i, ""))
	}
	together := make([]streamed, numStreams)
	var wg sync.WaitGroup
	for i := range together {
		wg.Go(func() {
			a := f.post("/v1/completions", body(i, `,"stream":true`))
			if got, _ := readSSE(t, a.body); len(got) == 1 {
				together[i] = got[0]
			}
		})
	}
	wg.Wait()
	for i := range alone {
		if alone[i].text == "" || alone[i] != together[i] {
			t.Errorf("stream %d: %q together, %q alone", i, together[i], alone[i])
		}
	}
	f.balance(time.Second)
}

func TestChoicesDifferAndRepeat(t *testing.T) {
	f := start(t, setup{noEOS: true})
	body := completionBody("once", 5, 12,
		`,"n":4,"stream":true,"stream_options":{"include_usage":true}`)
	first, last := readSSE(t, f.post("/v1/completions", body).body)
	again, _ := readSSE(t, f.post("/v1/completions", body).body)
	if len(first) != 4 || fmt.Sprint(first) != fmt.Sprint(again) {
		t.Fatalf("%v, then %v", first, again)
	}
	if first[0] == first[1] || first[1] == first[2] || first[2] == first[3] {
		t.Errorf("equal choices: %q", first)
	}
	if last.Usage == nil || last.Usage.Completion != 4*12 {
		t.Errorf("usage %+v, want %d tokens", last.Usage, 4*12)
	}
	if alone := f.whole(completionBody("once", 5, 12, "")); alone != first[0] {
		t.Errorf("the first choice is %q, alone it is %q", first[0], alone)
	}
}

// TestStopStringsCutExactly takes pieces of a known answer as stop strings. Whatever the tokens,
// the answer ends right before the first of them, streamed or not.
func TestStopStringsCutExactly(t *testing.T) { both(t, testStopStringsCutExactly) }

func testStopStringsCutExactly(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	full := f.whole(completionBody("tell", 3, 60, ""))
	runes := []rune(full.text)
	if len(runes) < 60 {
		t.Fatalf("a short answer: %q", full.text)
	}
	for at := 5; at+4 < len(runes); at += 7 {
		for _, n := range []int{1, 2, 4} {
			stop := string(runes[at : at+n])
			want, _, _ := strings.Cut(full.text, stop)
			quoted, err := json.Marshal([]string{"never to be found", stop})
			if err != nil {
				t.Fatal(err)
			}
			more := `,"stop":` + string(quoted)
			if got := f.whole(completionBody("tell", 3, 60, more)); got.text != want ||
				got.finish != "stop" {
				t.Errorf("stop %q: %q (%s), want %q", stop, got.text, got.finish, want)
			}
			a := f.post("/v1/completions", completionBody("tell", 3, 60, more+`,"stream":true`))
			if got, _ := readSSE(t, a.body); len(got) != 1 || got[0].text != want {
				t.Errorf("stop %q, streamed: %q, want %q", stop, got, want)
			}
		}
	}
	f.balance(time.Second)
}

func TestHeldTextComesAtTheEnd(t *testing.T) {
	f := start(t, setup{noEOS: true})
	full := f.whole(completionBody("tell", 3, 20, ""))
	quoted, err := json.Marshal(full.text[len(full.text)-3:] + "!")
	if err != nil {
		t.Fatal(err)
	}
	more := `,"stop":` + string(quoted)
	if got := f.whole(completionBody("tell", 3, 20, more)); got != full {
		t.Errorf("%q, want %q", got, full)
	}
}

func TestUsageEndsAtTheStopString(t *testing.T) { both(t, testUsageEndsAtTheStopString) }

func testUsageEndsAtTheStopString(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	type usage struct {
		Choices []struct {
			Text     string
			Logprobs struct{ Tokens []string }
		}
		Usage struct {
			Completion int `json:"completion_tokens"`
		}
	}
	get := func(more string) usage {
		var u usage
		a := f.post("/v1/completions", completionBody("tell", 3, 40, `,"logprobs":0`+more))
		if err := json.Unmarshal([]byte(a.body), &u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	tokens := get("").Choices[0].Logprobs.Tokens
	stop := ""
	n := 10 // the first token, from the tenth on, that is spelled once
	for ; n < len(tokens); n++ {
		if s := tokens[n]; len(s) > 2 && strings.Count(strings.Join(tokens, ""), s) == 1 {
			stop = s
			break
		}
	}
	quoted, err := json.Marshal(stop)
	if err != nil || stop == "" {
		t.Fatal("no token to stop at", err)
	}
	u := get(`,"stop":` + string(quoted))
	if u.Usage.Completion != n+1 || len(u.Choices[0].Logprobs.Tokens) != n {
		t.Errorf("%d tokens are counted, %d have logprobs; the stop string is token %d",
			u.Usage.Completion,
			len(u.Choices[0].Logprobs.Tokens), n)
	}
}

// leave opens a stream or a plain request and closes the connection when it has begun.
func (f *fixture) leave(body string, stream, reset bool) {
	f.t.Helper()
	c := f.dial()
	f.send(c, "%s", postOf(textPath, body))
	if stream {
		if _, err := bufio.NewReader(c).ReadString('{'); err != nil {
			f.t.Fatal(err)
		}
	} else {
		for f.loop.Stats().Running == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	if reset {
		if err := c.SetLinger(0); err != nil {
			f.t.Fatal(err)
		}
	}
	closeNow(c)
}

func TestClientsThatLeaveFreeTheirBlocks(t *testing.T) {
	const step = 10 * time.Millisecond
	f := start(t, setup{noEOS: true, stepTime: step})
	for _, stream := range []bool{true, false} {
		for _, reset := range []bool{true, false} {
			f.leave(completionBody("once", 1, 1500, fmt.Sprintf(`,"stream":%v,"n":2`, stream)),
				stream, reset)
			f.balance(step + 250*time.Millisecond)
			steps := f.loop.Stats().Steps
			time.Sleep(5 * step)
			if now := f.loop.Stats().Steps; now != steps {
				t.Errorf("stream %v, reset %v: %d steps after the client left", stream, reset,
					now-steps)
			}
		}
	}
	if n := f.srv.inFlight.Load(); n != 0 {
		t.Errorf("%d requests in flight", n)
	}
}

func TestClientThatLeavesTheQueueIsForgotten(t *testing.T) {
	both(t, testClientThatLeavesTheQueueIsForgotten)
}

func testClientThatLeavesTheQueueIsForgotten(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true, stepTime: 5 * time.Millisecond, seqs: 1})
	var wg sync.WaitGroup
	wg.Go(func() { f.whole(completionBody("first", 1, 100, "")) })
	for f.loop.Stats().Running == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "POST", f.url+"/v1/completions",
		strings.NewReader(completionBody("second", 1, 1500, "")))
	if err != nil {
		t.Fatal(err)
	}
	wg.Go(func() {
		if resp, err := f.http.Do(req); err == nil {
			closeNow(resp.Body)
			t.Error("the second request was answered")
		}
	})
	for f.loop.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	f.balance(time.Second)
}

func TestSlowReaderIsDroppedAndOthersAreNot(t *testing.T) {
	const stall = 300 * time.Millisecond
	f := start(t, setup{
		noEOS: true, context: 8192, stepTime: time.Millisecond, seqs: 80,
		cfg: Config{Limits: Limits{StallTime: stall}},
	})
	c := f.dial()
	if err := c.SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	body := completionBody("once", 1, 8000, `,"stream":true,"n":64`)
	f.send(c, "%s", postOf(textPath, body))
	for f.srv.inFlight.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	// A stream that is read lasts longer than the stall time.
	begin := time.Now()
	got, _ := readSSE(t, f.post("/v1/completions", completionBody("other", 1, 500,
		`,"stream":true`)).body)
	if len(got) != 1 || got[0].finish != "length" || time.Since(begin) < stall {
		t.Errorf("another stream: %q after %v", got, time.Since(begin))
	}
	deadline := time.Now().Add(10 * time.Second)
	for f.srv.inFlight.Load() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the slow reader is still served")
		}
		time.Sleep(time.Millisecond)
	}
	f.balance(time.Second)
}

func TestShutdownLosesNoStream(t *testing.T) { both(t, testShutdownLosesNoStream) }

func testShutdownLosesNoStream(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true, stepTime: 2 * time.Millisecond})
	const numStreams = 32
	results := make([]streamed, numStreams+8) // the last are not streamed
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			if i >= numStreams {
				results[i] = f.whole(completionBody("once", i, 100+i, ""))
				return
			}
			a := f.post("/v1/completions", completionBody("once", i, 100+i, `,"stream":true`))
			if got, _ := readSSE(t, a.body); len(got) == 1 {
				results[i] = got[0]
			}
		})
	}
	for f.srv.inFlight.Load() < int64(len(results)) {
		time.Sleep(time.Millisecond)
	}
	f.dial() // must not hold the shutdown up
	down := make(chan error, 1)
	go func() { down <- f.srv.Shutdown(context.Background()) }()
	for !f.srv.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if a := f.do("GET", "/health", ""); a.status != 503 || !strings.Contains(a.body, "draining") {
		t.Errorf("/health while draining: %d %s", a.status, a.body)
	}
	a := f.post("/v1/completions", completionBody("late", 1, 5, ""))
	if a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("a new request while draining: %d %s", a.status, a.body)
	}
	wg.Wait()
	if err := <-down; err != nil {
		t.Error(err)
	}
	for i, r := range results {
		if r.finish != "length" || r.text == "" {
			t.Errorf("stream %d ended with %q after %d bytes", i, r.finish, len(r.text))
		}
	}
	if _, err := net.Dial("tcp", f.addr); err == nil {
		t.Error("the port is still open")
	}
}

// TestShutdownWaitsForTheLastAnswer reads a large answer only after the shutdown has begun.
func TestShutdownWaitsForTheLastAnswer(t *testing.T) {
	f := start(t, setup{noEOS: true, seqs: 128})
	c := f.dial()
	body := strings.Replace(chatHi, `"max_tokens":3`, `"max_tokens":800,"logprobs":true,"n":128`, 1)
	f.send(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", chatPath,
		len(body), body)
	for f.loop.Stats().GeneratedTokens < 128*800 || f.srv.inFlight.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	down := make(chan error, 1)
	go func() { down <- f.srv.Shutdown(context.Background()) }()
	time.Sleep(200 * time.Millisecond)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closeNow(resp.Body)
	data, err := io.ReadAll(resp.Body)
	if err != nil || !json.Valid(data) || len(data) < 6<<20 {
		t.Errorf("%d bytes of the answer, %v", len(data), err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

func TestDrainTimeoutEndsStreamsWithAnError(t *testing.T) {
	both(t, testDrainTimeoutEndsStreamsWithAnError)
}

func testDrainTimeoutEndsStreamsWithAnError(t *testing.T, start starter) {
	f := start(t, setup{
		noEOS: true, stepTime: 5 * time.Millisecond,
		cfg: Config{DrainTimeout: 50 * time.Millisecond},
	})
	var wg sync.WaitGroup
	bodies := make([]string, 4)
	paths := []string{
		"/v1/completions", "/model/tiny/invoke-with-response-stream",
		"/v1/completions",
		"/model/tiny/converse",
	}
	requests := []string{
		completionBody("a", 1, 1900, `,"stream":true`),
		`{"prompt":"a","max_gen_len":1900}`,
		completionBody("a", 1, 1900, ""), `{"messages":[{"role":"user","content":[{"text":"a"}]}]}`,
	}
	status := make([]int, 4)
	for i := range bodies {
		wg.Go(func() {
			a := f.post(paths[i], requests[i])
			bodies[i], status[i] = a.body, a.status
		})
	}
	for f.srv.inFlight.Load() < int64(len(bodies)) {
		time.Sleep(time.Millisecond)
	}
	if err := f.srv.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if _, last := readSSE(t, bodies[0]); last == nil || last.Error == nil ||
		last.Error.Code != "service_unavailable" {
		t.Errorf("the SSE stream ends with %+v", last)
	}
	if name := lastFrame(t, bodies[1]); name != "serviceUnavailableException" {
		t.Errorf("the event stream ends with %q", name)
	}
	if status[2] != 503 || status[3] != 503 {
		t.Errorf("plain requests ended with %d and %d: %s", status[2], status[3], bodies[3])
	}
}

// lastFrame is the name of an event stream's last frame.
func lastFrame(t testing.TB, body string) string {
	t.Helper()
	dec, name := eventstream.NewDecoder(), ""
	for r := strings.NewReader(body); r.Len() > 0; {
		m, err := dec.Decode(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range []string{":event-type", ":exception-type"} {
			if v := m.Headers.Get(header); v != nil {
				name = v.String()
			}
		}
	}
	return name
}
