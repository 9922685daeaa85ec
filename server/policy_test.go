package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"basalt/internal/testsign"
)

// matrixPolicy has principals that may do one thing each, and some that may do several.
const matrixPolicy = `principals:
  all: {models: ["*"], operations: ["*"]}
  infer: {models: ["*"], operations: [inference]}
  conv: {models: [tiny], operations: [Converse]}
  streams: {models: [tiny], operations: ["*Stream"]}
  openai: {models: ["meta.*"], operations: [ChatCompletions, Completions, ListModels]}
  wrongmodel: {models: ["other"], operations: ["*"]}
  nomodels: {models: [], operations: ["*"]}
  nothing: {models: ["*"], operations: []}
  ops: {models: [], operations: [Metrics, Health]}
  auditor: {models: [], operations: [GetModelInvocationLoggingConfiguration]}
`

// deed is something that a principal may do or not.
type deed struct {
	name, method, path, body string
	may                      []string // by policy
}

func deeds() []deed {
	invoke := `{"prompt":"Hi","max_gen_len":3}`
	text := `{"model":"tiny","prompt":"Hi","max_tokens":3}`
	return []deed{
		{"Converse", "POST", conversePath, converseHi, []string{"all", "infer", "conv"}},
		{
			"ConverseStream", "POST", "/model/tiny/converse-stream", converseHi,
			[]string{"all", "infer", "streams"},
		},
		{"InvokeModel", "POST", "/model/tiny/invoke", invoke, []string{"all", "infer"}},
		{
			"InvokeModelWithResponseStream", "POST", "/model/tiny/invoke-with-response-stream",
			invoke,
			[]string{"all", "infer", "streams"},
		},
		{"ChatCompletions", "POST", chatPath, chatHi, []string{"all", "infer", "openai"}},
		{"Completions", "POST", textPath, text, []string{"all", "infer", "openai"}},
		{
			"ChatCompletions by alias", "POST", "/openai/v1/chat/completions",
			strings.Replace(chatHi, "tiny", "meta.tiny-v1:0", 1),
			[]string{"all", "infer", "openai"},
		},
		{"GetModel", "GET", "/v1/models/tiny", "", []string{"all", "infer"}},
		{"Metrics", "GET", "/metrics", "", []string{"all", "wrongmodel", "nomodels", "ops"}},
		{
			"Messages", "POST", "/v1/messages", `{"model":"tiny","max_tokens":3,"messages":[` +
				`{"role":"user","content":"Hi"}]}`, []string{"all", "infer"},
		},
		{
			"Responses", "POST", "/v1/responses", `{"model":"tiny","input":"Hi",` +
				`"max_output_tokens":16,"store":false}`, []string{"all", "infer"},
		},
		{
			"CountTokens", "POST", "/model/tiny/count-tokens", `{"input":{"converse":` +
				`{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}}}`,
			[]string{"all", "infer"},
		},
		{
			"InvokeEndpoint", "POST", "/endpoints/tiny/invocations", chatHi,
			[]string{"all", "infer"},
		},
		{"Tokenize", "POST", "/tokenize", `{"prompt":"Hi"}`, []string{"all", "infer"}},
		{
			"ListFoundationModels", "GET", "/foundation-models", "",
			[]string{"all", "infer", "wrongmodel", "nomodels"},
		},
		{"GetFoundationModel", "GET", "/foundation-models/tiny", "", []string{"all", "infer"}},
		{"GetInferenceProfile", "GET", "/inference-profiles/tiny", "", []string{"all", "infer"}},
		{
			"GetModelInvocationLoggingConfiguration", "GET", "/logging/modelinvocations", "",
			[]string{"all", "wrongmodel", "nomodels", "auditor"},
		},
		{
			"PutModelInvocationLoggingConfiguration", "PUT", "/logging/modelinvocations",
			`{"loggingConfig":{}}`,
			[]string{"all", "wrongmodel", "nomodels"},
		},
		{
			"DeleteModelInvocationLoggingConfiguration", "DELETE", "/logging/modelinvocations", "",
			[]string{"all", "wrongmodel", "nomodels"},
		},
		{
			"Debug", "GET", "/debug/pprof/goroutine", "",
			[]string{"all", "wrongmodel", "nomodels"},
		},
	}
}

// smallDeeds are those that generate nothing.
func smallDeeds() []deed {
	infer := []string{"all", "infer"}
	list := []string{"all", "infer", "wrongmodel", "nomodels"}
	return []deed{
		{"CountMessageTokens", "POST", "/v1/messages/count_tokens", messageCount, infer},
		{"Detokenize", "POST", "/detokenize", `{"tokens":[1]}`, infer},
		{"Invocations", "POST", "/invocations", chatHi, infer},
		{
			"ApplyGuardrail", "POST", "/guardrail/in/version/1/apply",
			`{"source":"INPUT","content":[{"text":{"text":"a"}}]}`, list,
		},
		{"ListModels", "GET", "/v1/models", "", append([]string{"openai"}, list...)},
		{"ListModels", "GET", "/anthropic/v1/models", "", append([]string{"openai"}, list...)},
		{"ListInferenceProfiles", "GET", "/inference-profiles", "", list},
		{"ListImportedModels", "GET", "/imported-models", "", list},
		{"ListCustomModels", "GET", "/custom-models", "", list},
		{
			"ListProvisionedModelThroughputs", "GET", "/provisioned-model-throughputs", "",
			list,
		},
		{"GetImportedModel", "GET", "/imported-models/tiny", "", infer},
		{
			"GetFoundationModelAvailability", "GET", "/foundation-model-availability/tiny", "",
			infer,
		},
	}
}

const messageCount = `{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}`

// TestNoDeedIsForgotten compares what the pairs try with the actions that there are.
func TestNoDeedIsForgotten(t *testing.T) {
	left := map[string]bool{}
	table := routeTable()
	maps.Copy(table, profileRoutes())
	for _, routes := range table {
		for _, r := range routes {
			left[r.action] = !r.open
		}
	}
	for _, o := range modelOperations() {
		left[o("x").action] = true
	}
	for _, d := range slices.Concat(deeds(), smallDeeds(), jobDeeds()) {
		name, _, _ := strings.Cut(d.name, " ")
		delete(left, name)
	}
	// Nobody gets these, and CreateFile is the beginning of what is done with files.
	for _, name := range []string{"", "Rerank", "Embeddings", "CreateFile"} {
		delete(left, name)
	}
	if len(left) > 0 {
		t.Errorf("no principal tries %v", slices.Sorted(maps.Keys(left)))
	}
}

// TestEveryPairOfPrincipalAndDeed asks for everything as everybody.
func TestEveryPairOfPrincipalAndDeed(t *testing.T) {
	names := []string{
		"all", "infer", "conv", "streams", "openai", "wrongmodel", "nomodels", "nothing", "ops",
		"auditor",
	}
	p := newPeople(t, matrixPolicy, append(slices.Clone(names), "unlisted")...)
	cfg := p.config()
	cfg.Audit, cfg.Profiles = newAuditLog(t).log, true
	cfg.Guardrails = readGuardrails(t)
	f := start(t, setup{cfg: cfg})
	numPairs := 0
	for _, d := range slices.Concat(deeds(), smallDeeds()) {
		for _, name := range append(slices.Clone(names), "unlisted", "") {
			a := f.do(d.method, d.path, d.body, "Authorization", "Bearer "+p.bearer[name])
			want := slices.Contains(d.may, name)
			if got := a.status == 200; got != want || !want && a.status != 403 &&
				a.status != 401 && a.status != 404 {
				t.Errorf("%q does %s: %d %.200s, may: %v", name, d.name, a.status, a.body, want)
			}
			numPairs++
		}
	}
	t.Logf("%d pairs", numPairs)
	listed := func(name string) bool {
		a := f.do("GET", "/v1/models", "", "x-api-key", p.bearer[name])
		return a.status == 200 && strings.Contains(a.body, `"tiny"`)
	}
	for name, want := range map[string]bool{
		"all": true, "openai": true, "wrongmodel": false, "nomodels": false, "conv": false,
	} {
		if listed(name) != want {
			t.Errorf("%s sees the model: %v", name, !want)
		}
	}
}

// TestHealthTellsLittle compares what strangers and operators see.
func TestHealthTellsLittle(t *testing.T) {
	p := newPeople(t, matrixPolicy, "ops", "infer")
	f := start(t, setup{cfg: p.config()})
	try := func(name, want string) {
		t.Helper()
		a := f.do("GET", "/health", "", "x-api-key", p.bearer[name])
		if a.status != 200 || a.body != want {
			t.Errorf("%q: %d %s", name, a.status, a.body)
		}
	}
	try("", `{"status":"ok"}`)
	try("infer", `{"status":"ok"}`)
	try("ops", `{"status":"ok","models":[{"id":"tiny","ready":true}]}`)
	if a := f.do("GET", "/ping", ""); a.status != 200 || a.body != "" {
		t.Errorf("/ping: %d %q", a.status, a.body)
	}
}

// TestEveryRouteHasAnAction holds that no route is open by mistake.
func TestEveryRouteHasAnAction(t *testing.T) {
	open := map[string]bool{"/health": true, "/ping": true}
	table := routeTable()
	maps.Copy(table, profileRoutes())
	for _, path := range slices.Sorted(maps.Keys(table)) {
		for _, r := range table[path] {
			if r.open != open[path] || !r.open && r.action == "" {
				t.Errorf("%s %s: open %v, action %q", r.method, path, r.open, r.action)
			}
		}
	}
	s := &Server{routes: table}
	for _, d := range deeds() {
		routes, err := s.find(d.path)
		if err != nil || len(routes) == 0 {
			t.Errorf("%s: no route, %v", d.path, err)
		}
		for _, r := range routes {
			if r.open || r.action == "" || !strings.HasPrefix(d.name, r.action) &&
				r.method == d.method {
				t.Errorf("%s %s: open %v, action %q", r.method, d.path, r.open, r.action)
			}
		}
	}
}

const limitPolicy = `principals:
  slow: {models: ["*"], operations: [inference], requests-per-minute: 3}
  small: {models: ["*"], operations: [inference], max-context: 100}
  one: {models: ["*"], operations: [inference], concurrent-requests: 1}
  poor: {models: ["*"], operations: [inference], tokens-per-minute: 400}
  first: {models: ["*"], operations: [inference], priority: -1}
  last: {models: ["*"], operations: [inference], priority: 5}
`

// TestWhatGeneratesNothingIsLimitedToo: counting and checking cost work as well.
func TestWhatGeneratesNothingIsLimitedToo(t *testing.T) {
	for _, d := range []deed{
		{"CountTokens", "POST", "/model/tiny/count-tokens", `{"input":{"converse":{"messages":[` +
			`{"role":"user","content":[{"text":"Hi"}]}]}}}`, nil},
		{"CountMessageTokens", "POST", "/v1/messages/count_tokens", messageCount, nil},
		{"Tokenize", "POST", "/tokenize", `{"prompt":"Hi"}`, nil},
		{
			"ApplyGuardrail", "POST", "/guardrail/in/version/DRAFT/apply",
			`{"source":"INPUT","content":[{"text":{"text":"a"}}]}`, nil,
		},
	} {
		p := newPeople(t, limitPolicy, "slow", "one")
		cfg := p.config()
		cfg.Guardrails = readGuardrails(t)
		f := start(t, setup{cfg: cfg})
		for n := range 4 {
			a := f.do(d.method, d.path, d.body, "x-api-key", p.bearer["slow"])
			if want := 200 + n/3*229; a.status != want {
				t.Errorf("%s, request %d: %d %s, want %d", d.name, n, a.status, a.body, want)
			}
			if a = f.do(d.method, d.path, d.body, "x-api-key", p.bearer["one"]); a.status != 200 {
				t.Errorf("%s, one by one: %d %s", d.name, a.status, a.body)
			}
		}
	}
}

func TestPolicyLimits(t *testing.T) { both(t, testPolicyLimits) }

func testPolicyLimits(t *testing.T, start starter) {
	p := newPeople(t, limitPolicy, "slow", "small", "one", "poor")
	f := start(t, setup{cfg: p.config(), noEOS: true, stepTime: 2 * time.Millisecond})
	ask := func(name, path, body string) answer {
		t.Helper()
		return f.post(path, body, "Authorization", "Bearer "+p.bearer[name])
	}
	throttled := func(a answer, words string) {
		t.Helper()
		message, name := awsError(t, a)
		if a.status != 429 || name != "ThrottlingException" || a.header.Get("Retry-After") == "" ||
			!strings.Contains(message, words) {
			t.Errorf("%d %s %s; want %q", a.status, name, message, words)
		}
	}
	for range 3 {
		if a := ask("slow", conversePath, converseHi); a.status != 200 {
			t.Errorf("slow: %d %s", a.status, a.body)
		}
	}
	throttled(ask("slow", conversePath, converseHi), "3 requests a minute")
	a := ask("small", conversePath, strings.Replace(converseHi, ":3", ":101", 1))
	if message, _ := awsError(t, a); a.status != 400 || !strings.Contains(message,
		"your context length is 100 tokens") {
		t.Errorf("small: %d %s", a.status, message)
	}
	a = ask("small", conversePath, strings.Replace(converseHi, "Hi", strings.Repeat("a b ", 60), 1))
	if message, _ := awsError(t, a); !strings.Contains(message, "Input is too long") {
		t.Errorf("small: %d %s", a.status, message)
	}
	if a := ask("small", textPath, completionBody("a", 1, 50, "")); a.status != 200 {
		t.Errorf("small: %d %s", a.status, a.body)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if a := ask("one", textPath, completionBody("a", 1, 400, "")); a.status != 200 {
			t.Errorf("one: %d %s", a.status, a.body)
		}
	}()
	for f.loop.Stats().Running == 0 {
		time.Sleep(time.Millisecond)
	}
	throttled(ask("one", conversePath, converseHi), "at most 1")
	<-done
	if a := ask("one", conversePath, converseHi); a.status != 200 {
		t.Errorf("one: %d %s", a.status, a.body)
	}
	// Each takes its prompt and 3 or 200 tokens.
	long := strings.Replace(converseHi, ":3", ":200", 1)
	if a := ask("poor", conversePath, converseHi); a.status != 200 {
		t.Errorf("poor: %d %s", a.status, a.body)
	}
	if a := ask("poor", conversePath, long); a.status != 200 {
		t.Errorf("poor: %d %s", a.status, a.body)
	}
	throttled(ask("poor", conversePath, long), "400 tokens a minute")
}

const guardPolicy = `principals:
  kid: {models: ["*"], operations: [inference], guardrail: {id: in, version: "1"}}
  lost: {models: ["*"], operations: [inference], guardrail: {id: none, version: "1"}}
  free: {models: ["*"], operations: [inference]}
`

// TestTheGuardrailCannotBeLeftOut tries to do without the one that the policy demands.
func TestTheGuardrailCannotBeLeftOut(t *testing.T) { both(t, testTheGuardrailCannotBeLeftOut) }

func testTheGuardrailCannotBeLeftOut(t *testing.T, start starter) {
	p := newPeople(t, guardPolicy, "kid", "lost", "free")
	cfg := p.config()
	cfg.Guardrails = readGuardrails(t)
	f := start(t, setup{cfg: cfg, noEOS: true})
	try := func(name, path, body string, status int, words string) {
		t.Helper()
		a := f.post(path, body, "x-api-key", p.bearer[name])
		if a.status != status || !strings.Contains(a.body, words) {
			t.Errorf("%s, %s: %d %.300s; want %d %q", name, path, a.status, a.body, status, words)
		}
	}
	bad := strings.Replace(converseHi, "Hi", "A forbidden thing", 1)
	chat := strings.Replace(chatHi, "Hi", "A forbidden thing", 1)
	try("free", conversePath, bad, 200, "max_tokens")
	try("kid", conversePath, bad, 200, "guardrail_intervened")
	try("kid", conversePath+"-stream", bad, 200, "guardrail_intervened")
	try("kid", conversePath, guardedBody("A forbidden thing", "in"), 200, "guardrail_intervened")
	try("kid", conversePath, guardedBody("A forbidden thing", "out"), 403, "must use guardrail in")
	try("kid", chatPath, chat, 200, "No.")
	try("kid", "/v1/messages", `{"model":"tiny","max_tokens":5,"messages":[{"role":"user",`+
		`"content":"A forbidden thing"}]}`, 200, "No.")
	try("kid", "/model/tiny/invoke", `{"prompt":"A forbidden thing","max_gen_len":3}`, 200, "No.")
	try("kid", textPath, `{"model":"tiny","prompt":"A forbidden thing","max_tokens":3}`, 200, "No.")
	marked := strings.Replace(bad, `{"text":"A forbidden thing"}`, `{"text":"A forbidden thing"},`+
		`{"guardContent":{"text":{"text":"harmless"}}}`, 1)
	try("kid", conversePath, marked, 200, "guardrail_intervened")
	try("kid", conversePath, converseHi, 200, "max_tokens")
	try("lost", conversePath, converseHi, 403, "does not have it")
}

// TestPriorityGoesFirst fills the queue and looks who is served before whom.
func TestPriorityGoesFirst(t *testing.T) {
	p := newPeople(t, limitPolicy, "first", "last")
	f := start(t, setup{cfg: p.config(), noEOS: true, stepTime: 2 * time.Millisecond, seqs: 1})
	order := make(chan string, 3)
	ask := func(name string, waiting int) {
		go func() {
			f.post(textPath, completionBody("a", 1, 200, ""), "x-api-key", p.bearer[name])
			order <- name
		}()
		for f.loop.Stats().Waiting < waiting || f.loop.Stats().Running == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	ask("last", 0)
	ask("last", 1)
	ask("first", 2)
	if got := fmt.Sprint(<-order, <-order, <-order); got != "lastfirstlast" {
		t.Errorf("served were %s", got)
	}
}

// TestKeysAreRevokedUnderConnections uses one connection throughout.
func TestKeysAreRevokedUnderConnections(t *testing.T) {
	both(t, testKeysAreRevokedUnderConnections)
}

func testKeysAreRevokedUnderConnections(t *testing.T, start starter) {
	p := newPeople(t, "", "acme")
	f := start(t, setup{cfg: p.config()})
	h2 := !strings.HasSuffix(t.Name(), "HTTP1")
	signed := func() int {
		s := testsign.Signer{
			Access: p.access["acme"].ID, Secret: p.access["acme"].Secret, Authority: h2,
		}
		c := &call{Request: testsign.Request{
			Method: "POST", Target: conversePath, Host: "x", Body: converseHi,
		}}
		c.header = s.Sign(c.Request)
		status, _, _ := c.send(f, h2)
		return status
	}
	bearer := func() int {
		return f.post(conversePath, converseHi, "x-api-key", p.bearer["acme"]).status
	}
	if signed() != 200 || bearer() != 200 {
		t.Error("good keys are refused")
	}
	p.revokeAll()
	if signed() != 403 || bearer() != 403 {
		t.Error("revoked keys are taken")
	}
}
