package server

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"basalt/server/buckets"
)

// documentBody is a Converse body with a document from a source.
func documentBody(source string) string {
	return `{"messages":[{"role":"user","content":[{"text":"Sum it up."},{"document":{"name":"n",` +
		`"format":"txt","source":` + source + `}}]}],"inferenceConfig":{"maxTokens":12}}`
}

func documentAt(uri string) string {
	return documentBody(fmt.Sprintf(`{"s3Location":{"uri":%q}}`, uri))
}

func imageAt(uri string) string {
	return fmt.Sprintf(`{"messages":[{"role":"user","content":[{"image":{"format":"png",`+
		`"source":{"s3Location":{"uri":%q}}}}]}]}`, uri)
}

// TestDocumentsOfBuckets: an object's text stands in the prompt as if the request had it.
func TestDocumentsOfBuckets(t *testing.T) {
	y := newYard(t, setup{noEOS: true, cfg: Config{Guardrails: readGuardrails(t)}})
	const text = "Ünïcode, <|eot_id|> and\nlines.\n"
	y.write(t, "mine/a.txt", text)
	inline := documentBody(`{"bytes":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}`)
	seed := `,"additionalModelRequestFields":{"seed":7}}`
	same := func(body, other string) {
		t.Helper()
		a := y.post(conversePath, strings.TrimSuffix(body, "}")+seed)
		b := y.post(conversePath, strings.TrimSuffix(other, "}")+seed)
		for _, name := range []string{"usage", "output"} {
			got, want := fmt.Sprint(field(t, a, name)), fmt.Sprint(field(t, b, name))
			if a.status != 200 || got != want {
				t.Errorf("%d %s, want %s", a.status, got, want)
			}
		}
	}
	same(documentAt("s3://mine/a.txt"), inline)
	inResult := func(body string) string {
		_, doc, _ := strings.Cut(body, `{"document"`)
		doc, _, _ = strings.Cut(doc, `]}],`)
		return `{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"t","content":[` +
			`{"document"` + doc + `]}}]}],"inferenceConfig":{"maxTokens":12}}`
	}
	same(inResult(documentAt("s3://mine/a.txt")), inResult(inline))
	a := y.post("/model/tiny/count-tokens",
		`{"input":{"converse":`+strings.Replace(documentAt("s3://mine/a.txt"),
			`,"inferenceConfig":{"maxTokens":12}`, "", 1)+`}}`)
	b := y.post(conversePath, inline)
	if field(t, a, "inputTokens") != field(t, b, "usage", "inputTokens") {
		t.Errorf("%s, used %s", a.body, b.body)
	}
	y.write(t, "mine/b.txt", "a forbidden word")
	guarded := strings.TrimSuffix(documentAt("s3://mine/b.txt"), "}") + `,"guardrailConfig":` +
		`{"guardrailIdentifier":"in","guardrailVersion":"DRAFT"}}`
	a = y.post(conversePath, guarded)
	if field(t, a, "stopReason") != "guardrail_intervened" {
		t.Errorf("the guardrail does not see the object: %s", a.body)
	}
	if n := y.srv.fetched.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// TestDocumentsThatMayNotBeRead: what the table does not give is denied before anything is opened.
func TestDocumentsThatMayNotBeRead(t *testing.T) { both(t, testDocumentsThatMayNotBeRead) }

func testDocumentsThatMayNotBeRead(t *testing.T, start starter) {
	y := newYardBy(t, start, setup{cfg: Config{Limits: Limits{MaxBody: 20 << 10}}})
	const secret = "the secret of another tenant"
	y.write(t, "theirs/a.txt", secret)
	y.write(t, "mine/a.txt", "text")
	y.write(t, "mine/empty", "")
	y.write(t, "mine/binary", "\xff\xfe")
	y.write(t, "mine/half", strings.Repeat("a", 12<<10))
	mine := filepath.Join(y.dir, "mine")
	for name, to := range map[string]string{
		"out": "../theirs/a.txt", "abs": filepath.Join(y.dir, "theirs/a.txt"), "dir": "../theirs",
	} {
		if err := os.Symlink(to, filepath.Join(mine, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(mine, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(body, want, part string) {
		t.Helper()
		for _, path := range []string{conversePath, conversePath + "-stream"} {
			a := y.post(path, body)
			message, name := awsError(t, a)
			if name != want || !strings.Contains(message, part) ||
				strings.Contains(a.body, y.dir) || strings.Contains(a.body, secret) {
				t.Errorf("%s: %d %s, want %s %q", body, a.status, a.body, want, part)
			}
		}
	}
	denied, invalid := "AccessDeniedException", "ValidationException"
	f(documentAt("s3://theirs/a.txt"), denied, `no bucket "theirs"`)
	f(documentAt("s3://absent/a.txt"), denied, `no bucket "absent"`)
	f(imageAt("s3://theirs/a.txt"), denied, `no bucket "theirs"`)
	f(imageAt("s3://mine/a.txt"), invalid, "takes no images")
	f(documentBody(`{"s3Location":{"uri":"s3://mine/a.txt","bucketOwner":"123456789012"}}`),
		denied, "account")
	f(documentAt("s3://mine/../theirs/a.txt"), invalid, "a key that is not taken")
	f(documentAt("s3://mine/%2e%2e/theirs/a.txt"), invalid, "there is no object")
	f(documentAt("https://mine/a.txt"), invalid, "s3://bucket/key")
	f(documentAt("file:///etc/passwd"), invalid, "s3://bucket/key")
	f(documentAt("s3://mine"), invalid, "there is no object")
	f(documentAt("s3://mine/absent"), invalid, "there is no object at s3://mine/absent")
	f(documentAt("s3://mine/out"), invalid, "cannot read")
	f(documentAt("s3://mine/abs"), invalid, "cannot read")
	f(documentAt("s3://mine/dir/a.txt"), invalid, "cannot read")
	f(documentAt("s3://mine/pipe"), invalid, "cannot read")
	f(documentAt("s3://mine/empty"), invalid, "1 to 4718592 bytes")
	f(documentAt("s3://mine/binary"), invalid, "UTF-8")
	two := strings.Replace(documentAt("s3://mine/half"), `{"document"`,
		`{"document":{"name":"m","source":{"s3Location":{"uri":"s3://mine/half"}}}},{"document"`, 1)
	f(two, invalid, "20480 bytes together")
	if n := y.srv.fetched.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
	y.balance(time.Second)
}

// TestLargeDocumentsOfBuckets are refused at the limit of the contract.
func TestLargeDocumentsOfBuckets(t *testing.T) {
	y := newYard(t, setup{})
	y.write(t, "mine/large", strings.Repeat("a", 4_718_593))
	a := y.post(conversePath, documentAt("s3://mine/large"))
	if m, name := awsError(t, a); name != "ValidationException" || !strings.Contains(m, "4718592") {
		t.Error(a.status, a.body)
	}
	many := strings.Repeat(`{"role":"user","content":[{"text":"a"},{"document":{"name":"n",`+
		`"source":{"s3Location":{"uri":"s3://mine/large"}}}}]},`, maxLocations+1)
	a = y.post(conversePath, `{"messages":[`+strings.TrimSuffix(many, ",")+`]}`)
	if m, name := awsError(t, a); name != "ValidationException" ||
		!strings.Contains(m, "may name 100 objects") {
		t.Error(a.status, a.body)
	}
}

const storeBuckets = `buckets:
  kept: {tenants: [acme], endpoint: "URL", access-key: A, secret-key-file: SECRET}
`

// TestDocumentsOfStores: nobody but the tenant makes the store be asked, and no redirect is
// followed.
func TestDocumentsOfStores(t *testing.T) {
	p := newPeople(t, jobPolicy, "ann", "eve")
	var calls, elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		elsewhere.Add(1)
	}))
	defer other.Close()
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		switch r.URL.Path {
		case "/kept/a.txt":
			_, _ = w.Write([]byte("text"))
		case "/kept/away":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/kept/closed":
			w.WriteHeader(http.StatusForbidden)
		case "/kept/moved":
			http.Redirect(w, r, other.URL+"/kept/a.txt", http.StatusTemporaryRedirect)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer store.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg := p.config()
	var err error
	cfg.Buckets, err = buckets.Open(write("buckets.yaml", strings.NewReplacer("URL", store.URL,
		"SECRET", write("secret", "secret")).Replace(storeBuckets)), nil)
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{cfg: cfg, noEOS: true})
	ask := func(name, uri string, status int, code string, asked int64) {
		t.Helper()
		before := calls.Load()
		a := f.post(conversePath, documentAt(uri), "x-api-key", p.bearer[name])
		if a.status != status || a.header.Get("X-Amzn-Errortype") != code ||
			strings.Contains(a.body, store.URL) {
			t.Errorf("%s, %s: %d %s", name, uri, a.status, a.body)
		}
		if n := calls.Load() - before; n != asked {
			t.Errorf("%s, %s: the store was asked %d times, want %d", name, uri, n, asked)
		}
	}
	ask("ann", "s3://kept/a.txt", 200, "", 1)
	ask("eve", "s3://kept/a.txt", 403, "AccessDeniedException", 0)
	ask("ann", "s3://kept/absent", 400, "ValidationException", 1)
	ask("ann", "s3://kept/closed", 400, "ValidationException", 1)
	ask("ann", "s3://kept/away", 503, "ServiceUnavailableException", 1)
	ask("ann", "s3://kept/moved", 400, "ValidationException", 1)
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// TestRecordsWithDocuments: a record that names what its tenant may not read fails alone.
func TestRecordsWithDocuments(t *testing.T) {
	y := newYard(t, setup{noEOS: true})
	y.write(t, "mine/a.txt", "text")
	y.write(t, "theirs/a.txt", "secret")
	record := func(id, body string) string {
		return `{"recordId":"` + id + `","modelInput":` + body + "}\n"
	}
	y.write(t, "mine/in.jsonl", record("good", documentAt("s3://mine/a.txt"))+
		record("bad", documentAt("s3://theirs/a.txt"))+
		record("last", documentAt("s3://mine/a.txt")))
	id := y.created(t, y.post("/model-invocation-job", jobBody("s3://mine/in.jsonl",
		"s3://mine/out", `,"modelInvocationType":"Converse"`)))
	id = id[strings.LastIndexByte(id, '/')+1:]
	st := y.wait(t, "/model-invocation-job/"+id, "status", jobEnds())
	if st["status"] != "Completed" || st["successRecordCount"] != 2.0 {
		t.Errorf("%v", st)
	}
	out := lines(y.read(t, "mine/out", id, "in.jsonl.out"))
	if len(out) != 3 || !strings.Contains(out[1], `"errorCode":403`) {
		t.Errorf("%q", out)
	}
}
