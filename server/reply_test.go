package server

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"basalt/server/api"
)

// openaiError and awsError read errors as clients of the dialects do.
func openaiError(t testing.TB, a answer) (message, code string) {
	t.Helper()
	var e struct {
		Error *struct{ Message, Type, Code string }
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error == nil ||
		e.Error.Type == "" {
		t.Errorf("not an OpenAI error: %d %s", a.status, a.body)
		return "", ""
	}
	return e.Error.Message, e.Error.Code
}

func awsError(t testing.TB, a answer) (message, name string) {
	t.Helper()
	var e struct{ Message string }
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Message == "" {
		t.Errorf("not an AWS error: %d %s", a.status, a.body)
	}
	if a.header.Get("x-amzn-RequestId") == "" {
		t.Errorf("an error without a request id: %s", a.body)
	}
	return e.Message, a.header.Get("x-amzn-ErrorType")
}

const (
	chatPath     = "/v1/chat/completions"
	textPath     = "/v1/completions"
	conversePath = "/model/tiny/converse"
	chatHi       = `{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"max_tokens":3}`
	converseHi   = `{"messages":[{"role":"user","content":[{"text":"Hi"}]}],` +
		`"inferenceConfig":{"maxTokens":3}}`
)

func TestErrorsComeInTheDialectsShape(t *testing.T) { both(t, testErrorsComeInTheDialectsShape) }

func testErrorsComeInTheDialectsShape(t *testing.T, start starter) {
	f := start(t, setup{context: 100})
	aws := func(path, body string, status int, name, reason string) {
		t.Helper()
		a := f.post(path, body)
		message, got := awsError(t, a)
		if a.status != status || got != name || !strings.Contains(message, reason) {
			t.Errorf("%s: %d %s: %s; want %d %s: %s", path, a.status, got, message, status, name,
				reason)
		}
	}
	oai := func(path, body string, status int, code, reason string) {
		t.Helper()
		a := f.post(path, body)
		message, got := openaiError(t, a)
		if a.status != status || got != code || !strings.Contains(message, reason) {
			t.Errorf("%s: %d %q: %s; want %d %q: %s", path, a.status, got, message, status, code,
				reason)
		}
	}
	long := strings.Repeat("word ", 200)
	aws(conversePath, `{`, 400, "ValidationException", "not valid JSON")
	aws(conversePath, ``, 400, "ValidationException", "empty")
	aws("/model/tony/converse", converseHi, 404, "ResourceNotFoundException",
		`"tony" is not served`)
	aws("/model/x%2F..%2Ftiny/converse", converseHi, 404, "ResourceNotFoundException", "not served")
	aws("/model/tiny%00/converse", converseHi, 400, "ValidationException", "malformed")
	aws("/model/tiny/nothing", converseHi, 404, "UnknownOperationException", "nothing at this path")
	aws(conversePath, strings.Replace(converseHi, "Hi", long, 1), 400, "ValidationException",
		"Input is too long for requested model.")
	aws("/model/tiny/invoke", `{"prompt":"`+long+`"}`, 400, "ValidationException",
		"Input is too long for requested model.")
	aws(conversePath, strings.Replace(converseHi, ":3", ":101", 1), 400, "ValidationException",
		"inferenceConfig.maxTokens is 101; this model's context length is 100 tokens")
	oai(chatPath, `{`, 400, "", "not valid JSON")
	oai(chatPath, strings.Replace(chatHi, "tiny", "tony", 1), 404, "model_not_found", `"tony"`)
	oai(chatPath, strings.Replace(chatHi, "Hi", long, 1), 400, "context_length_exceeded",
		"too long")
	oai(chatPath, strings.Replace(chatHi, ":3", ":101", 1), 400, "", "max_tokens is 101")
	oai(textPath, `{"model":"tiny","prompt":[99999]}`, 400, "", "the vocabulary has")
	oai(textPath, `{"model":"tiny","prompt":"a","logit_bias":{"99999":1}}`, 400, "",
		"the vocabulary has")
	oai("/v1/nothing", `{}`, 404, "not_found", "nothing")
	if a := f.do("GET", chatPath, ""); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("GET %s: %d, Allow %q", chatPath, a.status, a.header.Get("Allow"))
	}
	if a := f.do("GET", "/v1/models/tony", ""); a.status != 404 {
		t.Errorf("an unknown model's description: %d", a.status)
	}
}

func TestAModelWithoutTemplateCannotChat(t *testing.T) {
	both(t, testAModelWithoutTemplateCannotChat)
}

func testAModelWithoutTemplateCannotChat(t *testing.T, start starter) {
	f := start(t, setup{noChat: true})
	message, name := awsError(t, f.post(conversePath, converseHi))
	for _, want := range []string{`"tiny"`, "--chat-template"} {
		if name != "ValidationException" || !strings.Contains(message, want) {
			t.Errorf("%s: %s lacks %s", name, message, want)
		}
	}
	if message, _ := openaiError(t, f.post(chatPath, chatHi)); !strings.Contains(message,
		"--chat-template") {
		t.Error(message)
	}
	if a := f.post("/model/tiny/invoke", `{"prompt":"Hi","max_gen_len":2}`); a.status != 200 {
		t.Errorf("a raw prompt: %d %s", a.status, a.body)
	}
}

func TestATemplatesRefusalIsTold(t *testing.T) { both(t, testATemplatesRefusalIsTold) }

func testATemplatesRefusalIsTold(t *testing.T, start starter) {
	f := start(t, setup{})
	body := `{"messages":[{"role":"assistant","content":[` +
		`{"toolUse":{"toolUseId":"a","name":"f","input":{}}},` +
		`{"toolUse":{"toolUseId":"b","name":"f","input":{}}}]},{"role":"user","content":[` +
		`{"toolResult":{"toolUseId":"a","content":[{"text":"x"}]}}]}]}`
	message, name := awsError(t, f.post(conversePath, body))
	if name != "ValidationException" || !strings.Contains(message,
		"only supports single tool-calls") {
		t.Errorf("%s: %s", name, message)
	}
}

func TestOversizedRequestsAreAnsweredInShape(t *testing.T) {
	both(t, testOversizedRequestsAreAnsweredInShape)
}

func testOversizedRequestsAreAnsweredInShape(t *testing.T, start starter) {
	f := start(t, setup{cfg: Config{Limits: Limits{MaxBody: 1 << 20}}})
	huge := strings.Repeat("x", 4<<20)
	if a := f.post(conversePath, huge); a.status != 413 {
		t.Errorf("body: %d %.100s", a.status, a.body)
	} else if _, name := awsError(t, a); name != "ValidationException" {
		t.Errorf("body: %s", name)
	}
	if a := f.post(chatPath, huge); a.status != 413 {
		t.Errorf("body: %d %.100s", a.status, a.body)
	} else {
		openaiError(t, a)
	}
	if a := f.post(conversePath, converseHi, "X-Amz-Security-Token", strings.Repeat("x",
		8<<10)); a.status !=
		200 {
		t.Errorf("a token of 8 KiB: %d", a.status)
	}
	if a := f.post(conversePath, converseHi, "X-A", strings.Repeat("x", 64<<10)); a.status != 431 {
		t.Errorf("header: %d %.100s", a.status, a.body)
	} else if _, name := awsError(t, a); name != "ValidationException" {
		t.Errorf("header: %s", name)
	}
	if a := f.post(chatPath, chatHi, "X-A", strings.Repeat("x", 64<<10)); a.status != 431 {
		t.Errorf("header: %d %.100s", a.status, a.body)
	} else {
		openaiError(t, a)
	}
}

func TestTheLargestBodyIsRead(t *testing.T) { both(t, testTheLargestBodyIsRead) }

func testTheLargestBodyIsRead(t *testing.T, start starter) {
	f := start(t, setup{})
	// Not a good request, but one that is read and understood to its end.
	body := `{"messages":[{"role":"user","content":[{"text":"` + strings.Repeat("x",
		24_999_000) + `"}]}]}`
	if message, name := awsError(t, f.post(conversePath, body)); name != "ValidationException" ||
		!strings.Contains(message, "Input is too long") {
		t.Errorf("%s: %s", name, message)
	}
}

func TestSlowButSteadyBodiesAreRead(t *testing.T) {
	f := start(t, setup{cfg: Config{Limits: Limits{ReadTime: 200 * time.Millisecond}}})
	c := f.dial()
	piece := strings.Repeat(" ", 128<<10) // a second's worth at the least rate
	body := chatHi + strings.Repeat(piece, 8)
	f.send(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", chatPath,
		len(body))
	for len(body) > 0 {
		n := min(len(piece), len(body))
		if _, err := io.WriteString(c, body[:n]); err != nil {
			t.Fatal(err)
		}
		body = body[n:]
		time.Sleep(100 * time.Millisecond)
	}
	buf := make([]byte, 12)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "HTTP/1.1 200" {
		t.Errorf("%q %v", buf, err)
	}
}

func TestTricklesAreCutOff(t *testing.T) {
	f := start(t, setup{cfg: Config{Limits: Limits{ReadTime: 200 * time.Millisecond}}})
	f2 := func(what, first, drop string) {
		t.Helper()
		c := f.dial()
		if _, err := io.WriteString(c, first); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for time.Since(begin) < 3*time.Second {
			if _, err := io.WriteString(c, drop); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%s is still read after 3 s", what)
	}
	f2("a trickled header", "GET /ping HTTP/1.1\r\n", "X-A: b\r\n")
	f2("a trickled body",
		"POST "+chatPath+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n", " ")
}

func TestAFullQueueThrottles(t *testing.T) { both(t, testAFullQueueThrottles) }

func testAFullQueueThrottles(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true, stepTime: 20 * time.Millisecond, seqs: 1, waiting: 1})
	done := make(chan struct{}, 2)
	for range 2 {
		go func() {
			f.whole(completionBody("once", 1, 30, ""))
			done <- struct{}{}
		}()
		time.Sleep(60 * time.Millisecond)
	}
	a := f.post(conversePath, converseHi)
	if _, name := awsError(t, a); a.status != 429 || name != "ThrottlingException" ||
		a.header.Get("x-amz-retry-after") != "1000" || a.header.Get("Retry-After") != "1" {
		t.Errorf("%d %s %v", a.status, name, a.header)
	}
	if _, code := openaiError(t, f.post(chatPath, chatHi)); code != "rate_limit_exceeded" {
		t.Error(code)
	}
	<-done
	<-done
}

func TestADeviceThatFailsIsToldAndSeen(t *testing.T) { both(t, testADeviceThatFailsIsToldAndSeen) }

func testADeviceThatFailsIsToldAndSeen(t *testing.T, start starter) {
	failing := func(step int) error {
		if step >= 3 {
			return fmt.Errorf("no such page at 0xdeadbeef")
		}
		return nil
	}
	f := start(t, setup{noEOS: true, fail: failing})
	a := f.post(conversePath, strings.Replace(converseHi, ":3", ":50", 1))
	message, name := awsError(t, a)
	if a.status != 500 || name != "InternalServerException" || strings.Contains(message, "0x") {
		t.Errorf("%d %s: %s", a.status, name, message)
	}
	a = f.post("/model/tiny/converse-stream", strings.Replace(converseHi, ":3", ":50", 1))
	if a.status == 200 && lastFrame(t, a.body) != "modelStreamErrorException" {
		t.Errorf("the stream ends with %s", lastFrame(t, a.body))
	}
	if a := f.do("GET", "/health", ""); a.status != 503 || strings.Contains(a.body, "0x") {
		t.Errorf("/health: %d %s", a.status, a.body)
	}
	if a := f.post(chatPath, chatHi); a.status != 503 {
		t.Errorf("after the failure: %d %s", a.status, a.body)
	}
}

func TestStreamsEndWithAnErrorWhenTheDeviceFails(t *testing.T) {
	both(t, testStreamsEndWithAnErrorWhenTheDeviceFails)
}

func testStreamsEndWithAnErrorWhenTheDeviceFails(t *testing.T, start starter) {
	failing := func(step int) error {
		if step == 5 {
			return fmt.Errorf("gone")
		}
		return nil
	}
	f := start(t, setup{noEOS: true, fail: failing})
	a := f.post("/model/tiny/converse-stream", strings.Replace(converseHi, ":3", ":50", 1))
	if a.status != 200 || lastFrame(t, a.body) != "modelStreamErrorException" {
		t.Errorf("%d, the stream ends with %s", a.status, lastFrame(t, a.body))
	}
	if a := f.post(chatPath, chatHi); a.status != 200 {
		t.Errorf("one failed step breaks the server: %d %s", a.status, a.body)
	}
}

// panicCodec fails after some events.
type panicCodec struct {
	api.Codec
	left int
}

func (c *panicCodec) AppendEvent(dst []byte, e *api.Event) []byte {
	if c.left--; c.left < 0 {
		panic("BUG: planted")
	}
	return c.Codec.AppendEvent(dst, e)
}

func TestPanicsEndOneRequestOnly(t *testing.T) { both(t, testPanicsEndOneRequestOnly) }

func testPanicsEndOneRequestOnly(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	plant := func(path string, o operation, left int) {
		inner := o.decode
		o.decode = func(s *Server, r *request) (*api.Request, api.Codec, *api.Error) {
			if left < 0 {
				panic("BUG: planted")
			}
			req, codec, err := inner(s, r)
			return req, &panicCodec{codec, left}, err
		}
		f.srv.routes[path] = []route{generates(o)}
	}
	plant("/panic/handler", chatCompletions(), -1)
	plant("/panic/stream", chatCompletions(), 2)
	a := f.post("/panic/handler", chatHi)
	if message, code := openaiError(t, a); a.status != 500 || code != "internal_error" ||
		strings.Contains(message, "planted") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, n := range []string{"1", "3"} {
		a = f.post("/panic/stream", strings.Replace(chatHi, `"max_tokens":3`,
			`"stream":true,"n":`+n, 1))
		if _, last := readSSE(t, a.body); last == nil || last.Error == nil ||
			last.Error.Code != "internal_error" {
			t.Errorf("the stream ends with %+v", last)
		}
	}
	f.balance(time.Second)
	if a := f.post(chatPath, chatHi); a.status != 200 {
		t.Errorf("after panics: %d", a.status)
	}
	if n := f.srv.inFlight.Load(); n != 0 {
		t.Errorf("%d requests in flight", n)
	}
	if a := f.do("GET", "/metrics", ""); !strings.Contains(a.body, "basalt_panics_total 3") {
		t.Error("panics are not counted")
	}
}

func TestOldClientsGetWholeStreams(t *testing.T) {
	f := start(t, setup{})
	body := strings.Replace(chatHi, `"max_tokens":3`, `"max_tokens":3,"stream":true`, 1)
	out := f.raw(fmt.Sprintf("POST %s HTTP/1.0\r\nHost: localhost\r\nContent-Length: "+
		"%d\r\n\r\n%s", chatPath,
		len(body), body), time.Second)
	head, stream, _ := strings.Cut(out, "\r\n\r\n")
	if strings.Contains(head, "chunked") || !strings.HasSuffix(stream, "data: [DONE]\n\n") {
		t.Errorf("%q", out)
	}
	readSSE(t, stream)
}
