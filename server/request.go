package server

import (
	"context"
	"crypto/x509"
	"net"
	"time"

	"basalt/server/identity"
)

// request is an HTTP request, whatever the protocol's version. Its strings are copies; body belongs
// to the protocol until the reply is written.
type request struct {
	id            string
	method        string
	path, query   string            // raw
	host, origin  string            // Host or :authority, and Origin
	header        []identity.Header // as received
	body          []byte
	http11, http2 bool
	remote        net.Addr
	peer          *x509.Certificate // the client's, verified; nil: none
	conn          *conn             // of HTTP/1.1: one request at a time
	ctx           context.Context
	cancel        context.CancelCauseFunc
	arrived       time.Time
	who           *identity.Principal // nil until it is known
	job           *ticket             // of a record of a job; nil: a client waits
	record        record
}

// setHeader takes the header over.
func (r *request) setHeader(list []identity.Header) {
	r.header = list
	r.origin = r.value("origin")
}

// value is a header's first value; its name must be in lower case.
func (r *request) value(name string) string {
	for i := range r.header {
		if r.header[i].Name == name {
			return r.header[i].Value
		}
	}
	return ""
}

// end releases what a request holds, after its last byte was produced.
func (r *request) end() {
	if r.conn != nil {
		r.conn.attach(nil)
	}
	r.cancel(nil)
}

// proof is what identity reads of a request.
func (r *request) proof() *identity.Request {
	return &identity.Request{
		Method: r.method, Path: r.path, Query: r.query, Host: r.host, HTTP2: r.http2,
		Header: r.header, Body: r.body, Peer: r.peer,
	}
}
