package buckets

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"basalt/internal/testsign"
)

// fakeStore is an S3-compatible store of one bucket, "real", which takes signed requests alone.
type fakeStore struct {
	t       *testing.T
	mu      sync.Mutex
	objects map[string]string
	calls   int
	answer  func(w http.ResponseWriter, r *http.Request) bool // in the place of the store's own
}

func (s *fakeStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	if s.answer != nil && s.answer(w, r) {
		return
	}
	if !s.signed(r, string(body)) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	key, ok := strings.CutPrefix(r.URL.Path, "/real/")
	switch {
	case r.URL.Path == "/real" && r.Method == "GET":
		s.list(w, r.URL.Query())
	case !ok:
		w.WriteHeader(http.StatusBadRequest)
	case r.Method == "PUT":
		s.objects[key] = string(body)
	default:
		text, ok := s.objects[key]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, text)
	}
}

// signed compares with a signer that shares no code with ours. S3 does not escape a path again.
func (s *fakeStore) signed(r *http.Request, body string) bool {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return false
	}
	got := r.Header.Get("Authorization")
	_, rest, _ := strings.Cut(got, "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	request := testsign.Request{Method: r.Method, Target: r.RequestURI, Host: r.Host, Body: body}
	for name := range strings.SplitSeq(names, ";") {
		switch name {
		case "host", "x-amz-date", "x-amz-content-sha256":
		case "content-length":
			request.Header = append(request.Header, [2]string{name, fmt.Sprint(r.ContentLength)})
		default:
			request.Header = append(request.Header, [2]string{name, r.Header.Get(name)})
		}
	}
	signer := testsign.Signer{
		Access: "ACCESS", Secret: "very secret", Region: "site-1", Service: "s3", Time: at,
		Claim: true, PlainPath: true,
	}
	for _, h := range signer.Sign(request) {
		if h[0] == "Authorization" && h[1] != got {
			s.t.Errorf("signed\n%s, want\n%s", got, h[1])
			return false
		}
	}
	return strings.Contains(names, "x-amz-content-sha256") && strings.Contains(names, "host")
}

func (s *fakeStore) list(w http.ResponseWriter, q url.Values) {
	var keys []string
	for key := range s.objects {
		if strings.HasPrefix(key, q.Get("prefix")) && key > q.Get("continuation-token") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var page listed
	if len(keys) > 2 {
		keys = keys[:2]
		page.Truncated, page.Next = true, keys[1]
	}
	for _, k := range keys {
		page.Contents = append(page.Contents, struct {
			Key string `xml:"Key"`
		}{k})
	}
	out, err := xml.Marshal(page)
	if err != nil {
		s.t.Error(err)
	}
	_, _ = w.Write(out)
}

func newFakeStore(t *testing.T) (*fakeStore, *Table) {
	t.Helper()
	s := &fakeStore{t: t, objects: map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	table, _ := mustOpen(t, `buckets:
  far: {tenants: [x], endpoint: "`+server.URL+`", bucket: real, prefix: for/x, region: site-1,
    access-key: ACCESS, secret-key-file: FOLDER/secret}
`)
	return s, table
}

func TestStoreRoundTrip(t *testing.T) {
	s, table := newFakeStore(t)
	p := mustFind(t, table, "x", "s3://far/a b/ü+%20&=.jsonl")
	if _, err := read(t, p); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	put(t, p, "text")
	if text, err := read(t, p); text != "text" || err != nil {
		t.Error(text, err)
	}
	if s.objects["for/x/a b/ü+%20&=.jsonl"] != "text" {
		t.Errorf("%v", s.objects)
	}
	put(t, p, "")
	for _, name := range []string{"1.jsonl", "2.jsonl", "3.jsonl", "no.txt", "deeper/4.jsonl"} {
		put(t, mustFind(t, table, "x", "s3://far/in/"+name), name)
	}
	list, err := mustFind(t, table, "x", "s3://far/in").List(t.Context(), ".jsonl")
	if err != nil || len(list) != 3 || list[2].URI.Key != "in/3.jsonl" {
		t.Error(list, err)
	}
}

// TestStoresThatLie: redirects, refusals and broken lists are errors, and no other host is asked.
func TestStoresThatLie(t *testing.T) {
	other := 0
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		other++
	}))
	defer trap.Close()
	s, table := newFakeStore(t)
	p := mustFind(t, table, "x", "s3://far/k")
	f := func(want string, answer func(w http.ResponseWriter, r *http.Request)) {
		t.Helper()
		s.answer = func(w http.ResponseWriter, r *http.Request) bool { answer(w, r); return true }
		_, get := p.Open(t.Context())
		put := p.Put(t.Context(), strings.NewReader("x"), "job")
		_, list := p.List(t.Context(), "")
		for _, err := range []error{get, put, list} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		f("redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, trap.URL, status)
		})
	}
	f("status 403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) })
	f("status 503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	f("status 206", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206) })
	if other != 0 {
		t.Errorf("%d requests went to another host", other)
	}
	lists := func(want, text string) {
		t.Helper()
		s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, text)
			return true
		}
		if _, err := p.List(t.Context(), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	lists("cannot read", "<a>")
	lists("does not go on", "<a><IsTruncated>true</IsTruncated></a>")
	lists("does not go on", "<a><IsTruncated>true</IsTruncated>"+
		"<NextContinuationToken>t</NextContinuationToken></a>")
}

func TestStoresAreNotReachedThroughProxies(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	s, table := newFakeStore(t)
	put(t, mustFind(t, table, "x", "s3://far/k"), "x")
	if s.calls != 1 {
		t.Errorf("%d calls", s.calls)
	}
}
