package identity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/internal/testsign"
	"basalt/server/api"
)

const (
	exampleAccess = "AKIDEXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// wire is a request as testdata has it.
type wire struct {
	Client, Name, Method, Target, Host, Body, Canonical string
	HTTP2                                               bool
	Header                                              [][2]string
}

func (w *wire) request() *Request {
	path, query, _ := strings.Cut(w.Target, "?")
	r := &Request{
		Method: w.Method, Path: path, Query: query, Host: w.Host, HTTP2: w.HTTP2,
		Body: []byte(w.Body),
	}
	for _, h := range w.Header {
		r.Header = append(r.Header, Header{strings.ToLower(h[0]), strings.TrimSpace(h[1])})
	}
	return r
}

func readTest(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func recorded(t testing.TB) []wire {
	t.Helper()
	var all []wire
	lines := bufio.NewScanner(bytes.NewReader(readTest(t, "recorded.jsonl")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var w wire
		if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	return all
}

// exampleStore knows the example's access key and says that it is the time of the request.
func exampleStore(t testing.TB, now func() time.Time) *Store {
	t.Helper()
	seal := testSeal(t)
	line := line(exampleAccess, "acme", Access, "sealed:"+
		seal.seal(exampleAccess, "acme", exampleSecret), time.Time{})
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Files{Keys: path, Seal: seal}, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testSeal(t testing.TB) *Seal {
	t.Helper()
	seal, err := NewSeal([]byte(NewSealKey()))
	if err != nil {
		t.Fatal(err)
	}
	return seal
}

func timeOf(t testing.TB, r *Request) time.Time {
	t.Helper()
	at, err := time.Parse(dateFormat, r.value("x-amz-date"))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestRecordedRequestsVerify takes what published clients really send.
func TestRecordedRequestsVerify(t *testing.T) {
	var now time.Time
	s := exampleStore(t, func() time.Time { return now })
	clients := map[string]int{}
	for _, w := range recorded(t) {
		r := w.request()
		now = timeOf(t, r)
		who, err := s.Identify(r)
		if err != nil {
			t.Errorf("%s %s: %v", w.Client, w.Target, err)
			continue
		}
		if who.Name != "acme" || who.Key != exampleAccess {
			t.Errorf("%s: %+v", w.Client, who)
		}
		if err := s.Known(r); err != nil {
			t.Errorf("%s %s, before its body: %v", w.Client, w.Target, err)
		}
		clients[w.Client]++
	}
	if len(clients) < 7 || clients["aws-sdk-js, HTTP/2"] < 5 {
		t.Errorf("only %v", clients)
	}
}

// TestEveryChangeIsSeen changes one byte of each part of each recorded request, every byte of
// some, and none may pass.
func TestEveryChangeIsSeen(t *testing.T) {
	var now time.Time
	s := exampleStore(t, func() time.Time { return now })
	numRefused := 0
	for _, w := range recorded(t) {
		now = timeOf(t, w.request())
		signed := ";" + signedHeaders(t, &w) + ";"
		try := func(what string, change func(r *Request)) {
			r := w.request()
			change(r)
			if _, err := s.Identify(r); err == nil {
				t.Errorf("%s: a changed %s is accepted", w.Client, what)
			}
			numRefused++
		}
		try("method", func(r *Request) { r.Method = "DELETE" })
		for i := range w.request().Path {
			try("path", func(r *Request) { r.Path = flip(r.Path, i) })
		}
		for i := range w.request().Query {
			try("query", func(r *Request) { r.Query = flip(r.Query, i) })
		}
		try("query", func(r *Request) { r.Query += "&a=b" })
		for i := range w.Body {
			try("body", func(r *Request) { r.Body = []byte(flip(string(r.Body), i)) })
		}
		try("body", func(r *Request) { r.Body = append(r.Body, ' ') })
		for i, h := range w.Header {
			name := strings.ToLower(h[0])
			if name == "authorization" || strings.Contains(signed, ";"+name+";") {
				for at := range w.request().Header[i].Value {
					try(name, func(r *Request) {
						r.Header[i].Value = flip(r.Header[i].Value, at)
						r.Host = r.value("host")
						if r.HTTP2 {
							r.Host = w.Host
						}
					})
				}
			}
		}
		try("host", func(r *Request) {
			r.Host = "other"
			for i := range r.Header {
				if r.Header[i].Name == "host" {
					r.Header[i].Value = "other"
				}
			}
		})
	}
	t.Logf("%d changes refused", numRefused)
}

func signedHeaders(t testing.TB, w *wire) string {
	t.Helper()
	_, rest, _ := strings.Cut(w.request().value("authorization"), "SignedHeaders=")
	names, _, ok := strings.Cut(rest, ",")
	if !ok {
		t.Fatal("no SignedHeaders")
	}
	return names
}

// flip changes one byte into another printable one. Spaces stay visible: a value's outer ones do
// not count.
func flip(s string, i int) string {
	c := byte('x')
	if s[i] == 'x' || s[i] == 'X' {
		c = 'y'
	}
	return s[:i] + string(c) + s[i+1:]
}

func TestAWSSuite(t *testing.T) {
	var cases []wire
	if err := json.Unmarshal(readTest(t, "awssuite.json"), &cases); err != nil {
		t.Fatal(err)
	}
	for _, w := range cases {
		r := w.request()
		r.Host = r.value("host")
		_, rest, _ := strings.Cut(r.value("authorization"), " ")
		a, err := parseAuthorization(rest)
		if err != nil {
			t.Fatal(w.Name, err)
		}
		canonical, ok := appendCanonical(nil, r, a.signed, hexHash(r.Body))
		if !ok || string(canonical) != w.Canonical {
			t.Errorf("%s: canonical request\n%s\nwant\n%s", w.Name, canonical, w.Canonical)
		}
		s := &signed{authorization: a, stamp: r.value("x-amz-date")}
		k := &key{id: a.access, secret: []byte(exampleSecret)}
		if err := s.verify(r, k, &derivedKeys{}); err != nil {
			t.Errorf("%s: %v", w.Name, err)
		}
	}
	if len(cases) < 30 {
		t.Errorf("only %d cases", len(cases))
	}
}

// sign1 makes a signed request.
func sign1(s testsign.Signer, q testsign.Request) *Request {
	w := wire{
		Method: q.Method, Target: q.Target, Host: q.Host, Body: q.Body, HTTP2: s.Authority,
		Header: s.Sign(q),
	}
	if !s.Authority {
		w.Header = append(w.Header, [2]string{"Host", q.Host})
	}
	return w.request()
}

func TestTheClockMayDifferByFiveMinutes(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 1, 0, 0, time.UTC)
	s := exampleStore(t, func() time.Time { return now })
	f := func(skew time.Duration, want string) {
		t.Helper()
		signer := testsign.Signer{
			Access: exampleAccess, Secret: exampleSecret, Time: now.Add(skew),
		}
		_, err := s.Identify(sign1(signer, testsign.Request{
			Method: "GET", Target: "/foundation-models", Host: "h",
		}))
		if want == "" && err != nil || want != "" && (err == nil ||
			err.Code != api.BadSignature || !strings.HasPrefix(err.Message, want)) {
			t.Errorf("%v: %v, want %q", skew, err, want)
		}
	}
	f(0, "")
	f(-5*time.Minute, "") // of the day before
	f(5*time.Minute, "")
	f(-5*time.Minute-time.Second, "Signature expired")
	f(5*time.Minute+time.Second, "Signature not yet current")
	f(-24*time.Hour, "Signature expired")
}

func TestDerivedKeysAreRememberedOnlyWhenProven(t *testing.T) {
	s := exampleStore(t, nil)
	q := testsign.Request{Method: "GET", Target: "/", Host: "h"}
	good := testsign.Signer{Access: exampleAccess, Secret: exampleSecret}
	bad := testsign.Signer{Access: exampleAccess, Secret: "other", Region: "elsewhere"}
	time.Sleep(150 * time.Millisecond) // a file that is this new is read again and again
	for range 2 {
		if _, err := s.Identify(sign1(good, q)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Identify(sign1(bad, q)); err == nil {
			t.Fatal("a wrong secret is accepted")
		}
	}
	if n := len(s.live.Get().derived.keys); n != 1 {
		t.Errorf("%d keys are remembered", n)
	}
	c := &derivedKeys{}
	for i := range maxDerived + 2 {
		c.put(derived{region: strings.Repeat("x", i)}, [32]byte{})
	}
	if len(c.keys) > maxDerived {
		t.Errorf("%d keys are remembered", len(c.keys))
	}
}

func TestMalformedAuthorizations(t *testing.T) {
	sig := strings.Repeat("a", 64)
	good := "Credential=A/20260101/r/bedrock/aws4_request, SignedHeaders=host;x-amz-date, " +
		"Signature=" + sig
	if _, err := parseAuthorization(good); err != nil {
		t.Fatal(err)
	}
	f := func(s string) {
		t.Helper()
		if a, err := parseAuthorization(s); err == nil {
			t.Errorf("%q gives %+v", s, a)
		}
	}
	f("")
	f(good + ",")
	f(good + ", Signature=" + sig)
	f(strings.Replace(good, "Credential", "credential", 1))
	f(strings.Replace(good, "/aws4_request", "/aws4_request/x", 1))
	f(strings.Replace(good, "/aws4_request", "/aws5_request", 1))
	f(strings.Replace(good, "A/2026", "/2026", 1))
	f(strings.Replace(good, "A/2026", strings.Repeat("A", 200)+"/2026", 1))
	f(strings.Replace(good, "host;x-amz-date", "x-amz-date;host", 1))
	f(strings.Replace(good, "host;x-amz-date", "host;host", 1))
	f(strings.Replace(good, "host;x-amz-date", "Host;x-amz-date", 1))
	f(strings.Replace(good, "host;x-amz-date", "host;;x-amz-date", 1))
	f(strings.Replace(good, "host;x-amz-date", "", 1))
	f(strings.Replace(good, sig, sig[1:], 1))
	f(strings.Replace(good, sig, sig+"aa", 1))
	f(strings.Replace(good, sig, strings.ToUpper(sig), 1))
	f(strings.Replace(good, sig, strings.Repeat("g", 64), 1))
}

// FuzzCanonical holds that two requests that differ in what is signed have different canonical
// requests, and that nothing of a request breaks out of its line.
func FuzzCanonical(f *testing.F) {
	f.Add("/a%2Fb/c", "x=1&y", "v  1", "/a/b/c", "y&x=1", "v 1")
	f.Add("/", "", "", "/", "a", " ")
	f.Add("/a b\n/", "=&=", "\t x", "/é", "%", "y")
	f.Fuzz(func(t *testing.T, path1, query1, value1, path2, query2, value2 string) {
		render := func(path, query, value string) string {
			r := &Request{
				Method: "POST", Path: path, Query: query,
				Header: []Header{{"host", "h"}, {"x-amz-date", value}},
			}
			out, ok := appendCanonical(nil, r, []string{"host", "x-amz-date"}, "hash")
			if !ok {
				t.Fatal("a header is missing")
			}
			return string(out)
		}
		a, b := render(path1, query1, value1), render(path2, query2, value2)
		if path1 != path2 && strings.Split(a, "\n")[1] == strings.Split(b, "\n")[1] {
			t.Fatalf("the paths %q and %q are signed alike", path1, path2)
		}
		// A header's value cannot have a line end: the parsers refuse it.
		if strings.ContainsAny(value1, "\r\n") {
			return
		}
		if lines := strings.Split(a, "\n"); len(lines) != 8 || lines[7] != "hash" {
			t.Fatalf("%q has %d lines", a, len(lines))
		}
	})
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add("Credential=A/20260101/r/bedrock/aws4_request, SignedHeaders=host;x-amz-date, " +
		"Signature=" + strings.Repeat("a", 64))
	f.Add("Credential=,SignedHeaders=;,Signature=")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAuthorization(s)
		if err != nil {
			return
		}
		for i, name := range a.signed {
			if name == "" || i > 0 && name <= a.signed[i-1] {
				t.Fatalf("%q: signed headers %q", s, a.signed)
			}
		}
		if a.access == "" || a.date == "" || a.region == "" || a.service == "" {
			t.Fatalf("%q: %+v", s, a)
		}
	})
}

// FuzzIdentify feeds noise where credentials are read; nothing but the real signature may pass.
func FuzzIdentify(f *testing.F) {
	s := exampleStore(f, nil)
	good := sign1(testsign.Signer{Access: exampleAccess, Secret: exampleSecret},
		testsign.Request{Method: "GET", Target: "/", Host: "h"})
	f.Add("/", "", good.value("authorization"), good.value("x-amz-date"), "", "")
	f.Add("/x", "X-Amz-Signature=1", "Bearer x", "", "x", "")
	f.Fuzz(func(t *testing.T, path, query, auth, date, apiKey, token string) {
		r := &Request{
			Method: "GET", Path: path, Query: query, Host: "h",
			Header: []Header{
				{"host", "h"},
				{"authorization", auth},
				{"x-amz-date", date},
				{"x-api-key", apiKey},
				{"x-amz-security-token", token},
			},
		}
		if who, err := s.Identify(r); err == nil && auth != good.value("authorization") {
			t.Fatalf("%+v is %s", r, who.Name)
		}
	})
}
