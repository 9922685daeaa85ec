package server

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"basalt/server/api"
	"basalt/server/identity"
)

// headerRoom is by how much an HTTP/2 header may exceed the limit and still be answered in the
// dialect's form: beyond it, net/http refuses by itself.
const headerRoom = 8

// maxStreams is how many requests a client may have open on one connection.
const maxStreams = 256

// newSecond makes the HTTP/2 server. It gets connections that have sent the preface, TLS taken off,
// so that to net/http all of them are unencrypted; it has no routes. Deadlines are set for each
// request (h2Body, stallWriter), because the server's own would end streams; a client that sends
// half a header is found by its silence, as pings are not answered within one.
func (s *Server) newSecond() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           http.HandlerFunc(s.handleSecond),
		Protocols:         protocols,
		MaxHeaderBytes:    s.limits.MaxHeader * headerRoom,
		ReadHeaderTimeout: s.limits.ReadTime,
		IdleTimeout:       s.limits.IdleTime,
		ErrorLog:          log.New(io.Discard, "", 0), // it quotes requests
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			SendPingTimeout:      s.limits.ReadTime,
			PingTimeout:          s.limits.ReadTime,
			WriteByteTimeout:     s.limits.StallTime,
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

// connKey is where a request's context has its connection.
type connKey struct{}

// handleSecond runs in a request's goroutine.
func (s *Server) handleSecond(w http.ResponseWriter, q *http.Request) {
	c, ok := q.Context().Value(connKey{}).(*conn)
	if !ok {
		panic("BUG: an HTTP/2 request without its connection")
	}
	c.streams.Add(1)
	defer c.streams.Add(-1)
	x := &exchange{w: w, control: http.NewResponseController(w), conn: c}
	defer x.discharge()
	r := s.newSecondRequest(x, q)
	defer r.cancel(nil)
	leave := context.AfterFunc(q.Context(), func() { r.cancel(errClientGone) })
	defer leave()
	p := s.answer(r)
	s.writeSecond(x, r, &p)
}

// exchange is one HTTP/2 request and its response.
type exchange struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	conn     *conn
	charged  int64 // bytes counted in the listener's sum
	deadline time.Time
}

func (s *Server) newSecondRequest(x *exchange, q *http.Request) *request {
	r := &request{
		id: s.newID(), method: q.Method, host: q.Host, http11: true, http2: true,
		peer: x.conn.peer(s.cfg.TLS, time.Now()), arrived: time.Now(),
		remote: x.conn.RemoteAddr(),
	}
	r.ctx, r.cancel = context.WithCancelCause(s.ctx)
	r.path, r.query, r.record.refusal = splitTarget(q.RequestURI, q.Host)
	size := 0
	var list []identity.Header
	for name, values := range q.Header {
		for _, v := range values {
			list = append(list, identity.Header{Name: strings.ToLower(name), Value: v})
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	r.setHeader(list)
	if r.record.refusal == nil && size+len(q.RequestURI) > s.limits.MaxHeader {
		r.record.refusal = headerTooLarge(s.limits)
	}
	if r.record.refusal == nil {
		r.record.refusal = guardSecond(r)
	}
	if r.record.refusal == nil {
		r.record.refusal = checkBidirectional(r.path)
	}
	if r.record.refusal == nil {
		r.body, r.record.refusal = s.readSecond(x, q, r)
	}
	return r
}

// readSecond reads a body, with the limits that HTTP/1.1 has.
func (s *Server) readSecond(x *exchange, q *http.Request, r *request) ([]byte, *api.Error) {
	if s.numH2.Add(1) > int64(s.limits.MaxConns) {
		s.numH2.Add(-1)
		return nil, tooManyRequests()
	}
	defer s.numH2.Add(-1)
	limit, denied := s.limits.MaxBody+requestSlack, (*api.Error)(nil)
	if err := s.known(r); err != nil {
		limit, denied = strangersBody, err
	}
	body, err := x.read(q, limit, s.limits)
	if err != nil && denied != nil && err.Code == api.TooLarge {
		return nil, denied
	}
	return body, err
}

// read gives a body of at most limit bytes.
func (x *exchange) read(q *http.Request, limit int, l Limits) ([]byte, *api.Error) {
	if q.ContentLength > int64(limit) {
		return nil, readError(errRequestTooLong, l)
	}
	x.extend(time.Now().Add(l.ReadTime))
	body := make([]byte, 0, min(max(q.ContentLength+1, 512), smallRequest))
	credit := 0
	for {
		if len(body) == cap(body) {
			body = slices.Grow(body, len(body))
		}
		n, err := q.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if credit += n; credit > creditStep {
			x.extend(x.deadline.Add(time.Duration(credit) * time.Second / minBodyRate))
			credit = 0
		}
		switch {
		case len(body) > limit:
			return nil, readError(errRequestTooLong, l)
		case len(body) > smallRequest && !x.charge(int64(n)):
			return nil, readError(errBuffersFull, l)
		case errors.Is(err, io.EOF):
			x.extend(time.Time{})
			return body, nil
		case err != nil:
			return nil, readError(err, l)
		}
	}
}

// extend sets the time until which the body must be there.
func (x *exchange) extend(deadline time.Time) {
	x.deadline = deadline
	// A failure shows at the next read.
	_ = x.control.SetReadDeadline(deadline)
}

func (x *exchange) charge(n int64) bool {
	x.charged += n
	return x.conn.ln.buffered.Add(n) <= x.conn.ln.maxBuffered
}

func (x *exchange) discharge() { x.conn.ln.buffered.Add(-x.charged) }

// writeSecond sends a reply. A stream that breaks off is reset, so that nobody takes it for whole.
func (s *Server) writeSecond(x *exchange, r *request, p *reply) {
	h := x.w.Header()
	if p.contentType != "" {
		h.Set("Content-Type", p.contentType)
	}
	for _, v := range p.headers {
		h.Set(v[0], v[1])
	}
	if s.draining.Load() {
		h.Set("Connection", "close") // net/http turns it into GOAWAY
	}
	out := &stallWriter{w: x.w, setDeadline: x.control.SetWriteDeadline, stall: s.limits.StallTime}
	if p.stream == nil {
		h.Set("Content-Length", strconv.Itoa(len(p.body)))
		x.w.WriteHeader(p.status)
		if r.method != http.MethodHead {
			writePieces(out, p.body)
		}
		return
	}
	x.w.WriteHeader(p.status)
	out.w = flusher{x}
	if err := p.stream(out); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// writePieces writes a large body so that each piece has its own deadline.
func writePieces(w io.Writer, body []byte) {
	const piece = 64 << 10
	for len(body) > 0 {
		n := min(piece, len(body))
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		body = body[n:]
	}
}

// flusher sends each write at once.
type flusher struct{ x *exchange }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.x.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.x.control.Flush()
}

// guardSecond checks what HTTP/2's own rules leave open.
func guardSecond(r *request) *api.Error {
	var seen singles
	for _, h := range r.header {
		if err := seen.header(h.Name, h.Value); err != nil {
			return err
		}
		if h.Name == "host" && h.Value != r.host {
			return api.Errorf(api.Invalid, "the Host header and :authority differ")
		}
	}
	if !validHost(r.host) {
		return api.Errorf(api.Invalid, ":authority is malformed")
	}
	return nil
}

func tooManyRequests() *api.Error {
	return &api.Error{
		Code: api.Unavailable, Retry: time.Second,
		Message: "too many requests are being read; try again later",
	}
}

// isTimeout reports a deadline that passed, whichever protocol set it.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
