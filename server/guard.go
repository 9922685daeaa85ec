package server

import (
	"bytes"
	"strings"

	"basalt/server/api"
)

// guard checks the raw header block of a request for what the parser lets pass and two servers may
// read differently (RFC 9110 and 9112). A request that fails it is answered and its connection
// closed, so that bytes after it are never taken for another request.
func guard(protocol string, raw []byte) *api.Error {
	if protocol != "HTTP/1.1" && protocol != "HTTP/1.0" {
		return api.Errorf(api.Invalid, "the protocol must be HTTP/1.0 or HTTP/1.1")
	}
	var seen singles
	for len(raw) > 0 {
		line, rest, found := bytes.Cut(raw, []byte("\n"))
		raw = rest
		if !found || len(line) == 0 || line[len(line)-1] != '\r' {
			return api.Errorf(api.Invalid, "a header line does not end with CR LF")
		}
		line = line[:len(line)-1]
		if len(line) == 0 {
			break
		}
		if err := seen.line(line); err != nil {
			return err
		}
	}
	return nil
}

// singles remembers the headers that may come once.
type singles [7]bool

// Their names, in lower case.
func singleNames() [7]string {
	return [7]string{
		"host", "authorization", "content-length", "transfer-encoding", "x-amz-date",
		"x-api-key", "content-type",
	}
}

func (s *singles) line(line []byte) *api.Error {
	if line[0] == ' ' || line[0] == '\t' {
		return api.Errorf(api.Invalid, "a header is folded over two lines")
	}
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found || !isToken(name) {
		return api.Errorf(api.Invalid, "a header's name is not a token")
	}
	if i := bytes.IndexFunc(value, isControl); i >= 0 {
		return api.Errorf(api.Invalid, "the header %s has a control character", name)
	}
	for i, single := range singleNames() {
		if !strings.EqualFold(string(name), single) {
			continue
		}
		if s[i] {
			return api.Errorf(api.Invalid, "the header %s comes twice", single)
		}
		s[i] = true
	}
	return checkValue(string(name), string(bytes.Trim(value, " \t")))
}

func checkValue(name, value string) *api.Error {
	switch {
	case strings.EqualFold(name, "transfer-encoding") && !strings.EqualFold(value, "chunked"):
		return api.Errorf(api.Invalid, "the only Transfer-Encoding is chunked")
	case strings.EqualFold(name, "expect") && !strings.EqualFold(value, "100-continue"):
		return api.Errorf(api.Invalid, "the only Expect is 100-continue")
	case strings.EqualFold(name, "host") && !validHost(value):
		return api.Errorf(api.Invalid, "the Host header is malformed")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// isToken reports a header name of RFC 9110, section 5.6.2.
func isToken(b []byte) bool {
	for _, c := range b {
		alnum := c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(b) > 0
}

// validHost reports a host with an optional port: no user, path, space or list.
func validHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		alnum := c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !alnum && strings.IndexByte("-._~:[]%!$&'()*+;=", c) < 0 {
			return false
		}
	}
	return true
}

// headerOf finds a header's value in a raw block. The parser's own view of Host is not used: it
// takes the host of an absolute target instead.
func headerOf(raw []byte, name string) string {
	for line := range bytes.Lines(raw) {
		n, v, ok := bytes.Cut(line, []byte(":"))
		if ok && strings.EqualFold(string(n), name) {
			return string(bytes.TrimSpace(v))
		}
	}
	return ""
}
