package server

import (
	"strings"
	"testing"

	"basalt/server/guardrail"
)

const testGuardrails = `guardrails:
  - {id: in, blocked-input: No., words: [forbidden], personal: [{type: EMAIL}]}
  - id: out
    blocked-output: Not said.
    regexes: [{name: letters, pattern: '[A-Za-z]{2}', input: none, output: block}]
  - id: mask
    regexes: [{name: L, pattern: '[A-Za-z]{2,}', input: none, output: mask}]
`

func readGuardrails(t testing.TB) *guardrail.Set {
	t.Helper()
	set, err := guardrail.Read(strings.NewReader(testGuardrails))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func startGuarded(t testing.TB, start starter) *fixture {
	t.Helper()
	return start(t, setup{noEOS: true, cfg: Config{Guardrails: readGuardrails(t)}})
}

// guardedBody is a Converse body of a text under a guardrail.
func guardedBody(text, id string) string {
	return `{"messages":[{"role":"user","content":[{"text":"` + text + `"}]}],
		"inferenceConfig":{"maxTokens":40},"guardrailConfig":{"guardrailIdentifier":"` + id + `",
		"guardrailVersion":"DRAFT","trace":"enabled"}}`
}

func TestGuardrailsStopPrompts(t *testing.T) { both(t, testGuardrailsStopPrompts) }

func testGuardrailsStopPrompts(t *testing.T, start starter) {
	f := startGuarded(t, start)
	a := f.post(conversePath, guardedBody("A forbidden thing", "in"))
	for want, got := range map[string]any{
		"guardrail_intervened": field(t, a, "stopReason"),
		"No.":                  field(t, a, "output", "message", "content", "0", "text"),
		"forbidden": field(t, a, "trace", "guardrail", "inputAssessment", "in", "wordPolicy",
			"customWords", "0", "match"),
		"Guardrail blocked.": field(t, a, "trace", "guardrail", "actionReason"),
	} {
		if got != want {
			t.Errorf("%v, want %s: %s", got, want, a.body)
		}
	}
	if n := field(t, a, "usage", "totalTokens"); n != 0.0 {
		t.Errorf("a prompt that was blocked cost %v tokens", n)
	}
	s := frames(t, f.post(conversePath+"-stream", guardedBody("A forbidden thing", "in")).body)
	if !strings.Contains(s["contentBlockDelta"], `"No."`) ||
		!strings.Contains(s["messageStop"], "guardrail_intervened") ||
		!strings.Contains(s["metadata"], `"trace":{"guardrail":{"inputAssessment"`) {
		t.Errorf("%v", s)
	}
	marked := strings.Replace(guardedBody("A forbidden thing", "in"),
		`{"text":"A forbidden thing"}`,
		`{"text":"forbidden"},{"guardContent":{"text":{"text":"fine"}}}`, 1)
	if a := f.post(conversePath, marked); field(t, a, "stopReason") == "guardrail_intervened" {
		t.Errorf("text beside the marked one was looked at: %s", a.body)
	}
	body := `{"prompt":"forbidden","max_gen_len":3}`
	header := []string{
		"X-Amzn-Bedrock-GuardrailIdentifier", "in", "X-Amzn-Bedrock-GuardrailVersion", "1",
	}
	a = f.post("/model/tiny/invoke", body, header...)
	if field(t, a, "generation") != "No." ||
		field(t, a, "amazon-bedrock-guardrailAction") != "INTERVENED" {
		t.Error(a.body)
	}
	if f.loop.Stats().PromptTokens > 200 {
		t.Error("prompts that were blocked reached the model")
	}
}

// TestGuardrailsLookEverywhere: words are found wherever a prompt may have them.
func TestGuardrailsLookEverywhere(t *testing.T) {
	f := startGuarded(t, start)
	try := func(content, more, want string) {
		t.Helper()
		a := f.post(conversePath, `{"messages":[{"role":"user","content":[{"text":"Hi"}]},
			{"role":"assistant","content":[`+content+`]},{"role":"user","content":[
			{"toolResult":{"toolUseId":"t","content":[{"text":"x"}]}}]}],
			"inferenceConfig":{"maxTokens":3}`+more+`,"guardrailConfig":{
			"guardrailIdentifier":"in","guardrailVersion":"DRAFT"}}`)
		if got := field(t, a, "stopReason"); got != want {
			t.Errorf("%s %s: %v %s", content, more, got, a.body)
		}
	}
	call := `{"toolUse":{"toolUseId":"t","name":"f","input":{"a":"X"}}}`
	const found, fine = "guardrail_intervened", "max_tokens"
	try(call, "", fine)
	try(strings.Replace(call, "X", "a forbidden word", 1), "", found)
	try(`{"reasoningContent":{"reasoningText":{"text":"a forbidden word"}}},`+call, "", found)
	try(`{"text":"a forbidden word"},`+call, "", found)
	try(call, `,"system":[{"text":"a forbidden word"}]`, found)
}

func TestGuardrailsMaskPrompts(t *testing.T) { both(t, testGuardrailsMaskPrompts) }

func testGuardrailsMaskPrompts(t *testing.T, start starter) {
	f := startGuarded(t, start)
	a := f.post(conversePath, guardedBody("Write to a@b.org", "in"))
	b := f.post(conversePath, guardedBody("Write to {EMAIL}", "in"))
	if x, y := field(t, a, "usage", "inputTokens"), field(t, b, "usage", "inputTokens"); x != y {
		t.Errorf("the masked prompt has %v tokens, want %v", x, y)
	}
	if got := field(t, a, "trace", "guardrail", "actionReason"); got != "Guardrail masked." {
		t.Error(got)
	}
}

// texts joins the text of a Converse stream's deltas.
func streamText(t testing.TB, body string) string {
	t.Helper()
	out := ""
	for part := range strings.SplitSeq(body, `"delta":{"text":"`) {
		if text, _, ok := strings.Cut(part, `"}}`); ok && part != body {
			out += text
		}
	}
	return out
}

func TestGuardrailsLookAtAnswers(t *testing.T) { both(t, testGuardrailsLookAtAnswers) }

func testGuardrailsLookAtAnswers(t *testing.T, start starter) {
	f := startGuarded(t, start)
	a := f.post(conversePath, guardedBody("Hi", "out"))
	if field(t, a, "output", "message", "content", "0", "text") != "Not said." ||
		field(t, a, "stopReason") != "guardrail_intervened" {
		t.Error(a.body)
	}
	a = f.post(conversePath, guardedBody("Hi", "mask"))
	text, _ := field(t, a, "output", "message", "content", "0", "text").(string)
	if !strings.Contains(text, "{L}") || field(t, a, "stopReason") != "max_tokens" {
		t.Error(a.body)
	}
	for _, mode := range []string{"sync", "async"} {
		body := strings.Replace(guardedBody("Hi", "out"), `"trace"`,
			`"streamProcessingMode":"`+mode+`","trace"`, 1)
		raw := f.post(conversePath+"-stream", body).body
		s := frames(t, raw)
		if got := streamText(t, raw); !strings.HasSuffix(got, "Not said.") ||
			mode == "sync" && got != "Not said." {
			t.Errorf("%s: %q", mode, got)
		}
		if !strings.Contains(s["messageStop"], "guardrail_intervened") ||
			!strings.Contains(s["metadata"], `"outputAssessments"`) {
			t.Errorf("%s: %v", mode, s)
		}
	}
	raw := f.post(conversePath+"-stream", guardedBody("Hi", "mask")).body
	if got := streamText(t, raw); !strings.Contains(got, "{L}") {
		t.Errorf("%q", got)
	}
	f.balance(2e9)
}

func TestGuardrailsAreNamedOrRefused(t *testing.T) { both(t, testGuardrailsAreNamedOrRefused) }

func testGuardrailsAreNamedOrRefused(t *testing.T, start starter) {
	f := startGuarded(t, start)
	if _, name := awsError(t, f.post(conversePath, guardedBody("Hi", "none"))); name !=
		"ResourceNotFoundException" {
		t.Error(name)
	}
	logprobs := `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":3,"logprobs":true}`
	message, name := awsError(t, f.post("/model/tiny/invoke", logprobs,
		"X-Amzn-Bedrock-GuardrailIdentifier", "in", "X-Amzn-Bedrock-GuardrailVersion", "1"))
	if name != "ValidationException" || !strings.Contains(message, "logprobs") {
		t.Errorf("%s: %s", name, message)
	}
}

func TestApplyGuardrail(t *testing.T) { both(t, testApplyGuardrail) }

func testApplyGuardrail(t *testing.T, start starter) {
	f := startGuarded(t, start)
	try := func(path, body, action, output string) {
		t.Helper()
		a := f.post(path, body)
		if got := field(t, a, "action"); got != action {
			t.Errorf("%s: %v, want %s: %s", body, got, action, a.body)
		} else if output != "" && field(t, a, "outputs", "0", "text") != output {
			t.Error(a.body)
		}
	}
	const path = "/guardrail/in/version/1/apply"
	apply := func(text, more string) string {
		return `{"source":"INPUT","content":[{"text":{"text":"` + text + `"}}]` + more + `}`
	}
	try(path, apply("fine", ""), "NONE", "")
	try(path, apply("forbidden", ""), "GUARDRAIL_INTERVENED", "No.")
	try(path, apply("to a@b.org", ""), "GUARDRAIL_INTERVENED", "to {EMAIL}")
	const arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aguardrail%2Fin"
	try("/guardrail/"+arn+"/version/DRAFT/apply",
		apply("fine", `,"outputScope":"FULL"`), "NONE", "")
	bad := func(path, body, want string) {
		t.Helper()
		if message, name := awsError(t, f.post(path, body)); name != want {
			t.Errorf("%s %s: %s %s", path, body, name, message)
		}
	}
	bad("/guardrail/none/version/1/apply", apply("x", ""), "ResourceNotFoundException")
	bad("/guardrail/in/version/0/apply", apply("x", ""), "ValidationException")
	bad("/guardrail/I/version/1/apply", apply("x", ""), "ValidationException")
	bad(path, `{"source":"X","content":[]}`, "ValidationException")
	bad(path, apply("x", `,"y":1`), "ValidationException")
}
