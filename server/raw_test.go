package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// probe is a byte sequence on a connection and what may come back: how many answers of 200 there
// may be. The request that is sent is GET /ping, answered by 200 with an empty body.
type probe struct {
	name, bytes string
	min, max    int
}

// probes collects cases: accept n times 200, refuse, or at most n.
type probes struct{ list []probe }

func (p *probes) accept(n int, name, bytes string) {
	p.list = append(p.list, probe{name, bytes, n, n})
}

func (p *probes) refuse(name, bytes string) { p.list = append(p.list, probe{name, bytes, 0, 0}) }

func (p *probes) atMost(n int, name, bytes string) {
	p.list = append(p.list, probe{name, bytes, 0, n})
}

// ping is a good request with further header lines.
func ping(lines string) string {
	return "GET /ping HTTP/1.1\r\nHost: " +
		"localhost\r\n" + lines + "\r\n"
}

// post has a body, so that what follows a wrong framing shows as a second answer.
func post(lines, body string) string {
	return "GET /ping HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n" + body
}

func requestLineProbes(p *probes) {
	p.accept(1, "plain", ping(""))
	p.accept(2, "pipelined", ping("")+ping(""))
	p.accept(1, "http 1.0", "GET /ping HTTP/1.0\r\nHost: localhost\r\n\r\n")
	p.accept(1, "query", "GET /ping?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.accept(1, "absolute target", "GET http://localhost/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("absolute target of another host",
		"GET http://evil/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("authority with a user",
		"GET http://a@localhost/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("http 2.0", "GET /ping HTTP/2.0\r\nHost: localhost\r\n\r\n")
	p.refuse("http 9.9", "GET /ping HTTP/9.9\r\nHost: localhost\r\n\r\n")
	p.refuse("http 1.2", "GET /ping HTTP/1.2\r\nHost: localhost\r\n\r\n")
	p.refuse("http 0.9", "GET /ping\r\n\r\n")
	p.refuse("http lower case", "GET /ping http/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("http 1.10", "GET /ping HTTP/1.10\r\nHost: localhost\r\n\r\n")
	p.refuse("http/1.1 pri", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	p.refuse("no target", "GET HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("lower-case method", "get /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("unknown method", "BREW /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("method with a control", "GE\x01T /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("connect", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("trace", "TRACE /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("target without slash", "GET ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("asterisk", "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("dot segments", "GET /x/../ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("escaped dot segments", "GET /x/%2e%2e/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("double slash", "GET //ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("backslash", "GET \\ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("escaped letter", "GET /pin%67 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("escaped slash", "GET /%2Fping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("nul in target", "GET /ping\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("escaped nul", "GET /ping%00 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("fragment", "GET /ping#x HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("trailing slash", "GET /ping/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("tls hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	p.refuse("noise", "\xff\xfe\xfd\r\n\r\n")
	p.refuse("only line ends", "\r\n\r\n\r\n\r\n")
	p.refuse("long target", "GET /ping?"+strings.Repeat("a",
		64<<10)+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.refuse("response", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	p.atMost(1, "two spaces", "GET  /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.atMost(1, "tab", "GET\t/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.atMost(1, "space before the line end", "GET /ping HTTP/1.1 \r\nHost: localhost\r\n\r\n")
	p.atMost(1, "leading line end", "\r\n"+ping(""))
}

func headerProbes(p *probes) {
	p.accept(1, "many headers", ping(strings.Repeat("X-A: b\r\n", 100)))
	p.accept(1, "header of 8 KiB", ping("X-A: "+strings.Repeat("b", 8<<10)+"\r\n"))
	p.accept(1, "header of 30 KiB", ping("X-A: "+strings.Repeat("b", 30<<10)+"\r\n"))
	p.refuse("header of 40 KiB", ping("X-A: "+strings.Repeat("b", 40<<10)+"\r\n"))
	p.refuse("headers of 1 MiB", ping(strings.Repeat("X-A: bbbbbbbb\r\n", 1<<16)))
	p.accept(1, "empty value", ping("X-A:\r\n"))
	p.accept(1, "colon in value", ping("X-A: b:c\r\n"))
	p.accept(1, "unicode in value", ping("X-A: é\r\n"))
	p.refuse("space in name", ping("X Y: a\r\n"))
	p.refuse("space in name, then another request", ping("X Y: a\r\n")+ping(""))
	p.refuse("space in transfer-encoding", ping("Transfer-Encoding x: chunked\r\n"))
	p.refuse("space before colon", ping("X-A : b\r\n"))
	p.refuse("tab before colon", ping("X-A\t: b\r\n"))
	p.refuse("no colon", ping("X-A\r\n"))
	p.refuse("empty name", ping(": a\r\n"))
	p.refuse("control in name", ping("X\x01A: b\r\n"))
	p.refuse("unicode in name", ping("X-é: b\r\n"))
	p.refuse("brackets in name", ping("X(A): b\r\n"))
	p.refuse("nul in value", ping("X-A: b\x00c\r\n"))
	p.refuse("del in value", ping("X-A: b\x7fc\r\n"))
	p.refuse("bell in value", ping("X-A: b\x07c\r\n"))
	p.refuse("bare cr in value", ping("X-A: b\rc\r\n"))
	p.refuse("folded", ping("X-A: b\r\n c\r\n"))
	p.refuse("folded by tab", ping("X-A: b\r\n\tc\r\n"))
	p.refuse("folded content-length", ping("Content-Length:\r\n 0\r\n"))
	p.refuse("first line folded", "GET /ping HTTP/1.1\r\n Host: localhost\r\n\r\n")
	p.refuse("lf only", ping("X-A: b\nX-C: d\r\n"))
	p.refuse("lf lines", "GET /ping HTTP/1.1\nHost: localhost\n\n")
	p.refuse("no host", "GET /ping HTTP/1.1\r\n\r\n")
	p.refuse("two hosts", ping("Host: localhost\r\n"))
	p.refuse("two different hosts", ping("Host: evil\r\n"))
	p.refuse("host with user", "GET /ping HTTP/1.1\r\nHost: a@b\r\n\r\n")
	p.refuse("host with path", "GET /ping HTTP/1.1\r\nHost: a/b\r\n\r\n")
	p.refuse("host with space", "GET /ping HTTP/1.1\r\nHost: a b\r\n\r\n")
	p.refuse("host list", "GET /ping HTTP/1.1\r\nHost: a, b\r\n\r\n")
	p.refuse("host with control", "GET /ping HTTP/1.1\r\nHost: a\x0bb\r\n\r\n")
	p.refuse("two authorizations", ping("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"))
	p.refuse("two dates", ping("X-Amz-Date: a\r\nX-Amz-Date: b\r\n"))
	p.refuse("two keys", ping("x-api-key: a\r\nX-API-Key: b\r\n"))
	p.refuse("expect banana", ping("Expect: banana\r\n"))
	p.refuse("foreign host", "GET /ping HTTP/1.1\r\nHost: evil.example\r\n\r\n")
	p.refuse("foreign origin", ping("Origin: http://evil.example\r\n"))
	p.refuse("null origin", ping("Origin: null\r\n"))
	p.accept(1, "loopback with port", "GET /ping HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
	p.accept(1, "loopback v6", "GET /ping HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n")
}

func framingProbes(p *probes) {
	const second = "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
	p.accept(2, "content-length", post("Content-Length: 3\r\n", "abc")+second)
	p.accept(2, "chunked", post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")+second)
	p.accept(1, "chunked upper case", post("TRANSFER-ENCODING: CHUNKED\r\n", "0\r\n\r\n"))
	p.accept(1, "chunk extension", post("Transfer-Encoding: chunked\r\n",
		"3;a=b\r\nabc\r\n0\r\n\r\n"))
	p.accept(1, "trailer", post("Transfer-Encoding: chunked\r\n", "0\r\nX-T: a\r\n\r\n"))
	p.accept(1, "10,000 chunks of 1 byte", post("Transfer-Encoding: chunked\r\n",
		strings.Repeat("1\r\na\r\n", 10_000)+"0\r\n\r\n"))
	p.atMost(1, "content-length and chunked",
		post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
			"0\r\n\r\n")+second)
	p.atMost(1, "chunked and content-length",
		post("Transfer-Encoding: chunked\r\nContent-Length: 44\r\n",
			"0\r\n\r\n"+second))
	p.refuse("identity", post("Transfer-Encoding: identity\r\n", second))
	p.refuse("identity with length", post("Transfer-Encoding: identity\r\nContent-Length: 3\r\n",
		"abc"))
	p.refuse("gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")+second)
	p.refuse("chunked, identity", post("Transfer-Encoding: chunked, identity\r\n",
		"0\r\n\r\n")+second)
	p.refuse("chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"0\r\n\r\n")+second)
	p.refuse("xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")+second)
	p.refuse("chunked with parameter", post("Transfer-Encoding: chunked;a=b\r\n",
		"0\r\n\r\n")+second)
	p.refuse("quoted chunked", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")+second)
	p.refuse("empty transfer-encoding", post("Transfer-Encoding:\r\n", second))
	p.refuse("chunked in 1.0",
		"GET /ping HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: "+
			"chunked\r\n\r\n0\r\n\r\n"+second)
	for _, length := range []string{
		"-1", "+3", "0x3", "3 3", "3, 3", "3,4", "3.0", "1e1", "",
		"99999999999999999999", "9223372036854775808", "٣", "3\v", "abc",
	} {
		p.refuse("content-length "+length, post("Content-Length: "+length+"\r\n", "abc")+second)
	}
	p.refuse("two content-lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"))
	p.refuse("two different content-lengths", post("Content-Length: 0\r\nContent-Length: 44\r\n",
		second))
	p.refuse("declared 100 GiB", post("Content-Length: 107374182400\r\n", "abc"))
	p.refuse("short body", post("Content-Length: 30\r\n", "abc"))
	for _, size := range []string{
		"", "g", "-1", "+3", "0x3", " 3", "3_0", "FFFFFFFFFFFFFFFFF",
		"ffffffffffffffff", "7fffffffffffffff", "3\n", "\r\n3",
	} {
		p.refuse(fmt.Sprintf("chunk size %q", size),
			post("Transfer-Encoding: chunked\r\n", size+"\r\nabc\r\n0\r\n\r\n"))
	}
	// White space behind the size is tolerated by RFC 9112, section 7.1.1, and cannot split a body.
	p.atMost(1, "chunk size, space", post("Transfer-Encoding: chunked\r\n",
		"3 \r\nabc\r\n0\r\n\r\n"))
	p.refuse("chunk without its end", post("Transfer-Encoding: chunked\r\n", "3\r\nabc0\r\n\r\n"))
	p.refuse("chunk longer than its size", post("Transfer-Encoding: chunked\r\n",
		"2\r\nabc\r\n0\r\n\r\n"))
	p.refuse("no last chunk", post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"))
	p.refuse("content-length in the trailer",
		post("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 5\r\n\r\n"))
	p.refuse("transfer-encoding in the trailer",
		post("Transfer-Encoding: chunked\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n"))
	p.refuse("host in the trailer", post("Transfer-Encoding: chunked\r\n",
		"0\r\nHost: evil\r\n\r\n"))
	p.refuse("bad request, then a good one", ping("Transfer-Encoding: identity\r\n")+second)
}

// TestRawRequests sends every probe over a connection of its own. Wrong is what could make two
// servers disagree about where a request ends or what it says.
func TestRawRequests(t *testing.T) {
	f := start(t, setup{cfg: Config{Limits: Limits{
		ReadTime: time.Second,
		IdleTime: time.Second,
	}}})
	var p probes
	requestLineProbes(&p)
	headerProbes(&p)
	framingProbes(&p)
	if len(p.list) < 100 {
		t.Fatalf("only %d probes", len(p.list))
	}
	t.Logf("%d probes", len(p.list))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for _, probe := range p.list {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out := f.raw(probe.bytes, 3*time.Second)
			n := strings.Count(out, "HTTP/1.1 200 ")
			if n < probe.min || n > probe.max {
				t.Errorf("%s: %d answers of 200, want %d to %d:\n%.300q", probe.name, n, probe.min,
					probe.max, out)
			}
			if strings.HasPrefix(out, "HTTP/1.1 4") && !strings.Contains(out, `"message":`) {
				t.Errorf("%s: an error without a message: %.300q", probe.name, out)
			}
		})
	}
	wg.Wait()
	if a := f.do("GET", "/ping", ""); a.status != 200 {
		t.Errorf("the server answers %d after the probes", a.status)
	}
}
