package server

import (
	"bufio"
	"bytes"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestSplitTarget(t *testing.T) {
	f := func(target, host, want string) {
		t.Helper()
		got, _, err := splitTarget(target, host)
		if err != nil || got != want {
			t.Errorf("%q gives %q, %v; want %q", target, got, err, want)
		}
	}
	f("/a/../b", "h", "/a/../b")
	f("/model/us.x%2F..%2Fy/converse?q=1", "h", "/model/us.x%2F..%2Fy/converse")
	f("//a", "h", "//a")
	f("/http://x/y", "h", "/http://x/y")
	f("http://H:80/a?b", "h:80", "/a")
	for _, bad := range []string{"", "a", "*", "?x", "http://other/a", "http://h", "h:80"} {
		if got, _, err := splitTarget(bad, "h"); err == nil {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}

func TestModelPathsAreDecodedOnce(t *testing.T) {
	f := func(path, id, operation string) {
		t.Helper()
		escaped, op, ok := splitModelPath(path)
		got, valid := decodeSegment(escaped)
		if !ok || !valid || got != id || op != operation {
			t.Errorf("%s: %q %q %v %v; want %q %q", path, got, op, ok, valid, id, operation)
		}
	}
	f("/model/m/converse", "m", "converse")
	f("/model/meta.llama3-1-8b-instruct-v1%3A0/invoke", "meta.llama3-1-8b-instruct-v1:0", "invoke")
	f("/model/meta.llama3-1-8b-instruct-v1:0/invoke", "meta.llama3-1-8b-instruct-v1:0", "invoke")
	f("/model/arn%3Aaws%3Abedrock%3A%3A%3Ainference-profile%2Fus.x%2F..%2Fy/converse",
		"arn:aws:bedrock:::inference-profile/us.x/../y", "converse")
	f("/model/arn:aws:bedrock:::inference-profile/us.x/converse",
		"arn:aws:bedrock:::inference-profile/us.x", "converse")
	f("/model/a%252Fb/converse", "a%2Fb", "converse")
	f("/model/a+b%20c/converse", "a+b c", "converse")
	f("/model/%C3%A9~/converse", "é~", "converse")
	f("/model/../converse", "..", "converse")
	for _, bad := range []string{"%", "%4", "%zz", "a%00b", "a%0Ab", "%FF", "a%7Fb"} {
		if got, ok := decodeSegment(bad); ok {
			t.Errorf("%q decodes to %q", bad, got)
		}
	}
}

func TestLoopbackHosts(t *testing.T) {
	f := func(host string, want bool) {
		t.Helper()
		if got := loopbackHost(host); got != want {
			t.Errorf("%q is loopback: %v", host, got)
		}
	}
	for _, h := range []string{
		"localhost", "LOCALHOST:80", "localhost.:80", "127.0.0.1",
		"127.9.9.9:1",
		"[::1]", "[::1]:80", "[::ffff:127.0.0.1]:80",
	} {
		f(h, true)
	}
	for _, h := range []string{
		"evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
		"10.0.0.1",
		"[::2]:80", "0.0.0.0", "127.1", "2130706433", "",
	} {
		f(h, false)
	}
}

// FuzzGuard holds that what the guard accepts reads the same to another parser.
func FuzzGuard(f *testing.F) {
	f.Add([]byte("Host: a\r\nX-A: b\r\n\r\n"))
	f.Add([]byte("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n"))
	f.Add([]byte("A: b\r\n c\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, refused := guard("HTTP/1.1", raw)
		if refused != nil {
			return
		}
		lines := bytes.Count(raw, []byte("\r\n"))
		if bytes.HasPrefix(raw, []byte("\r\n")) {
			lines = 0
		} else if i := bytes.Index(raw, []byte("\r\n\r\n")); i >= 0 {
			lines = bytes.Count(raw[:i], []byte("\r\n")) + 1
		}
		r := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(raw, "\r\n"...))))
		h, err := r.ReadMIMEHeader()
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		n := 0
		for name, values := range h {
			n += len(values)
			if len(values) > 1 && strings.EqualFold(name, "host") {
				t.Fatalf("%q: two hosts", raw)
			}
		}
		if n != lines || n != len(list) {
			t.Fatalf("%q: %d lines, %d headers, %d found", raw, lines, n, len(list))
		}
		for _, own := range list {
			values := h.Values(own.Name)
			if !slices.Contains(values, strings.TrimRight(own.Value, " \t")) {
				t.Fatalf("%q: %q is %q, textproto has %q", raw, own.Name, own.Value, values)
			}
		}
	})
}

// FuzzModelPath holds that the path splitter finds the id that a reader of URLs finds, decoded
// once, and that no segment of it is taken for a step up or for another operation.
func FuzzModelPath(f *testing.F) {
	f.Add("/model/a%2F..%2Fb/converse")
	f.Add("/model/../model/x/invoke")
	f.Add("http://h/model/a/b/c?x")
	f.Add("/model//converse")
	f.Fuzz(func(t *testing.T, target string) {
		path, query, err := splitTarget(target, "h")
		if err != nil {
			return
		}
		if path[0] != '/' || strings.Contains(path, "?") || !strings.HasSuffix(target, path) &&
			!strings.Contains(target, path+"?"+query) {
			t.Fatalf("%q has the path %q and the query %q", target, path, query)
		}
		escaped, operation, ok := splitModelPath(path)
		if !ok {
			return
		}
		if "/model/"+escaped+"/"+operation != path || strings.Contains(operation, "/") {
			t.Fatalf("%q splits into %q and %q", path, escaped, operation)
		}
		id, valid := decodeSegment(escaped)
		want, uerr := url.PathUnescape(escaped)
		if valid && (uerr != nil || id != want) {
			t.Fatalf("%q names %q; net/url says %q, %v", path, id, want, uerr)
		}
		if valid && strings.Count(id, "..") < strings.Count(escaped, "..") {
			t.Fatalf("%q lost a dot segment: %q", path, id)
		}
	})
}

func FuzzDecodeSegment(f *testing.F) {
	f.Add("a%2Fb+c")
	f.Add("%")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := decodeSegment(s)
		want, err := url.PathUnescape(s)
		if ok && (err != nil || got != want) {
			t.Fatalf("%q decodes to %q; net/url: %q, %v", s, got, want, err)
		}
		if !ok && err == nil && printable(want) {
			t.Fatalf("%q is refused; net/url: %q", s, want)
		}
	})
}
