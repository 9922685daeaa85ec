package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The parts of HTTP/2 (RFC 9113, section 6) that tests write by hand, to send what no client does.
const (
	frameData, frameHeaders, frameReset = 0x0, 0x1, 0x3
	frameSettings, frameAway            = 0x4, 0x7
	frameContinuation                   = 0x9
	flagEndStream, flagEndBlock         = 0x1, 0x4
	preface                             = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

func frame(kind, flags byte, stream uint32, payload string) string {
	head := make([]byte, 9)
	binary.BigEndian.PutUint32(head, uint32(len(payload))<<8|uint32(kind))
	head[4] = flags
	binary.BigEndian.PutUint32(head[5:], stream)
	return string(head) + payload
}

// block encodes fields as literals that are never indexed (RFC 7541, section 6.2.3).
func block(fields ...string) string {
	var b strings.Builder
	text := func(s string) {
		if len(s) < 127 {
			b.WriteByte(byte(len(s)))
		} else {
			b.WriteByte(127)
			n := len(s) - 127
			for ; n >= 128; n >>= 7 {
				b.WriteByte(byte(n) | 128)
			}
			b.WriteByte(byte(n))
		}
		b.WriteString(s)
	}
	for i := 0; i < len(fields); i += 2 {
		b.WriteByte(0x10)
		text(fields[i])
		text(fields[i+1])
	}
	return b.String()
}

func fields(method, path string, more ...string) []string {
	return append([]string{
		":method", method, ":scheme", "http", ":authority", "localhost", ":path", path,
	}, more...)
}

// get is a whole request without a body, on the first stream.
func get(path string, more ...string) string {
	return preface + frame(frameSettings, 0, 0, "") + frame(frameHeaders,
		flagEndStream|flagEndBlock, 1, block(fields("GET", path, more...)...))
}

// firstAnswer reads frames until one on stream 1, or the end: "200", "400", "other", "reset" or
// "closed".
func firstAnswer(c net.Conn, silence time.Duration) string {
	for {
		if err := c.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err.Error()
		}
		head := make([]byte, 9)
		if _, err := io.ReadFull(c, head); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return "silence"
			}
			return "closed"
		}
		payload := make([]byte, binary.BigEndian.Uint32(head)>>8)
		if _, err := io.ReadFull(c, payload); err != nil {
			return "closed"
		}
		stream := binary.BigEndian.Uint32(head[5:])
		switch {
		case head[3] == frameAway:
			return "closed"
		case stream != 1:
		case head[3] == frameReset:
			return "reset"
		case head[3] == frameHeaders:
			return statusOfBlock(payload)
		}
	}
}

// statusOfBlock knows the two statuses that have one byte.
func statusOfBlock(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte{0x88}):
		return "200"
	case bytes.HasPrefix(b, []byte{0x8c}):
		return "400"
	}
	return "other"
}

// TestRawSecondRequests sends requests of HTTP/2 byte by byte.
func TestRawSecondRequests(t *testing.T) {
	f := start(t, setup{cfg: Config{Limits: Limits{
		ReadTime: 300 * time.Millisecond, IdleTime: 500 * time.Millisecond,
	}}})
	try := func(name, bytes, want string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", f.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer closeNow(c)
			if _, err := io.WriteString(c, bytes); err != nil {
				t.Fatal(err)
			}
			if got := firstAnswer(c, 5*time.Second); !strings.Contains(want, got) {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	const gone = "closed reset"
	try("plain", get("/ping"), "200")
	try("query", get("/ping?a=b"), "200")
	try("long header", get("/ping", "x-a", strings.Repeat("b", 14000)), "200")
	try("dot segments", get("/x/../ping"), "other")
	try("escaped letter", get("/pin%67"), "other")
	try("malformed escape", get("/ping%zz"), gone)
	try("no slash", get("ping"), "400 "+gone)
	try("absolute path", get("http://localhost/ping"), "400 200")
	try("absolute path of another host", get("http://evil/ping"), "400")
	try("a foreign :authority", strings.Replace(get("/ping"), "localhost", "evil.site", 1), "other")
	try("a foreign origin", get("/ping", "origin", "http://evil.example"), "other")
	try("Host beside :authority, the same", get("/ping", "host", "localhost"), "200")
	try("Host beside :authority, another", get("/ping", "host", "evil"), "400")
	try("two Hosts", get("/ping", "host", "localhost", "host", "localhost"), "400")
	try("Authorization twice", get("/ping", "authorization", "a", "authorization", "a"), "400")
	try("X-Amz-Date twice", get("/ping", "x-amz-date", "a", "x-amz-date", "a"), "400")
	try("expect", get("/ping", "expect", "banana"), "400")
	try("connection header", get("/ping", "connection", "close"), "400 "+gone)
	try("transfer-encoding", get("/ping", "transfer-encoding", "chunked"), "400 "+gone)
	try("upper-case name", get("/ping", "X-A", "b"), gone)
	try("space in name", get("/ping", "x a", "b"), gone)
	try("control in value", get("/ping", "x-a", "b\x01"), gone)
	try("line end in value", get("/ping", "x-a", "b\r\nc: d"), gone)
	try("second :path", get("/ping", ":path", "/x"), gone)
	try("unknown pseudo header", get("/ping", ":x", "y"), gone)
	try("user in :authority", strings.Replace(get("/ping"), "localhost", "a@localhos", 1), gone)
	try("only the preface", preface, gone)
	try("half a preface", preface[:10], gone)
	try("no settings", preface+frame(frameHeaders, flagEndStream|flagEndBlock, 1,
		block(fields("GET", "/ping")...)), gone+" 200")
	try("half a header", preface+frame(frameSettings, 0, 0, "")+frame(frameHeaders, 0, 1,
		block(fields("GET", "/ping")...)), gone)
	try("half a body", preface+frame(frameSettings, 0, 0, "")+frame(frameHeaders, flagEndBlock, 1,
		block(fields("POST", chatPath)...))+frame(frameData, 0, 1, "abc"), "other")
	try("noise after the preface", preface+strings.Repeat("\xff", 100), gone)
	try("even stream", preface+frame(frameSettings, 0, 0, "")+frame(frameHeaders,
		flagEndStream|flagEndBlock, 2, block(fields("GET", "/ping")...)), gone)
}

// TestTrickledHeadersAreCutOff sends continuations for ever.
func TestTrickledHeadersAreCutOff(t *testing.T) {
	f := start(t, setup{cfg: Config{Limits: Limits{ReadTime: 200 * time.Millisecond}}})
	c := f.dial()
	f.send(c, "%s", preface+frame(frameSettings, 0, 0, "")+
		frame(frameHeaders, 0, 1, block(fields("GET", "/ping")...)))
	begin := time.Now()
	for time.Since(begin) < 5*time.Second {
		_, err := io.WriteString(c, frame(frameContinuation, 0, 1, block("x-a", "b")))
		if err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("a trickled header is still read after 5 s")
}

func TestTrickledBodiesAreCutOffOverHTTP2(t *testing.T) {
	f := start(t, setup{h2: true, cfg: Config{Limits: Limits{ReadTime: 200 * time.Millisecond}}})
	body, drops := io.Pipe()
	go func() {
		for {
			if _, err := io.WriteString(drops, " "); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	defer closeNow(body)
	req, err := http.NewRequest("POST", f.url+chatPath, body)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	a := f.roundTrip(req)
	if a.status != 408 || time.Since(begin) > 3*time.Second {
		t.Errorf("%d after %v: %s", a.status, time.Since(begin), a.body)
	}
	openaiError(t, a)
}

// TestStreamsThatAreResetFreeTheirBlocks leaves one request of a connection that goes on.
func TestStreamsThatAreResetFreeTheirBlocks(t *testing.T) {
	const step = 10 * time.Millisecond
	f := start(t, setup{noEOS: true, stepTime: step, h2: true})
	for _, stream := range []bool{true, false} {
		ctx, cancel := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, "POST", f.url+textPath,
			strings.NewReader(completionBody("once", 1, 1500, fmt.Sprintf(`,"stream":%v`, stream))))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := f.http.Do(req); err == nil {
				_, _ = io.ReadAll(resp.Body)
				closeNow(resp.Body)
			}
		}()
		for f.loop.Stats().Running == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
		<-done
		f.balance(step + 250*time.Millisecond)
		if a := f.do("GET", "/ping", ""); a.status != 200 {
			t.Errorf("the connection's next request: %d", a.status)
		}
	}
	if n := f.srv.inFlight.Load(); n != 0 {
		t.Errorf("%d requests in flight", n)
	}
}

// TestSlowReadersOfHTTP2AreDropped takes nothing of a stream but keeps the connection alive.
func TestSlowReadersOfHTTP2AreDropped(t *testing.T) {
	const stall = 300 * time.Millisecond
	f := start(t, setup{
		noEOS: true, context: 8192, stepTime: time.Millisecond, seqs: 80,
		cfg: Config{Limits: Limits{StallTime: stall}},
	})
	c := f.dial()
	body := completionBody("once", 1, 8000, `,"stream":true,"n":64`)
	f.send(c, "%s", preface+frame(frameSettings, 0, 0, "")+frame(frameHeaders, flagEndBlock, 1,
		block(fields("POST", textPath)...))+frame(frameData, flagEndStream, 1, body))
	// The flow-control window is never opened, but whatever comes is read.
	go func() { _, _ = io.Copy(io.Discard, c) }()
	for f.srv.inFlight.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	deadline := time.Now().Add(10 * time.Second)
	for f.srv.inFlight.Load() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the slow reader is still served")
		}
		time.Sleep(time.Millisecond)
	}
	f.balance(time.Second)
}

// TestBothProtocolsShareAPort sends one byte at a time, so that the first ones decide alone.
func TestBothProtocolsShareAPort(t *testing.T) {
	f := start(t, setup{})
	try := func(bytes string, read func(c net.Conn) string, want string) {
		t.Helper()
		c := f.dial()
		for i := range bytes {
			if _, err := io.WriteString(c, bytes[i:i+1]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Microsecond)
		}
		if got := read(c); got != want {
			t.Errorf("%.20q: %q", bytes, got)
		}
	}
	second := func(c net.Conn) string { return firstAnswer(c, 3*time.Second) }
	first := func(c net.Conn) string {
		b := make([]byte, 12)
		_, _ = io.ReadFull(c, b)
		return string(b)
	}
	try(get("/ping"), second, "200")
	try(ping(""), first, "HTTP/1.1 200")
	try("PUT /ping HTTP/1.1\r\nHost: localhost\r\n\r\n", first, "HTTP/1.1 405")
	try("PRX /ping HTTP/1.1\r\nHost: localhost\r\n\r\n", first, "HTTP/1.1 405")
}
