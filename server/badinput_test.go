package server

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// door is an operation that takes a JSON body, and the shape of its dialect's errors.
type door struct{ method, path, shape string }

func doors() []door {
	return []door{
		{"POST", conversePath, "aws"},
		{"POST", conversePath + "-stream", "aws"},
		{"POST", "/model/tiny/invoke", "aws"},
		{"POST", "/model/tiny/invoke-with-response-stream", "aws"},
		{"POST", "/model/tiny/count-tokens", "aws"},
		{"POST", "/guardrail/in/version/DRAFT/apply", "aws"},
		{"POST", "/model-invocation-job", "aws"},
		{"POST", "/async-invoke", "aws"},
		{"POST", "/rerank", "aws"},
		{"PUT", "/logging/modelinvocations", "aws"},
		{"POST", chatPath, "openai"},
		{"POST", "/openai/v1/chat/completions", "openai"},
		{"POST", textPath, "openai"},
		{"POST", "/v1/responses", "openai"},
		{"POST", "/v1/embeddings", "openai"},
		{"POST", "/v1/batches", "openai"},
		{"POST", "/tokenize", "openai"},
		{"POST", "/detokenize", "openai"},
		{"POST", "/invocations", "openai"},
		{"POST", "/v1/messages", "anthropic"},
		{"POST", "/anthropic/v1/messages/count_tokens", "anthropic"},
		{"POST", "/endpoints/tiny/invocations", "sagemaker"},
		{"POST", "/endpoints/tiny/invocations-response-stream", "sagemaker"},
	}
}

// shaped checks that an error is one of a dialect's, and gives its message.
func shaped(t *testing.T, shape string, a answer) string {
	t.Helper()
	var e struct {
		Type  string
		Error struct{ Type, Message string }
		Big   string `json:"Message"`
	}
	switch shape {
	case "aws":
		message, name := awsError(t, a)
		if name == "" {
			t.Errorf("no exception: %d %s", a.status, a.body)
		}
		return message
	case "openai":
		message, _ := openaiError(t, a)
		return message
	case "anthropic":
		if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Type != "error" ||
			e.Error.Type == "" {
			t.Errorf("not Anthropic's error: %d %s", a.status, a.body)
		}
		return e.Error.Message
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Big == "" ||
		a.header.Get("x-amzn-ErrorType") == "" {
		t.Errorf("not SageMaker's error: %d %s", a.status, a.body)
	}
	return e.Big
}

// badBodies are no body of any operation.
func badBodies() map[string]string {
	const deep = 10_000
	return map[string]string{
		"nothing": "", "half an object": `{`, "an array": `[]`, "a string": `"x"`, "null": `null`,
		"a number out of range": `{"max_tokens":1e999}`, "more behind it": `{} {}`,
		"a key twice": `{"model":"tiny","model":"tiny"}`, "a bare word": `{a:1}`,
		"a control character": "{\"model\":\"a\x01\"}", "NUL": "\x00", "no UTF-8": "{\"\xff\":1}",
		"10,000 arrays": strings.Repeat("[", deep) + strings.Repeat("]", deep),
		"10,000 objects": strings.Repeat(`{"messages":`, deep) + "1" +
			strings.Repeat("}", deep),
		"10,000 arrays, no end":  `{"messages":` + strings.Repeat("[", deep),
		"10,000 deep in a field": `{"system":` + strings.Repeat(`[{"a":`, deep/2) + "1",
		"an unknown field":       `{"basalt_unknown":{"a":[1]}}`,
	}
}

// TestBadInputIsRefusedInShape sends every bad body to every operation.
func TestBadInputIsRefusedInShape(t *testing.T) { both(t, testBadInputIsRefusedInShape) }

func testBadInputIsRefusedInShape(t *testing.T, start starter) {
	a := newAuditLog(t)
	y := newYardBy(t, start, setup{cfg: Config{Audit: a.log, Guardrails: readGuardrails(t)}})
	for _, d := range doors() {
		for what, body := range badBodies() {
			got := y.do(d.method, d.path, body)
			if got.status < 400 || got.status >= 500 {
				t.Errorf("%s of %s: %d %.200s", what, d.path, got.status, got.body)
				continue
			}
			if message := shaped(t, d.shape, got); message == "" || len(message) > 2000 {
				t.Errorf("%s of %s: %d %.200s", what, d.path, got.status, got.body)
			}
		}
		got := y.do(d.method, d.path, `{}`, "X-A", strings.Repeat("x", 40<<10))
		if shaped(t, d.shape, got); got.status != 431 && d.shape != "sagemaker" {
			t.Errorf("%s with a header of 40 KiB: %d", d.path, got.status)
		}
	}
	if got := y.post(conversePath, converseHi); got.status != 200 {
		t.Errorf("after it: %d %s", got.status, got.body)
	}
}

// TestBadPartsOfConverse: unions, base64 and paths.
func TestBadPartsOfConverse(t *testing.T) { both(t, testBadPartsOfConverse) }

func testBadPartsOfConverse(t *testing.T, start starter) {
	f := start(t, setup{})
	content := func(block string) string {
		return `{"messages":[{"role":"user","content":[{"text":"a"},` + block + `]}]}`
	}
	invalid := func(body, part string) {
		t.Helper()
		message, name := awsError(t, f.post(conversePath, body))
		if name != "ValidationException" || !strings.Contains(message, part) {
			t.Errorf("%s: %s %s, want %q", body, name, message, part)
		}
	}
	invalid(content(`{"text":"a","cachePoint":{"type":"default"}}`), "exactly one member, not 2")
	invalid(content(`{}`), "exactly one member, not 0")
	invalid(content(`{"document":{"name":"n","source":{"text":"a","bytes":"YQ=="}}}`),
		"exactly one member, not 2")
	for _, bytes := range []string{"?", "YQ", "YQ=", "Y Q=", "YQ==YQ==", "-_8=", "YQ==="} {
		invalid(content(`{"document":{"name":"n","source":{"bytes":"`+bytes+`"}}}`), "base64")
	}
	path := func(path string, status int) {
		t.Helper()
		a := f.post(path, converseHi)
		if a.status != status {
			t.Errorf("%s: %d %s, want %d", path, a.status, a.body, status)
		}
		if strings.HasPrefix(path, "/model/") {
			awsError(t, a)
		}
	}
	path("/model/x%2F..%2Ftiny/converse", 404)
	path("/model/x/../tiny/converse", 404)
	path("/model/./tiny/converse", 404)
	path("/model//tiny/converse", 404)
	path("/model/tiny//converse", 404)
	path("/model/tiny%2Fconverse", 404)
	path("/model/tiny%252Fx/converse", 404)
	path("/model/%2e%2e/converse", 404)
	path("/model/tiny%00/converse", 400)
	path("/model/%FF/converse", 400)
	path("/model/"+strings.Repeat("a", 3000)+"/converse", 404)
	// Over HTTP/2, net/http itself resets such a stream.
	out := f.raw(postOf("/model/tiny%zz/converse", converseHi), 200*time.Millisecond)
	if !strings.HasPrefix(out, "HTTP/1.1 400 ") || !strings.Contains(out, "ValidationException") {
		t.Errorf("a broken escape: %.300q", out)
	}
}
