package identity

import (
	"crypto/x509"
	"strings"
)

// Header is one header line.
type Header struct {
	Name  string // in lower case
	Value string // as received, surrounding white space aside
}

// Request is what is read of a request to find out who sent it. Nothing in it has been decoded.
type Request struct {
	Method string
	Path   string // raw
	Query  string // raw, without the question mark
	Host   string // the Host header or :authority, as received
	HTTP2  bool
	Header []Header // Host included
	Body   []byte
	Peer   *x509.Certificate // the client's, verified; nil: none
}

// value is the only value of a header; the server refuses requests that repeat those that count.
func (r *Request) value(name string) string {
	for i := range r.Header {
		if r.Header[i].Name == name {
			return r.Header[i].Value
		}
	}
	return ""
}

// presigned reports credentials in the query.
func (r *Request) presigned() bool {
	for part := range strings.SplitSeq(strings.ToLower(r.Query), "&") {
		name, _, _ := strings.Cut(part, "=")
		switch strings.ReplaceAll(name, "%2d", "-") {
		case "x-amz-signature", "x-amz-algorithm", "x-amz-credential", "x-amz-security-token":
			return true
		}
	}
	return false
}
