package server

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"basalt/server/api"
)

// reply is an HTTP response. Either body or stream is set.
type reply struct {
	status      int
	contentType string
	headers     [][2]string
	body        []byte
	// stream writes the body; each Write reaches the client at once. It must be called exactly
	// once.
	stream func(w io.Writer) error
	close  bool // end the connection
}

func (p *reply) set(name, value string) { p.headers = append(p.headers, [2]string{name, value}) }

// newFast makes the HTTP/1.1 server. Every field is set for a reason: ReadTimeout covers a whole
// request, as half requests would hold connections for ever (conn extends it for large bodies);
// WriteTimeout is re-armed at each flush of a stream; connections are counted by our listener, so
// that the raw connection stays reachable; bodies are read before the handler runs, because a
// streamed body has no limit there.
func (s *Server) newFast() *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      s.handleFast,
		ErrorHandler:                 s.handleFastError,
		HeaderReceived:               s.limitBody,
		Logger:                       fastLogger{s.log},
		Concurrency:                  s.limits.MaxConns + 1,
		ReadBufferSize:               s.limits.MaxHeader,
		MaxRequestBodySize:           s.limits.MaxBody + requestSlack,
		ReadTimeout:                  s.limits.ReadTime,
		WriteTimeout:                 s.limits.StallTime,
		IdleTimeout:                  s.limits.IdleTime,
		SecureErrorLogMessage:        true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		DisablePreParseMultipartForm: true,
	}
}

// handleFast runs in a connection's goroutine.
func (s *Server) handleFast(ctx *fasthttp.RequestCtx) {
	r := s.newRequest(ctx)
	p := s.answer(r)
	if p.stream != nil && !r.http11 {
		p = unstream(p)
	}
	s.writeFast(ctx, r, &p)
}

func (s *Server) newRequest(ctx *fasthttp.RequestCtx) *request {
	r := fastHead(&ctx.Request.Header)
	r.id, r.body, r.arrived = s.newID(), ctx.Request.Body(), time.Now()
	r.ctx, r.cancel = context.WithCancelCause(s.ctx)
	if r.conn = connOf(ctx.Conn()); r.conn != nil {
		r.conn.attach(&r.cancel)
		r.remote, r.peer = r.conn.RemoteAddr(), r.conn.peer(s.cfg.TLS, r.arrived)
	}
	return r
}

// fastHead reads a request's line and header. What is wrong with them is the record's refusal.
func fastHead(h *fasthttp.RequestHeader) *request {
	r := &request{method: string(h.Method()), http11: h.IsHTTP11()}
	list, err := guard(string(h.Protocol()), h.RawHeaders())
	r.setHeader(list)
	r.host = r.value("host")
	var other *api.Error
	if r.path, r.query, other = splitTarget(string(h.RequestURI()), r.host); err == nil {
		err = other
	}
	r.record.refusal = err
	return r
}

// connOf finds our connection below what the protocol wraps around it.
func connOf(c net.Conn) *conn {
	for {
		switch t := c.(type) {
		case *conn:
			return t
		case interface{ NetConn() net.Conn }:
			c = t.NetConn()
		default:
			return nil
		}
	}
}

func (s *Server) writeFast(ctx *fasthttp.RequestCtx, r *request, p *reply) {
	ctx.SetStatusCode(p.status)
	if p.contentType != "" {
		ctx.Response.Header.SetContentType(p.contentType)
	}
	for _, h := range p.headers {
		ctx.Response.Header.Set(h[0], h[1])
	}
	if p.close || s.draining.Load() {
		ctx.SetConnectionClose()
	}
	if p.stream != nil {
		// Everything was copied out of it, and a stream may last long.
		ctx.Request.ResetBody()
		ctx.Response.SetBodyStream(&fastBody{s: s, r: r, write: p.stream}, -1)
		return
	}
	r.end()
	ctx.Response.SetBodyRaw(p.body)
}

// fastBody writes a stream in the goroutine of the connection: fasthttp calls WriteTo once the
// header is ready, then Close. Each Write becomes a chunk and is flushed.
type fastBody struct {
	s     *Server
	r     *request
	write func(io.Writer) error
	begun bool
}

// SupportsBodyWriteTo makes fasthttp call WriteTo.
func (b *fastBody) SupportsBodyWriteTo() bool { return true }

// Read implements io.Reader, which fasthttp asks for and does not call.
func (b *fastBody) Read([]byte) (int, error) {
	return 0, errors.New("BUG: a stream must be read by WriteTo")
}

// WriteTo implements io.WriterTo.
func (b *fastBody) WriteTo(w io.Writer) (int64, error) {
	b.begun = true
	out := &stallWriter{w: w, stall: b.s.limits.StallTime}
	if b.r.conn != nil {
		out.setDeadline = b.r.conn.SetWriteDeadline
	}
	err := b.write(out)
	return out.num, err
}

// Close implements io.Closer.
func (b *fastBody) Close() error {
	if !b.begun {
		// The header could not be sent. Run the stream into nothing, so that it is ended and
		// counted like every other.
		b.r.cancel(errClientGone)
		_ = b.write(io.Discard)
	}
	b.r.end()
	return nil
}

// stallWriter gives every write its own deadline: a stream may last for hours, a client that takes
// nothing may not.
type stallWriter struct {
	w           io.Writer
	setDeadline func(time.Time) error
	stall       time.Duration
	armed       time.Time
	num         int64
}

func (w *stallWriter) Write(p []byte) (int, error) {
	if now := time.Now(); w.setDeadline != nil && now.Sub(w.armed) > w.stall/4 {
		w.armed = now
		if err := w.setDeadline(now.Add(w.stall)); err != nil {
			return 0, err
		}
	}
	n, err := w.w.Write(p)
	w.num += int64(n)
	return n, err
}

// strangersBody is how much an unknown client may send before it is refused.
const strangersBody = 64 << 10

// limitBody is called between header and body: only who can prove a right may send a large one.
// Clients that do so by a certificate cannot be told here.
func (s *Server) limitBody(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if s.stranger(h) == nil {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: strangersBody}
}

func (s *Server) stranger(h *fasthttp.RequestHeader) *api.Error {
	if s.cfg.Auth == AuthNone {
		return nil
	}
	r := fastHead(h)
	if s.cfg.TLS.asksClients() && r.value("authorization") == "" && r.value("x-api-key") == "" {
		return nil
	}
	if r.record.refusal != nil {
		return r.record.refusal
	}
	return s.known(r)
}

// deniedBody is the error of a body that was too large only because its sender is not known.
func (s *Server) deniedBody(h *fasthttp.RequestHeader, told *api.Error) *api.Error {
	if told.Code != api.TooLarge {
		return nil
	}
	return s.stranger(h)
}

// handleFastError answers requests that could not be read.
func (s *Server) handleFastError(ctx *fasthttp.RequestCtx, err error) {
	c := connOf(ctx.Conn())
	target := string(ctx.Request.Header.RequestURI())
	told := readError(err, s.limits)
	if denied := s.deniedBody(&ctx.Request.Header, told); denied != nil {
		told = denied
	}
	if c != nil {
		c.linger = told.Code != api.RequestTimeout
		if t := c.target(); t != "" {
			target = t
		}
	}
	id := s.newID()
	p := dialectOf(target).fail(told, id)
	s.metrics.refused.Inc()
	s.log.Debug("unreadable request", zap.String("request", id), zap.Int("status", p.status))
	ctx.Response.Reset()
	ctx.SetStatusCode(p.status)
	ctx.Response.Header.SetContentType(p.contentType)
	for _, h := range p.headers {
		ctx.Response.Header.Set(h[0], h[1])
	}
	ctx.Response.SetBodyRaw(p.body)
	ctx.SetConnectionClose()
}

// readError says what was wrong with a request that could not be read. The parser's own words may
// hold parts of the request and are not passed on.
func readError(err error, l Limits) *api.Error {
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		return headerTooLarge(l)
	case errors.Is(err, fasthttp.ErrBodyTooLarge), errors.Is(err, errRequestTooLong):
		return api.Errorf(api.TooLarge, "the request body is larger than %d bytes", l.MaxBody)
	case errors.Is(err, errBuffersFull):
		return &api.Error{
			Code: api.Unavailable, Retry: time.Second,
			Message: "too many large requests are being read; try again later",
		}
	case isTimeout(err):
		return api.Errorf(api.RequestTimeout, "the request did not arrive in time")
	}
	return api.Errorf(api.Invalid, "the request is not valid HTTP/1.1")
}

func headerTooLarge(l Limits) *api.Error {
	return api.Errorf(api.HeaderTooLarge, "the request header is larger than %d bytes", l.MaxHeader)
}

// fastLogger takes fasthttp's own messages. They may quote requests, so that only their occurrence
// is logged.
type fastLogger struct{ log *zap.Logger }

// Printf implements fasthttp.Logger.
func (l fastLogger) Printf(format string, _ ...any) {
	l.log.Debug("connection failed", zap.String("kind", format))
}
