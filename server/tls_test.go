package server

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"basalt/server/certs"
)

// site is an authority with a server's certificate and those of clients.
type site struct {
	t     testing.TB
	dir   string
	ca    *certs.Authority
	roots *x509.CertPool
}

func newSite(t testing.TB, clients ...string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), roots: x509.NewCertPool()}
	var err error
	if s.ca, err = certs.NewAuthority(s.dir, "site", time.Now(), time.Hour); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.path(certs.AuthorityCert))
	if err != nil || !s.roots.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	s.issue("server", certs.Request{Name: "server", Hosts: []string{"127.0.0.1", "localhost"}})
	for _, name := range clients {
		s.issue(name, certs.Request{Name: name, Organization: "Acme", Client: true})
	}
	return s
}

func (s *site) path(file string) string { return filepath.Join(s.dir, file) }

func (s *site) issue(file string, r certs.Request) {
	s.t.Helper()
	r.Valid = time.Hour
	if err := s.ca.Issue(s.dir, file, r, time.Now()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) pair(name string) *tls.Certificate {
	s.t.Helper()
	pair, err := tls.LoadX509KeyPair(s.path(name+".pem"), s.path(name+".key"))
	if err != nil {
		s.t.Fatal(err)
	}
	return &pair
}

func (s *site) open(f TLSFiles) *TLS {
	s.t.Helper()
	f.Cert, f.Key = s.path("server.pem"), s.path("server.key")
	t, err := OpenTLS(f, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return t
}

func TestAnswersOverTLS(t *testing.T) { both(t, testAnswersOverTLS) }

func testAnswersOverTLS(t *testing.T, start starter) {
	s := newSite(t)
	f := start(t, setup{cfg: Config{TLS: s.open(TLSFiles{})}, roots: s.roots, noEOS: true})
	want := f.whole(completionBody("once", 1, 30, ""))
	got, _ := readSSE(t, f.post(textPath, completionBody("once", 1, 30, `,"stream":true`)).body)
	if len(got) != 1 || got[0] != want {
		t.Errorf("%q streamed, %q whole", got, want)
	}
	large := `{"messages":[{"role":"user","content":[{"text":"` + strings.Repeat("x", 9<<20) +
		`"}]}]}`
	if a := f.post(conversePath, large); a.status != 400 || !strings.Contains(a.body,
		"Input is too long") {
		t.Errorf("a large body: %d %.200s", a.status, a.body)
	}
	if a := f.post(conversePath, converseHi, "X-A", strings.Repeat("x", 64<<10)); a.status != 431 {
		t.Errorf("a large header: %d", a.status)
	}
	if a := f.post(conversePath, strings.Repeat("x", 27<<20)); a.status != 413 {
		t.Errorf("a body that is too large: %d %.200s", a.status, a.body)
	}
}

func TestClientsThatLeaveOverTLS(t *testing.T) {
	const step = 10 * time.Millisecond
	s := newSite(t)
	f := start(t, setup{
		cfg: Config{TLS: s.open(TLSFiles{})}, roots: s.roots, noEOS: true, stepTime: step,
	})
	for _, proto := range []string{"http/1.1", "h2"} {
		c, err := tls.Dial("tcp", f.addr, &tls.Config{
			RootCAs: s.roots, NextProtos: []string{proto},
		})
		if err != nil {
			t.Fatal(err)
		}
		body := completionBody("once", 1, 1500, "")
		if got := c.ConnectionState().NegotiatedProtocol; got != proto {
			t.Fatalf("%s was asked for and %q agreed on", proto, got)
		}
		request := postOf(textPath, body)
		if proto == "h2" {
			request = preface + frame(frameSettings, 0, 0, "") + frame(frameHeaders, flagEndBlock,
				1, block(fields("POST", textPath)...)) + frame(frameData, flagEndStream, 1, body)
		}
		f.send(c, "%s", request)
		for f.loop.Stats().Running == 0 {
			time.Sleep(time.Millisecond)
		}
		closeNow(c)
		f.balance(step + 250*time.Millisecond)
	}
}

func TestOnlyModernTLSIsSpoken(t *testing.T) {
	s := newSite(t)
	f := start(t, setup{cfg: Config{TLS: s.open(TLSFiles{})}, roots: s.roots})
	try := func(c *tls.Config, want bool) {
		t.Helper()
		c.RootCAs = s.roots
		conn, err := tls.Dial("tcp", f.addr, c)
		if (err == nil) != want {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil {
			closeNow(conn)
		}
	}
	try(&tls.Config{}, true)
	try(&tls.Config{MaxVersion: tls.VersionTLS12}, true)
	try(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false)
	try(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	}}, false)
	try(&tls.Config{NextProtos: []string{"h3"}}, false)
	out := f.raw(ping(""), time.Second)
	if !strings.HasPrefix(out, "HTTP/1.1 400") || !strings.Contains(out, "use https") {
		t.Errorf("without TLS: %q", out)
	}
}

// TestCertificatesAreReplacedUnderStreams changes the server's certificate while a stream runs.
func TestCertificatesAreReplacedUnderStreams(t *testing.T) {
	both(t, testCertificatesAreReplacedUnderStreams)
}

func testCertificatesAreReplacedUnderStreams(t *testing.T, start starter) {
	s := newSite(t)
	f := start(t, setup{
		cfg: Config{TLS: s.open(TLSFiles{})}, roots: s.roots, noEOS: true,
		stepTime: 2 * time.Millisecond,
	})
	serial := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", f.addr, &tls.Config{RootCAs: s.roots})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(c)
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	var wg sync.WaitGroup
	var got []streamed
	wg.Go(func() {
		got, _ = readSSE(t, f.post(textPath, completionBody("a", 1, 300, `,"stream":true`)).body)
	})
	for f.loop.Stats().Running == 0 {
		time.Sleep(time.Millisecond)
	}
	old := serial()
	s.issue("new", certs.Request{Name: "server", Hosts: []string{"127.0.0.1"}})
	for _, ext := range []string{".key", ".pem"} {
		// Between the two, the pair does not match: the old one stays.
		if err := os.Rename(s.path("new"+ext), s.path("server"+ext)); err != nil {
			t.Fatal(err)
		}
		if now := serial(); (now == old) != (ext == ".key") {
			t.Errorf("after %s, the serial number changed: %v", ext, now != old)
		}
	}
	if f.loop.Stats().Running == 0 {
		t.Error("the stream ended before the change")
	}
	wg.Wait()
	if len(got) != 1 || got[0].finish != "length" {
		t.Errorf("the stream ended with %+v", got)
	}
}

const certPolicy = `principals:
  ci: {tenant: acme, models: ["*"], operations: [inference], subjects: ["CN=ci,O=Acme"]}
`

func TestCertificatesAreCredentials(t *testing.T) { both(t, testCertificatesAreCredentials) }

func testCertificatesAreCredentials(t *testing.T, start starter) {
	s := newSite(t, "ci", "stranger")
	p := newPeople(t, certPolicy, "ci")
	files := TLSFiles{ClientCA: s.path(certs.AuthorityCert)}
	cfg := p.config()
	cfg.TLS = s.open(files)
	f := start(t, setup{cfg: cfg, roots: s.roots, cert: s.pair("ci")})
	if a := f.post(chatPath, chatHi); a.status != 200 {
		t.Errorf("ci: %d %s", a.status, a.body)
	}
	large := strings.Replace(chatHi, "Hi", strings.Repeat("x", 1<<20), 1)
	if a := f.post(chatPath, large); a.status != 400 || !strings.Contains(a.body, "too long") {
		t.Errorf("a large body: %d %.200s", a.status, a.body)
	}
	asStranger := newTransport(&setup{
		cfg: cfg, roots: s.roots, cert: s.pair("stranger"),
		h2: !strings.HasSuffix(t.Name(), "HTTP1"),
	})
	defer asStranger.CloseIdleConnections()
	ci := f.http
	f.http = &http.Client{Transport: asStranger}
	if a := f.post(chatPath, chatHi); a.status != 401 {
		t.Errorf("a certificate of nobody: %d %s", a.status, a.body)
	}
	if a := f.post(chatPath, chatHi, "x-api-key", p.bearer["ci"]); a.status != 200 {
		t.Errorf("a certificate of nobody with a key: %d %s", a.status, a.body)
	}
	if _, err := (&http.Client{Transport: newTransport(&setup{
		cfg: cfg, roots: s.roots,
	})}).Get(f.url + "/ping"); err == nil {
		t.Error("a client without a certificate is served")
	}
	f.http = ci
	if a := f.post(chatPath, chatHi); a.status != 200 {
		t.Errorf("ci again: %d %s", a.status, a.body)
	}
	// Another authority: the certificate counts no more, on the open connection neither.
	other := newSite(t)
	text, err := os.ReadFile(other.path(certs.AuthorityCert))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path("next.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.path("next.pem"), s.path(certs.AuthorityCert)); err != nil {
		t.Fatal(err)
	}
	if a := f.post(chatPath, chatHi); a.status != 401 {
		t.Errorf("a certificate of an authority that is not trusted any more: %d", a.status)
	}
}

func TestCertificatesMayBeOptional(t *testing.T) {
	s := newSite(t)
	p := newPeople(t, certPolicy, "ci")
	cfg := p.config()
	cfg.TLS = s.open(TLSFiles{ClientCA: s.path(certs.AuthorityCert), ClientOptional: true})
	f := start(t, setup{cfg: cfg, roots: s.roots})
	if a := f.post(chatPath, chatHi); a.status != 401 {
		t.Errorf("nobody: %d", a.status)
	}
	if a := f.post(chatPath, chatHi, "Authorization", "Bearer "+p.bearer["ci"]); a.status != 200 {
		t.Errorf("ci: %d %s", a.status, a.body)
	}
}

func TestBrokenTLSFilesAreRefused(t *testing.T) {
	s := newSite(t)
	try := func(f TLSFiles, reason string) {
		t.Helper()
		_, err := OpenTLS(f, nil)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	cert, key := s.path("server.pem"), s.path("server.key")
	try(TLSFiles{Cert: cert, Key: s.path("none")}, "cannot read the TLS key")
	try(TLSFiles{Cert: s.path("none"), Key: key}, "cannot read the TLS certificate")
	try(TLSFiles{Cert: cert, Key: s.path(certs.AuthorityKey)}, "cannot use")
	try(TLSFiles{Cert: cert, Key: key, ClientCA: key}, "has no PEM certificate")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	try(TLSFiles{Cert: cert, Key: key}, "chmod 600")
}

// TestSlowHandshakesAreCutOff opens connections that say nothing, or half a greeting.
func TestSlowHandshakesAreCutOff(t *testing.T) {
	s := newSite(t)
	f := start(t, setup{roots: s.roots, cfg: Config{
		TLS: s.open(TLSFiles{}), Limits: Limits{ReadTime: 200 * time.Millisecond},
	}})
	for _, greeting := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
		c := f.dial()
		f.send(c, "%s", greeting)
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(c).ReadByte(); err != io.EOF {
			t.Errorf("%q: %v", greeting, err)
		}
	}
}
