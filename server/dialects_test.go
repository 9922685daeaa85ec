package server

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// field reads a member of a JSON answer by its path.
func field(t testing.TB, a answer, path ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	for _, p := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[p]
		case []any:
			n, err := strconv.Atoi(p)
			if err != nil || n >= len(at) {
				t.Fatalf("%s has no %v", a.body, path)
			}
			v = at[n]
		default:
			t.Fatalf("%s has no %v", a.body, path)
		}
	}
	return v
}

const messageHi = `{"model":"tiny","max_tokens":3,"messages":[{"role":"user","content":"Hi"}]}`

// TestEveryFamilyIsAnswered asks one model in the forms of all families.
func TestEveryFamilyIsAnswered(t *testing.T) { both(t, testEveryFamilyIsAnswered) }

func testEveryFamilyIsAnswered(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	try := func(model, body string, path ...string) {
		t.Helper()
		a := f.post("/model/"+model+"/invoke", body)
		got, _ := field(t, a, path...).(string)
		if got = strings.ToLower(got); got != "length" && got != "max_tokens" {
			t.Errorf("%s: %v in %s", body, got, a.body)
		}
		b := f.post("/model/"+model+"/invoke-with-response-stream", body)
		if b.status != 200 || !strings.Contains(decodeChunks(t, b.body), "invocationMetrics") {
			t.Errorf("%s: %d %s", body, b.status, b.body)
		}
	}
	try("tiny", `{"prompt":"a","max_gen_len":3}`, "stop_reason")
	try("tiny", `{"prompt":"a","max_tokens":3}`, "choices", "0", "finish_reason")
	try("tiny", `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":3}`, "choices", "0",
		"finish_reason")
	try("tiny", `{"anthropic_version":"bedrock-2023-05-31","max_tokens":3,
		"messages":[{"role":"user","content":"Hi"}]}`, "stop_reason")
	try("tiny", `{"messages":[{"role":"user","content":[{"text":"Hi"}]}],
		"inferenceConfig":{"maxTokens":3}}`, "stopReason")
	// The three forms of imported models, by the ARN that the list tells.
	arn := field(t, f.do("GET", "/imported-models", ""), "modelSummaries", "0", "modelArn").(string)
	arn = strings.NewReplacer(":", "%3A", "/", "%2F").Replace(arn)
	try(arn, `{"prompt":"a","max_gen_len":3}`, "stop_reason")
	try(arn, `{"prompt":"a","max_tokens":3}`, "choices", "0", "finish_reason")
	try(arn, `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":3}`, "choices", "0",
		"finish_reason")
	f = start(t, setup{noEOS: true, aliases: []string{
		"mistral.m", "deepseek.d", "cohere.c", "amazon.a",
	}})
	try("amazon.a", `{"inputText":"a","textGenerationConfig":{"maxTokenCount":3}}`, "results", "0",
		"completionReason")
	try("cohere.c", `{"message":"a","max_tokens":3}`, "finish_reason")
	try("cohere.c", `{"prompt":"a","max_tokens":3}`, "generations", "0", "finish_reason")
	try("mistral.m", `{"prompt":"a","max_tokens":3}`, "outputs", "0", "stop_reason")
	try("mistral.m", `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":3}`, "choices", "0",
		"stop_reason")
	try("deepseek.d", `{"prompt":"a","max_tokens":3}`, "choices", "0", "stop_reason")
}

// decodeChunks joins the documents of an InvokeModel stream.
func decodeChunks(t testing.TB, body string) string {
	t.Helper()
	out := ""
	for part := range strings.SplitSeq(body, `{"bytes":"`) {
		coded, _, ok := strings.Cut(part, `"}`)
		if !ok {
			continue
		}
		doc, err := base64.StdEncoding.DecodeString(coded)
		if err != nil || !json.Valid(doc) {
			t.Fatalf("%q: %v", doc, err)
		}
		out += string(doc) + "\n"
	}
	return out
}

// TestCountsAreTheUsage holds that what CountTokens and its like say is what is billed.
func TestCountsAreTheUsage(t *testing.T) { both(t, testCountsAreTheUsage) }

func testCountsAreTheUsage(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	tools := `,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{
		"type":"object"}}}}],"toolChoice":{"any":{}}}`
	system := `"system":[{"text":"Be brief."}],"messages":[{"role":"user","content":[
		{"text":"Hi"}]},{"role":"assistant","content":[{"text":"So"}]}]`
	count := f.post("/model/tiny/count-tokens", `{"input":{"converse":{`+system+tools+`}}}`)
	want := f.post("/model/tiny/converse", `{`+system+tools+`,"inferenceConfig":{"maxTokens":3}}`)
	if a, b := field(t, count, "inputTokens"), field(t, want, "usage", "inputTokens"); a != b {
		t.Errorf("counted %v, used %v", a, b)
	}
	llama := `{"prompt":"once upon a time","max_gen_len":3}`
	coded := base64.StdEncoding.EncodeToString([]byte(llama))
	count = f.post("/model/tiny/count-tokens", `{"input":{"invokeModel":{"body":"`+coded+`"}}}`)
	want = f.post("/model/tiny/invoke", llama)
	if a, b := field(t, count, "inputTokens"), field(t, want, "prompt_token_count"); a != b {
		t.Errorf("counted %v, used %v", a, b)
	}
	unlimited := strings.Replace(messageHi, `"max_tokens":3,`, "", 1)
	count = f.post("/v1/messages/count_tokens", unlimited)
	want = f.post("/anthropic/v1/messages", messageHi)
	if a, b := field(t, count, "input_tokens"), field(t, want, "usage", "input_tokens"); a != b {
		t.Errorf("counted %v, used %v", a, b)
	}
	bad := f.post("/model/tiny/count-tokens", `{"input":{"converse":{"messages":[]}}}`)
	if bad.status != 400 || bad.header.Get("x-amzn-ErrorType") != "ValidationException" {
		t.Errorf("%d %s", bad.status, bad.body)
	}
	missing := f.post("/model/other/count-tokens", `{"input":{"converse":{`+system+`}}}`)
	if missing.status != 404 || missing.header.Get("x-amzn-ErrorType") !=
		"ResourceNotFoundException" {
		t.Errorf("%d %s", missing.status, missing.body)
	}
}

func TestMessagesAreAnswered(t *testing.T) { both(t, testMessagesAreAnswered) }

func testMessagesAreAnswered(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	for _, path := range []string{"/v1/messages", "/anthropic/v1/messages"} {
		a := f.post(path, messageHi)
		if field(t, a, "stop_reason") != "max_tokens" || a.header.Get("request-id") == "" {
			t.Errorf("%d %s", a.status, a.body)
		}
		s := f.post(path, strings.Replace(messageHi, "{", `{"stream":true,`, 1))
		for _, part := range []string{
			"event: message_start\n", "event: content_block_delta\n", `"stop_reason":"max_tokens"`,
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		} {
			if !strings.Contains(s.body, part) {
				t.Errorf("%s lacks %q", s.body, part)
			}
		}
		bad := f.post(path, `{"model":"tiny","max_tokens":3,"messages":[]}`)
		if bad.status != 400 || field(t, bad, "error", "type") != "invalid_request_error" {
			t.Errorf("%d %s", bad.status, bad.body)
		}
		none := f.post(path, strings.Replace(messageHi, "tiny", "other", 1))
		if none.status != 404 || field(t, none, "error", "type") != "not_found_error" {
			t.Errorf("%d %s", none.status, none.body)
		}
	}
	if a := f.do("GET", "/anthropic/v1/models", ""); field(t, a, "data", "0", "id") != "tiny" {
		t.Error(a.body)
	}
	if a := f.do("GET", "/anthropic/v1/models/tiny", ""); field(t, a, "type") != "model" {
		t.Error(a.body)
	}
}

// TestHeadersOfInvokeComeBack holds the fields that InvokeModel has in its header.
func TestHeadersOfInvokeComeBack(t *testing.T) { both(t, testHeadersOfInvokeComeBack) }

func testHeadersOfInvokeComeBack(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	const latency, tier = "X-Amzn-Bedrock-PerformanceConfig-Latency", "X-Amzn-Bedrock-Service-Tier"
	body := `{"prompt":"a","max_gen_len":3}`
	for _, path := range []string{"invoke", "invoke-with-response-stream"} {
		a := f.post("/model/tiny/"+path, body, latency, "optimized", tier, "flex",
			"X-Amzn-Bedrock-Request-Metadata", `{"team":"a"}`)
		if a.status != 200 || a.header.Get(latency) != "optimized" || a.header.Get(tier) != "flex" {
			t.Errorf("%d %v", a.status, a.header)
		}
		for _, h := range [][2]string{
			{latency, "fast"},
			{tier, "x"},
			{"X-Amzn-Bedrock-Trace", "x"},
			{"X-Amzn-Bedrock-Request-Metadata", "{}"},
			{"X-Amzn-Bedrock-Request-Metadata", "x"},
			{"X-Amzn-Bedrock-GuardrailIdentifier", "abc"},
		} {
			b := f.post("/model/tiny/"+path, body, h[0], h[1])
			if b.status != 400 || b.header.Get("x-amzn-ErrorType") != "ValidationException" {
				t.Errorf("%s %s: %d %s", h[0], h[1], b.status, b.body)
			}
		}
	}
}
