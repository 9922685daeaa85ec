package server

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

func TestControlPlane(t *testing.T) { both(t, testControlPlane) }

func testControlPlane(t *testing.T, start starter) {
	f := start(t, setup{})
	is := func(a answer, want any, path ...string) {
		t.Helper()
		if got := field(t, a, path...); a.status != 200 || got != want ||
			a.header.Get("x-amzn-RequestId") == "" {
			t.Errorf("%d, %v is %v, want %v: %s", a.status, path, got, want, a.body)
		}
	}
	get := func(path string) answer { return f.do("GET", path, "") }
	const account = "arn:aws:bedrock:us-east-1:000000000000:"
	is(get("/foundation-models"), "tiny", "modelSummaries", "0", "modelId")
	is(get("/foundation-models?byProvider=Meta"), "meta.tiny-v1:0", "modelSummaries", "0",
		"modelId")
	is(get("/foundation-models/meta.tiny-v1%3A0"), "Meta", "modelDetails", "providerName")
	is(get("/inference-profiles?maxResults=1"), "1", "nextToken")
	profile := "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2F"
	is(get("/inference-profiles/"+profile+"meta.tiny-v1%3A0"),
		"arn:aws:bedrock:us-east-1::foundation-model/meta.tiny-v1:0", "models", "0", "modelArn")
	is(get("/inference-profiles/us.meta.tiny-v1:0"), "ACTIVE", "status")
	list := get("/imported-models")
	is(list, "tiny", "modelSummaries", "0", "modelName")
	arn, _ := field(t, list, "modelSummaries", "0", "modelArn").(string)
	if !strings.HasPrefix(arn, account+"imported-model/") {
		t.Error(arn)
	}
	is(get("/imported-models/"+strings.ReplaceAll(arn, "/", "%2F")), true, "instructSupported")
	is(get("/foundation-model-availability/tiny"), "AUTHORIZED", "authorizationStatus")
	if a := f.post("/model/"+strings.ReplaceAll(arn, "/", "%2F")+"/converse",
		converseHi); a.status !=
		200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, path := range []string{"/provisioned-model-throughputs", "/custom-models"} {
		if a := get(path); a.status != 200 || !strings.Contains(a.body, "ummaries\":[]") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestSpeechIsRefused(t *testing.T) { both(t, testSpeechIsRefused) }

func testSpeechIsRefused(t *testing.T, start starter) {
	f := start(t, setup{})
	a := f.post("/model/tiny/invoke-with-bidirectional-stream", "")
	if message, name := awsError(t, a); a.status != 400 || name != "ValidationException" ||
		!strings.Contains(message, "use ConverseStream") {
		t.Errorf("%d %s: %s", a.status, name, message)
	}
}

// TestSpeechIsRefusedBeforeItEnds sends a body that never ends, as the SDKs do.
func TestSpeechIsRefusedBeforeItEnds(t *testing.T) {
	f := start(t, setup{})
	c := f.dial()
	path := "/model/tiny/invoke-with-bidirectional-stream"
	_, err := io.WriteString(c, preface+frame(frameSettings, 0, 0, "")+
		frame(frameHeaders, flagEndBlock, 1, block(fields("POST", path)...)))
	if err != nil {
		t.Fatal(err)
	}
	if got := firstAnswer(c, 5*time.Second); got != "400" {
		t.Error(got)
	}
}

func TestControlPlaneRefuses(t *testing.T) { both(t, testControlPlaneRefuses) }

func testControlPlaneRefuses(t *testing.T, start starter) {
	f := start(t, setup{})
	bad := func(method, path, body, want string) {
		t.Helper()
		if message, name := awsError(t, f.do(method, path, body)); name != want {
			t.Errorf("%s: %s %s, want %s", path, name, message, want)
		}
	}
	const missing, invalid = "ResourceNotFoundException", "ValidationException"
	bad("GET", "/foundation-models/none", "", missing)
	bad("GET", "/inference-profiles/none", "", missing)
	bad("GET", "/imported-models/none", "", missing)
	bad("GET", "/foundation-model-availability/none", "", missing)
	bad("GET", "/provisioned-model-throughput/none", "", missing)
	bad("GET", "/custom-models/none", "", missing)
	bad("GET", "/foundation-models?byOutputModality=x", "", invalid)
	bad("GET", "/inference-profiles?maxResults=0", "", invalid)
	bad("POST", "/foundation-models", "", "UnknownOperationException")
	bad("GET", "/foundation-models/a/b/c", "", missing)
	rerank := `{"queries":[{"type":"TEXT","textQuery":{"text":"q"}}],"sources":[{"type":"INLINE",
		"inlineDocumentSource":{"type":"TEXT","textDocument":{"text":"d"}}}],
		"rerankingConfiguration":{"type":"BEDROCK_RERANKING_MODEL","bedrockRerankingConfiguration":{
		"modelConfiguration":{"modelArn":"ID"}}}}`
	bad("POST", "/rerank", strings.Replace(rerank, `"ID"`, `"cohere.rerank"`, 1), missing)
	bad("POST", "/rerank", strings.Replace(rerank, `"ID"`, `"tiny"`, 1), invalid)
	bad("POST", "/rerank", "{}", invalid)
}

func TestResponsesAreAnswered(t *testing.T) { both(t, testResponsesAreAnswered) }

func testResponsesAreAnswered(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	const body = `{"model":"tiny","input":"Hi","max_output_tokens":3}`
	for _, base := range []string{"/v1", "/openai/v1"} {
		a := f.post(base+"/responses", body)
		if field(t, a, "incomplete_details", "reason") != "max_output_tokens" ||
			field(t, a, "output", "0", "type") != "message" ||
			field(t, a, "usage", "output_tokens") != 3.0 {
			t.Error(a.body)
		}
	}
	s := f.post("/v1/responses", strings.Replace(body, "{", `{"stream":true,`, 1)).body
	events := strings.Split(strings.TrimSuffix(s, "\n\n"), "\n\n")
	last := events[len(events)-1]
	if !strings.HasPrefix(last, "event: response.incomplete\n") ||
		!strings.HasPrefix(events[0], "event: response.created\n") {
		t.Error(s)
	}
	if message, _ := openaiError(t, f.post("/v1/responses", `{"model":"tiny"}`)); !strings.Contains(
		message, "input") {
		t.Error(message)
	}
}

func TestTokenize(t *testing.T) { both(t, testTokenize) }

func testTokenize(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	a := f.post("/tokenize", `{"model":"tiny","prompt":"Hi there","return_token_strs":true}`)
	var got struct {
		Count     int
		Tokens    []int
		TokenStrs []string `json:"token_strs"`
		Max       int      `json:"max_model_len"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(a.body)
	}
	if got.Count != len(got.Tokens) || got.Count != len(got.TokenStrs) || got.Max != 2048 {
		t.Error(a.body)
	}
	bare := f.post("/tokenize", `{"prompt":"Hi there","add_special_tokens":false}`)
	if n := field(t, bare, "count"); n != float64(got.Count-1) {
		t.Errorf("%v tokens without the beginning, %d with it", n, got.Count)
	}
	ids, err := json.Marshal(got.Tokens[1:])
	if err != nil {
		t.Fatal(err)
	}
	if b := f.post("/detokenize", `{"tokens":`+string(ids)+`}`); field(t, b, "prompt") !=
		"Hi there" {
		t.Error(b.body)
	}
	chat := f.post("/tokenize", `{"messages":[{"role":"user","content":"Hi"}]}`)
	used := f.post(chatPath, chatHi)
	if x, y := field(t, chat, "count"), field(t, used, "usage", "prompt_tokens"); x != y {
		t.Errorf("tokenized %v, used %v", x, y)
	}
	for _, bad := range []string{
		`{}`, `{"prompt":1}`, `{"prompt":"a","x":1}`, `{"messages":[],"model":"tiny"}`,
		`{"messages":[{"role":"user","content":"a"}],"add_generation_prompt":false}`,
	} {
		if a := f.post("/tokenize", bad); a.status != 400 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	if a := f.post("/detokenize", `{"tokens":[99999999]}`); a.status != 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := f.post("/tokenize", `{"model":"none","prompt":"a"}`); a.status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestEmbeddingsAreRefused(t *testing.T) { both(t, testEmbeddingsAreRefused) }

func testEmbeddingsAreRefused(t *testing.T, start starter) {
	f := start(t, setup{})
	for _, path := range []string{"/v1/embeddings", "/openai/v1/embeddings"} {
		a := f.post(path, `{"model":"tiny","input":"Hi"}`)
		if message, _ := openaiError(t, a); a.status != 400 || !strings.Contains(message,
			"makes no embeddings") {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := f.post(path, `{"model":"none","input":"Hi"}`); a.status != 404 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := f.post(path, `{"model":"tiny"}`); a.status != 400 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

func TestSageMaker(t *testing.T) { both(t, testSageMaker) }

func testSageMaker(t *testing.T, start starter) {
	f := start(t, setup{noEOS: true})
	const chat = `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":3}`
	for _, path := range []string{"/invocations", "/endpoints/tiny/invocations"} {
		a := f.post(path, chat)
		if field(t, a, "choices", "0", "finish_reason") != "length" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		s := f.post(path, strings.Replace(chat, "{", `{"stream":true,`, 1))
		if !strings.HasSuffix(s.body, "data: [DONE]\n\n") {
			t.Errorf("%s: %q", path, s.body)
		}
		if b := f.post(path, `{"prompt":"a","max_tokens":3}`); b.status != 200 {
			t.Errorf("%s: %d %s", path, b.status, b.body)
		}
	}
	if a := f.post("/endpoints/tiny/invocations", chat); a.header.Get(
		"x-Amzn-Invoked-Production-Variant") != "AllTraffic" {
		t.Errorf("%v", a.header)
	}
	const stream = "/endpoints/tiny/invocations-response-stream"
	whole := frames(t, f.post(stream, chat).body)["PayloadPart"]
	if !json.Valid([]byte(whole)) || !strings.Contains(whole, `"finish_reason":"length"`) {
		t.Error(whole)
	}
	parts := f.post(stream, strings.Replace(chat, "{", `{"stream":true,`, 1)).body
	if n := strings.Count(parts, "PayloadPart"); n < 4 || !strings.Contains(parts, "[DONE]") {
		t.Errorf("%d parts: %q", n, parts)
	}
	bad := func(path, body, want string, header ...string) {
		t.Helper()
		a := f.post(path, body, header...)
		if got := a.header.Get("x-amzn-ErrorType"); got != want {
			t.Errorf("%s: %d %s, want %s", a.body, a.status, got, want)
		}
	}
	const path = "/endpoints/tiny/invocations"
	bad(path, `{}`, "ModelError")
	bad(path, strings.Replace(chat, "3", "0", 1), "ModelError")
	bad("/endpoints/none/invocations", chat, "ValidationError")
	bad(path, chat, "ValidationError", "X-Amzn-SageMaker-Session-Id", "NEW_SESSION")
	bad(path, `{"prompt":"`+strings.Repeat("a", 6_300_000)+`"}`, "ValidationError")
}
