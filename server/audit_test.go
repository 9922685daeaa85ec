package server

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"basalt/server/audit"
)

// auditLog is a log whose records tests read.
type auditLog struct {
	t      testing.TB
	dir    string
	public ed25519.PublicKey
	log    *audit.Log
}

// newAuditLog begins a log whose operator lets prompts and answers in.
func newAuditLog(t testing.TB) *auditLog {
	t.Helper()
	return openAuditLog(t, audit.Config{Sync: audit.SyncNever, Content: true})
}

func openAuditLog(t testing.TB, cfg audit.Config) *auditLog {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if err := audit.NewKey(key); err != nil {
		t.Fatal(err)
	}
	private, err := audit.ReadKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a := &auditLog{t: t, dir: t.TempDir()}
	if a.public, err = audit.ReadPublicKey(key + ".pub"); err != nil {
		t.Fatal(err)
	}
	cfg.Dir, cfg.Key = a.dir, private
	a.log, err = audit.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.log.Close(context.Background()) })
	return a
}

// auditRecord is what tests read of a record of either kind.
type auditRecord struct {
	audit.Invocation
	EventName string
	Detail    map[string]any
	raw       string
}

// read waits until the log has num records and gives them.
func (a *auditLog) read(num uint64) []auditRecord {
	a.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); a.log.Len() < num; {
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	data, err := os.ReadFile(filepath.Join(a.dir, "audit-00000001.jsonl"))
	if err != nil {
		a.t.Fatal(err)
	}
	var out []auditRecord
	for line := range strings.Lines(string(data)) {
		r := auditRecord{raw: line}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			a.t.Fatal(err)
		}
		out = append(out, r)
	}
	if uint64(len(out)) != num {
		a.t.Fatalf("%d records, want %d:\n%s", len(out), num, data)
	}
	return out
}

const auditPolicy = `principals:
  ci: {tenant: acme, models: ["*"], operations: [inference]}
  admin: {tenant: ops, models: [], operations: ["*ModelInvocationLoggingConfiguration"]}
`

func TestEveryInvocationLeavesARecord(t *testing.T) { both(t, testEveryInvocationLeavesARecord) }

func testEveryInvocationLeavesARecord(t *testing.T, start starter) {
	p, a := newPeople(t, auditPolicy, "ci", "admin"), newAuditLog(t)
	cfg := p.config()
	cfg.Audit, cfg.Region, cfg.Version = a.log, "eu-site-1", "v9"
	f := start(t, setup{cfg: cfg, noEOS: true})
	f.srv.served[0].Digest, f.srv.served[0].TokenizerDigest = "sha256:aa", "sha256:bb"
	key := []string{"Authorization", "Bearer " + p.bearer["ci"]}
	num := uint64(1) // the server's start
	ask := func(path, body string, want func(r *auditRecord) bool) {
		t.Helper()
		answer := f.post(path, body, key...)
		num++
		all := a.read(num)
		r := &all[num-1]
		if r.SchemaType != "ModelInvocationLog" || r.SchemaVersion != "1.0" ||
			r.AccountID != "acme" || r.Identity.ARN != "arn:aws:iam::acme:user/ci" ||
			r.Region != "eu-site-1" || r.Status != answer.status || r.Basalt.Principal != "ci" ||
			r.Basalt.Remote == "" || r.RequestID == "" || r.Timestamp == "" || !want(r) {
			t.Errorf("%s: %d, the record is %s", path, answer.status, r.raw)
		}
		if strings.Contains(r.raw, `"Hi"`) || strings.Contains(r.raw, "Hi there") ||
			strings.Contains(r.raw, "outputBody") {
			t.Errorf("%s: the record has the text: %s", path, r.raw)
		}
	}
	good := func(operation string, tokens int) func(r *auditRecord) bool {
		return func(r *auditRecord) bool {
			return r.Operation == operation && r.Basalt.Model == "tiny" &&
				r.Output.TokenCount == tokens && r.Input.TokenCount > 5 && r.ErrorCode == "" &&
				r.Basalt.ModelDigest == "sha256:aa" && r.Basalt.TokenizerDigest == "sha256:bb" &&
				r.Basalt.Seed != "" && r.Basalt.End == "length" && r.Basalt.Version == "v9" &&
				r.Basalt.Parameters["maxTokens"] == float64(tokens)
		}
	}
	failed := func(operation, code string) func(r *auditRecord) bool {
		return func(r *auditRecord) bool {
			return r.Operation == operation && r.ErrorCode == code && r.Output.TokenCount == 0
		}
	}
	ask(conversePath, converseHi, good("Converse", 3))
	ask("/model/tiny/converse-stream", converseHi, good("ConverseStream", 3))
	ask("/model/meta.tiny-v1:0/invoke", `{"prompt":"Hi there you all","max_gen_len":4}`,
		func(r *auditRecord) bool {
			return good("InvokeModel", 4)(r) && r.ModelID == "meta.tiny-v1:0"
		})
	ask(chatPath, chatHi, good("ChatCompletions", 3))
	ask(chatPath, strings.Replace(chatHi, `"max_tokens":3`, `"max_tokens":3,"stream":true,"seed":7`,
		1), func(r *auditRecord) bool {
		return good("ChatCompletions", 3)(r) && r.Basalt.Stream && r.Basalt.Seed == "7"
	})
	ask("/v1/messages", `{"model":"tiny","max_tokens":5,"messages":[{"role":"user",`+
		`"content":"Hi"}]}`, good("Messages", 5))
	ask("/model/tony/converse", converseHi, failed("Converse", "ResourceNotFoundException"))
	ask(conversePath, `{"messages":[{"role":"Hi"}]}`, failed("Converse", "ValidationException"))
	ask(conversePath, strings.Replace(converseHi, ":3", ":99999", 1), failed("Converse",
		"ValidationException"))
	if r, err := audit.Verify(a.dir, a.public, nil); err != nil || r.Last != num {
		t.Errorf("%+v %v", r, err)
	}
}

func TestRefusalsLeaveARecord(t *testing.T) {
	p, a := newPeople(t, auditPolicy, "ci", "admin"), newAuditLog(t)
	cfg := p.config()
	cfg.Audit = a.log
	f := start(t, setup{cfg: cfg})
	num := uint64(1)
	try := func(method, path, key, code, operation string) {
		t.Helper()
		f.do(method, path, converseHi, "x-api-key", key)
		num++
		r := a.read(num)[num-1]
		if r.ErrorCode != code || r.Operation != operation || r.Basalt.Principal != "" &&
			r.Basalt.Principal != "admin" || key != "" && strings.Contains(r.raw, key) {
			t.Errorf("%s: %s", path, r.raw)
		}
	}
	try("POST", conversePath, "", forbidden, "Converse")
	try("POST", conversePath, "bslt_wrong", forbidden, "Converse")
	try("POST", conversePath, p.bearer["admin"], forbidden, "Converse")
	try("GET", "/metrics", p.bearer["ci"], forbidden, "Metrics")
	try("PUT", "/logging/modelinvocations", p.bearer["ci"], forbidden,
		"PutModelInvocationLoggingConfiguration")
	f.do("GET", "/v1/models", "", "x-api-key", p.bearer["ci"]) // leaves none
	f.do("GET", "/nothing", "", "x-api-key", p.bearer["ci"])   // neither
	a.read(num)
}

func TestThePromptsAreInTheLogOnlyIfTheOperatorSaysSo(t *testing.T) {
	p, a := newPeople(t, auditPolicy, "ci", "admin"), newAuditLog(t)
	cfg := p.config()
	cfg.Audit = a.log
	f := start(t, setup{cfg: cfg, noEOS: true})
	const path = "/logging/modelinvocations"
	admin := []string{"x-api-key", p.bearer["admin"]}
	ci := []string{"x-api-key", p.bearer["ci"]}
	config := func(method, body string, status int, want string) {
		t.Helper()
		if got := f.do(method, path, body, admin...); got.status != status ||
			!strings.Contains(got.body, want) || got.header.Get("x-amzn-RequestId") == "" {
			t.Errorf("%s %s: %d %s", method, body, got.status, got.body)
		}
	}
	num := uint64(1)
	last := func() auditRecord {
		t.Helper()
		num++
		return a.read(num)[num-1]
	}
	config("GET", "", 200, "{}")
	config("PUT", `{`, 400, "not valid JSON")
	config("PUT", `{}`, 400, "loggingConfig is required")
	config("PUT", `{"loggingConfig":{"textDataDelivery":true}}`, 400, "not supported")
	config("PUT", `{"loggingConfig":{"textDataDeliveryEnabled":1}}`, 400, "true or false")
	config("PUT", `{"loggingConfig":{"textDataDeliveryEnabled":true}}`, 200, "{}")
	if r := last(); r.EventName != "PutModelInvocationLoggingConfiguration" ||
		!strings.Contains(r.raw, `"textDataDeliveryEnabled":true`) ||
		!strings.Contains(r.raw, `"principal":"admin"`) {
		t.Errorf("the change is not recorded: %s", r.raw)
	}
	config("GET", "", 200, `"textDataDeliveryEnabled":true`)
	for _, x := range []struct{ path, body string }{
		{conversePath, converseHi},
		{"/model/tiny/converse-stream", converseHi},
		{"/model/tiny/invoke-with-response-stream", `{"prompt":"Hi","max_gen_len":3}`},
		{chatPath, chatHi},
		{chatPath, strings.Replace(chatHi, `"max_tokens":3`, `"max_tokens":3,"stream":true`, 1)},
		{"/v1/messages", `{"model":"tiny","max_tokens":3,"messages":[{"role":"user","content":` +
			`"Hi"}],"stream":true}`},
	} {
		answer := f.post(x.path, x.body, ci...)
		r := last()
		if string(r.Input.BodyJSON) != x.body || len(r.Output.BodyJSON) < 20 {
			t.Errorf("%s: %d, the record is %s", x.path, answer.status, r.raw)
		}
		if !strings.Contains(x.path+x.body, "stream") && string(r.Output.BodyJSON) != answer.body {
			t.Errorf("%s answers %s, the record has %s", x.path, answer.body, r.Output.BodyJSON)
		}
	}
	f.post(conversePath, strings.Replace(converseHi, "Hi", strings.Repeat("a ", 60<<10), 1), ci...)
	if r := last(); r.Input.BodyJSON != nil {
		t.Errorf("a large body is in the record: %.200s", r.raw)
	}
	config("DELETE", "", 200, "{}")
	last()
	config("GET", "", 200, "{}")
	f.post(conversePath, converseHi, ci...)
	if r := last(); strings.Contains(r.raw, `"Hi`) {
		t.Errorf("the text is still recorded: %s", r.raw)
	}
}

func FuzzDecodeLogging(f *testing.F) {
	f.Add([]byte(`{"loggingConfig":{"textDataDeliveryEnabled":true,"s3Config":{}}}`))
	f.Add([]byte(`{"loggingConfig":{"audioDataDeliveryEnabled":false}}`))
	f.Add([]byte(`{"loggingConfig":{"s3Config":{"bucketName":"logs","keyPrefix":"a/b"}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := decodeLogging(body)
		if err == nil && d == nil || err != nil && err.Message == "" {
			t.Errorf("%v %v", d, err)
		}
	})
}

// TestTheAPIAloneLetsNothingIn: the operator must allow what an admin asks for.
func TestTheAPIAloneLetsNothingIn(t *testing.T) {
	p, a := newPeople(t, auditPolicy, "ci", "admin"), openAuditLog(t, audit.Config{})
	cfg := p.config()
	cfg.Audit = a.log
	f := start(t, setup{cfg: cfg, noEOS: true})
	put := func(body string) answer {
		return f.do("PUT", "/logging/modelinvocations", body, "x-api-key", p.bearer["admin"])
	}
	got := put(`{"loggingConfig":{"textDataDeliveryEnabled":true}}`)
	if m, name := awsError(t, got); name != "AccessDeniedException" ||
		!strings.Contains(m, "--audit-content") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got = put(`{"loggingConfig":{"textDataDeliveryEnabled":false}}`); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	f.post(conversePath, converseHi, "x-api-key", p.bearer["ci"])
	for _, r := range a.read(4) {
		if strings.Contains(r.raw, `"Hi`) {
			t.Errorf("a prompt is in the log: %s", r.raw)
		}
	}
}

// TestNothingIsAnsweredWithoutALog makes the log fail.
func TestNothingIsAnsweredWithoutALog(t *testing.T) {
	a := newAuditLog(t)
	f := start(t, setup{cfg: Config{Audit: a.log}})
	if got := f.post(conversePath, converseHi); got.status != 200 {
		t.Fatal(got)
	}
	a.read(2)
	if err := a.log.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := f.post(conversePath, converseHi)
	if a := f.do("GET", "/health", ""); a.status != 503 || !strings.Contains(a.body, "audit log") {
		t.Errorf("/health: %d %s", a.status, a.body)
	}
	if _, name := awsError(t, got); got.status != 503 || name != "ServiceUnavailableException" ||
		strings.Contains(got.body, "tiny") || got.header.Get("Retry-After") == "" {
		t.Errorf("without a log: %d %s", got.status, got.body)
	}
	a.read(2)
}

// TestNoAnswerIsWholeWithoutItsRecord makes the log fail while answers are on their way.
func TestNoAnswerIsWholeWithoutItsRecord(t *testing.T) {
	for _, path := range []string{conversePath, "/model/tiny/converse-stream"} {
		a := newAuditLog(t)
		f := start(t, setup{
			cfg: Config{Audit: a.log}, noEOS: true, stepTime: 5 * time.Millisecond,
		})
		answers := make(chan answer)
		go func() { answers <- f.post(path, strings.Replace(converseHi, ":3", ":100", 1)) }()
		for f.loop.Stats().Running == 0 {
			time.Sleep(time.Millisecond)
		}
		if err := a.log.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		got := <-answers
		if path == conversePath && got.status != 503 {
			t.Errorf("an answer without its record: %d", got.status)
		}
		if path != conversePath && lastFrame(t, got.body) != "serviceUnavailableException" {
			t.Errorf("a stream without its record ends with %s", lastFrame(t, got.body))
		}
	}
}

func TestTheServersOwnActsAreRecorded(t *testing.T) {
	a := newAuditLog(t)
	var names []string
	func() {
		m, loop := newModelOn(t, &setup{})
		srv, err := New(Config{Models: []Model{m}, Audit: a.log})
		if err != nil {
			t.Fatal(err)
		}
		ln := listen(t)
		done := make(chan error, 1)
		go func() { done <- srv.Serve(ln) }()
		a.read(1)
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := loop.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, r := range a.read(2) {
		names = append(names, r.EventName)
	}
	if !slices.Equal(names, []string{"ServerStarted", "ServerStopped"}) {
		t.Error(names)
	}
}
