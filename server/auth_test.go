package server

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"
)

func TestKeysAndTenants(t *testing.T) { both(t, testKeysAndTenants) }

func testKeysAndTenants(t *testing.T, start starter) {
	p := newPeople(t, "")
	p.add("acme", "bslt_secret")
	f := start(t, setup{cfg: p.config()})
	try := func(status int, headers ...string) {
		t.Helper()
		for _, path := range []string{chatPath, conversePath} {
			body := chatHi
			if path == conversePath {
				body = converseHi
			}
			a := f.post(path, body, headers...)
			want := status
			if status == 401 && path == conversePath {
				want = 403
			}
			if a.status != want {
				t.Errorf("%s %q: %d, want %d", path, headers, a.status, want)
			}
		}
		if a := f.do("GET", "/v1/models", "", headers...); a.status != status {
			t.Errorf("/v1/models %q: %d", headers, a.status)
		}
	}
	try(401)
	try(200, "Authorization", "Bearer bslt_secret")
	try(200, "Authorization", "bearer  bslt_secret")
	try(200, "x-api-key", "bslt_secret")
	try(401, "Authorization", "Bearer bslt_secre")
	try(401, "Authorization", "Bearer bslt_secrett")
	try(401, "Authorization", "Bearer")
	try(401, "Authorization", "Basic bslt_secret")
	if a := f.post(chatPath, chatHi, "Authorization",
		"AWS4-HMAC-SHA256 Credential=x"); a.status != 401 {
		t.Errorf("half a signature: %d", a.status)
	}
	sum := sha256.Sum256([]byte("bslt_secret"))
	try(401, "x-api-key", hex.EncodeToString(sum[:]))
	try(401, "x-api-key", "bslt_secret", "Authorization", "Bearer other")
	try(200, "x-api-key", "bslt_secret", "Authorization", "Bearer bslt_secret")
	for _, path := range []string{"/health", "/ping"} {
		if a := f.do("GET", path, ""); a.status != 200 {
			t.Errorf("%s without a key: %d", path, a.status)
		}
	}
	p.revokeAll()
	try(401, "x-api-key", "bslt_secret")
}

func TestStrangersMayNotSendLargeBodies(t *testing.T) {
	both(t, testStrangersMayNotSendLargeBodies)
}

func testStrangersMayNotSendLargeBodies(t *testing.T, start starter) {
	f := start(t, setup{cfg: newPeople(t, "").config()})
	huge := strings.Repeat("x", 1<<20)
	a := f.post(conversePath, huge, "Authorization", "Bearer x")
	if _, name := awsError(t, a); a.status != 403 || name != "AccessDeniedException" {
		t.Errorf("%d %s", a.status, name)
	}
	if a := f.post(chatPath, huge); a.status != 401 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestLargeBodiesShareABound(t *testing.T) {
	f := start(t, setup{cfg: Config{Limits: Limits{MaxBuffered: 1 << 20}}})
	large := strings.Replace(chatHi, "Hi", "Hi"+strings.Repeat(" ", 900<<10), 1)
	for range 5 { // what was answered is not counted any more
		if a := f.post(chatPath, large); a.status >= 500 {
			t.Fatalf("%d %.200s", a.status, a.body)
		}
	}
	c := f.dial()
	const head = "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
	if _, err := io.WriteString(c, head+large); err != nil {
		t.Fatal(err)
	}
	for f.srv.listeners[0].buffered.Load() < 600<<10 {
		time.Sleep(time.Millisecond)
	}
	if a := f.post(conversePath, large); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %.200s", a.status, a.body)
	}
	if a := f.post(chatPath, chatHi); a.status != 200 {
		t.Errorf("a small request: %d", a.status)
	}
	closeNow(c)
	deadline := time.Now().Add(5 * time.Second)
	for f.srv.listeners[0].buffered.Load() != 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are still counted", f.srv.listeners[0].buffered.Load())
		}
		time.Sleep(time.Millisecond)
	}
}

func TestOriginsAreKeptOut(t *testing.T) { both(t, testOriginsAreKeptOut) }

func testOriginsAreKeptOut(t *testing.T, start starter) {
	f := start(t, setup{cfg: Config{Origins: []string{"http://good.example"}}})
	try := func(origin string, status int, allowed string) {
		t.Helper()
		a := f.post(chatPath, chatHi, "Origin", origin)
		if a.status != status || a.header.Get("Access-Control-Allow-Origin") != allowed {
			t.Errorf("%s: %d %v", origin, a.status, a.header)
		}
	}
	try("http://good.example", 200, "http://good.example")
	try("http://evil.example", 403, "")
	try("null", 403, "")
	a := f.do("OPTIONS", chatPath, "", "Origin", "http://good.example",
		"Access-Control-Request-Method", "POST")
	if a.status != 204 || a.header.Get("Access-Control-Allow-Methods") != "POST" {
		t.Errorf("preflight: %d %v", a.status, a.header)
	}
	if a := f.do("OPTIONS", chatPath, "", "Origin", "http://evil.example"); a.status != 403 {
		t.Errorf("foreign preflight: %d", a.status)
	}
	foreign := "POST " + chatPath + " HTTP/1.1\r\nHost: rebound.example\r\nContent-Length: " +
		"0\r\n\r\n"
	if out := f.raw(foreign, 100*time.Millisecond); !strings.HasPrefix(out, "HTTP/1.1 403") {
		t.Errorf("a foreign host: %.100q", out)
	}
}
