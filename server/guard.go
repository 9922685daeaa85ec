package server

import (
	"bytes"
	"strings"

	"basalt/server/api"
	"basalt/server/identity"
)

// guard reads the raw header block of a request and checks it for what the parser lets pass and two
// servers may read differently (RFC 9110 and 9112). A request that fails it is answered and its
// connection closed, so that bytes after it are never taken for another request.
func guard(protocol string, raw []byte) ([]identity.Header, *api.Error) {
	if protocol != "HTTP/1.1" && protocol != "HTTP/1.0" {
		return nil, api.Errorf(api.Invalid, "the protocol must be HTTP/1.0 or HTTP/1.1")
	}
	var seen singles
	list := make([]identity.Header, 0, 24)
	for len(raw) > 0 {
		line, rest, found := bytes.Cut(raw, []byte("\n"))
		raw = rest
		if !found || len(line) == 0 || line[len(line)-1] != '\r' {
			return nil, api.Errorf(api.Invalid, "a header line does not end with CR LF")
		}
		line = line[:len(line)-1]
		if len(line) == 0 {
			break
		}
		h, err := readLine(line)
		if err == nil {
			err = seen.header(h.Name, h.Value)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, nil
}

func readLine(line []byte) (identity.Header, *api.Error) {
	if line[0] == ' ' || line[0] == '\t' {
		return identity.Header{}, api.Errorf(api.Invalid, "a header is folded over two lines")
	}
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found || !isToken(name) {
		return identity.Header{}, api.Errorf(api.Invalid, "a header's name is not a token")
	}
	h := identity.Header{
		Name:  strings.ToLower(string(name)),
		Value: string(bytes.Trim(value, " \t")),
	}
	return h, nil
}

// singles remembers the headers that may come once: those that say who sends a request, to whom,
// when, and where it ends. Other headers of AWS's are single too, as they are signed as one.
type singles [10]bool

func singleNames() [10]string {
	return [10]string{
		"host", "authorization", "content-length", "transfer-encoding", "x-amz-date", "date",
		"x-api-key", "content-type", "x-amz-content-sha256", "x-amz-security-token",
	}
}

// header checks a header whose name is in lower case.
func (s *singles) header(name, value string) *api.Error {
	if i := strings.IndexFunc(value, isControl); i >= 0 {
		return api.Errorf(api.Invalid, "the header %s has a control character", name)
	}
	for i, single := range singleNames() {
		if name != single {
			continue
		}
		if s[i] {
			return api.Errorf(api.Invalid, "the header %s comes twice", single)
		}
		s[i] = true
	}
	return checkValue(name, value)
}

func checkValue(name, value string) *api.Error {
	switch {
	case name == "transfer-encoding" && !strings.EqualFold(value, "chunked"):
		return api.Errorf(api.Invalid, "the only Transfer-Encoding is chunked")
	case name == "expect" && !strings.EqualFold(value, "100-continue"):
		return api.Errorf(api.Invalid, "the only Expect is 100-continue")
	case name == "host" && !validHost(value):
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
