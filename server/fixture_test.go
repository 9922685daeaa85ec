package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"basalt/batcher"
	"basalt/models/chat"
	"basalt/models/tokenizer"
	"basalt/runtime"
)

// fixture is a server on a loopback port whose models run on the null device: tokens depend on the
// prompt and the seed alone, and are random text.
type fixture struct {
	t    testing.TB
	url  string // scheme and address
	srv  *Server
	loop *batcher.Loop
	addr string
	http *http.Client
	done chan error
	// roots are trusted where connect speaks TLS, else nil.
	roots *x509.CertPool
}

// setup is what tests change of a fixture.
type setup struct {
	cfg      Config
	checkpt  string // a folder of testdata; "llama3-chat" when empty
	noChat   bool
	noEOS    bool
	stepTime time.Duration
	fail     func(step int) error
	waiting  int // queue length, 1024 when 0
	context  int // 2048 when 0
	seqs     int // sequences at a time, 64 when 0
	blocks   int
	aliases  []string // beside meta.tiny-v1:0
	h2       bool     // the client speaks HTTP/2
	secure   bool     // over TLS, with a certificate of the fixture's own
	roots    *x509.CertPool
	cert     *tls.Certificate // the client's
}

// starter is start, with a client that speaks one protocol.
type starter func(testing.TB, setup) *fixture

// both runs a test over HTTP/1.1 and over HTTP/2, with prior knowledge (h2c) and over TLS (h2).
func both(t *testing.T, test func(t *testing.T, start starter)) {
	t.Helper()
	for _, name := range []string{"HTTP1", "H2C", "H2"} {
		t.Run(name, func(t *testing.T) {
			test(t, func(t testing.TB, s setup) *fixture {
				s.h2, s.secure = name != "HTTP1", name == "H2"
				return start(t, s)
			})
		})
	}
}

func readFile(t testing.TB, parts ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"..", "testdata"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func loadTokenizer(t testing.TB, checkpoint string) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.FromJSON(readFile(t, checkpoint, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	if tok, err = tok.WithConfig(readFile(t, checkpoint, "tokenizer_config.json")); err != nil {
		t.Fatal(err)
	}
	return tok
}

func newModelOn(t testing.TB, s *setup) (Model, *batcher.Loop) {
	t.Helper()
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&s.waiting, 1024)
	def(&s.context, 2048)
	def(&s.seqs, 64)
	def(&s.blocks, 16384)
	if s.checkpt == "" {
		s.checkpt = "llama3-chat"
	}
	tok := loadTokenizer(t, s.checkpt)
	const blockSize, budget = 16, 512
	exec := runtime.NewNull(runtime.NullConfig{
		NumBlocks: s.blocks, BlockSize: blockSize,
		Vocab: tok.Vocab(), MaxTokens: budget, MaxSeqs: s.seqs, StepTime: s.stepTime, Fail: s.fail,
	})
	steps := NewSteps(budget)
	loop := batcher.NewLoop(exec, batcher.Config{
		MaxTokens: budget, MaxSeqs: s.seqs,
		MaxContext: s.context, BlockSize: blockSize, NumBlocks: s.blocks, MaxWaiting: s.waiting,
	}, batcher.Options{Stepped: steps.Observe})
	m := Model{
		ID: "tiny", Aliases: append([]string{"meta.tiny-v1:0"}, s.aliases...),
		Tokenizer: tok, Loop: loop, Steps: steps,
		MaxContext: s.context, EOS: []int32{tok.EOS()}, Created: time.Unix(1700000000, 0),
	}
	if s.noEOS {
		m.EOS = nil
	}
	if !s.noChat {
		tmpl, err := chat.Parse(string(readFile(t, s.checkpt, "chat_template.jinja")),
			chat.Options{
				BOS: "<|begin_of_text|>", EOS: "<|eot_id|>",
				Now: func() time.Time { return time.Unix(1700000000, 0) },
			})
		if err != nil {
			t.Fatal(err)
		}
		m.Template = tmpl
	}
	return m, loop
}

func start(t testing.TB, s setup) *fixture {
	t.Helper()
	if s.secure && s.cfg.TLS == nil {
		own := newSite(t)
		s.cfg.TLS, s.roots = own.open(TLSFiles{}), own.roots
	}
	m, loop := newModelOn(t, &s)
	s.cfg.Models = append([]Model{m}, s.cfg.Models...)
	if s.cfg.Logger == nil {
		s.cfg.Logger = zap.NewNop()
	}
	srv, err := New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	f := &fixture{t: t, srv: srv, loop: loop, addr: ln.Addr().String(), done: make(chan error, 1)}
	transport := newTransport(&s)
	if s.secure {
		f.roots = s.roots
	}
	f.url, f.http = "http://"+f.addr, &http.Client{Transport: transport}
	if s.cfg.TLS != nil {
		f.url = "https://" + f.addr
	}
	go func() { f.done <- srv.Serve(ln) }()
	if a := f.do("GET", "/ping", ""); a.status != 200 {
		t.Fatal("the server does not answer")
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := loop.Stop(ctx); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		if err := <-f.done; err != nil {
			t.Error(err)
		}
	})
	return f
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// newTransport speaks one protocol.
func newTransport(s *setup) *http.Transport {
	t := &http.Transport{
		MaxIdleConnsPerHost: 128, DisableCompression: true,
		Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{RootCAs: s.roots},
	}
	if s.cert != nil {
		t.TLSClientConfig.Certificates = []tls.Certificate{*s.cert}
	}
	t.Protocols.SetHTTP1(!s.h2)
	t.Protocols.SetHTTP2(s.h2 && s.cfg.TLS != nil)
	t.Protocols.SetUnencryptedHTTP2(s.h2 && s.cfg.TLS == nil)
	return t
}

// answer is a whole HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
}

func (f *fixture) do(method, path, body string, headers ...string) answer {
	f.t.Helper()
	req, err := http.NewRequest(method, f.url, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.URL.Opaque = path // as it is
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return f.roundTrip(req)
}

func (f *fixture) roundTrip(req *http.Request) answer {
	f.t.Helper()
	resp, err := f.http.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer closeNow(resp.Body)
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatalf("%s %s: %v after %d bytes", req.Method, req.URL.Opaque, err, len(data))
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

func (f *fixture) post(path, body string, headers ...string) answer {
	f.t.Helper()
	return f.do("POST", path, body, headers...)
}

// connect opens a connection that is closed with the test, for bytes of HTTP/1.1.
func (f *fixture) connect() net.Conn {
	f.t.Helper()
	c := f.dial()
	if f.roots == nil {
		return c
	}
	return tls.Client(c, &tls.Config{
		RootCAs: f.roots, ServerName: "localhost", NextProtos: []string{"http/1.1"},
	})
}

// dial opens a bare connection that is closed with the test.
func (f *fixture) dial() *net.TCPConn {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { closeNow(c) })
	return c.(*net.TCPConn)
}

// closeNow closes what may be closed already.
func closeNow(c io.Closer) { _ = c.Close() }

// send writes a request.
func (f *fixture) send(c net.Conn, format string, args ...any) {
	f.t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		f.t.Fatal(err)
	}
}

// postOf is the wire form of a request.
func postOf(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", path,
		len(body), body)
}

// raw sends bytes over a connection of its own and reads until the server closes it or falls
// silent.
func (f *fixture) raw(request string, silence time.Duration) string {
	f.t.Helper()
	c := f.connect()
	go func() { _, _ = io.WriteString(c, request) }()
	var out bytes.Buffer
	buf := make([]byte, 64<<10)
	for {
		if err := c.SetReadDeadline(time.Now().Add(silence)); err != nil {
			f.t.Fatal(err)
		}
		n, err := c.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			return out.String()
		}
	}
}

// balance waits until every KV block is free again.
func (f *fixture) balance(within time.Duration) {
	f.t.Helper()
	deadline := time.Now().Add(within)
	for {
		s := f.loop.Stats()
		if s.BlocksUsed == 0 && s.Running == 0 && s.Waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("after %v, %d blocks are in use, %d sequences run, %d wait", within,
				s.BlocksUsed,
				s.Running, s.Waiting)
		}
		time.Sleep(time.Millisecond)
	}
}

// sse splits a stream of server-sent events.
func sse(t testing.TB, body string) []string {
	t.Helper()
	var out []string
	sc := bufio.NewScanner(strings.NewReader(body))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		if line == "" {
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			t.Fatalf("not a server-sent event: %q", line)
		}
		out = append(out, data)
	}
	return out
}
