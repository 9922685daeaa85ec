package server

import (
	"errors"
	"io"
	"slices"

	"basalt/server/api"
)

// streamSink encodes events as they come and sends what a token gave in one write.
type streamSink struct {
	codec api.Codec
	w     io.Writer
	buf   []byte
}

func (s *streamSink) event(e *api.Event) { s.buf = s.codec.AppendEvent(s.buf, e) }

func (s *streamSink) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// streamReply answers with the operation's stream.
func (g *generation) streamReply() reply {
	p := reply{status: 200, contentType: g.op.streamType, headers: slices.Clone(g.op.headers)}
	p.set(g.op.dialect.idHeader, g.r.id)
	p.headers = append(p.headers, g.echoed()...)
	p.stream = g.stream
	return p
}

// echoed are the headers that an answer repeats of its request.
func (g *generation) echoed() [][2]string {
	if c, ok := g.codec.(interface{ Headers() [][2]string }); ok {
		return c.Headers()
	}
	return nil
}

// stream writes the whole stream. It is a panic boundary: the status is out already, so a failure
// of any kind becomes the dialect's last event. Without one, a client could not tell a cut
// connection from an answer.
func (g *generation) stream(w io.Writer) (err error) {
	out := &streamSink{codec: g.codec, w: w, buf: make([]byte, 0, 1024)}
	if g.r.record.keep {
		g.kept = newCollector(g.numChoices())
	}
	var failed error
	defer func() {
		if v := recover(); v != nil {
			g.s.logPanic(g.r, v)
			failed = internalError()
			err = out.fail(failed)
		}
		g.end(failed, 200)
	}()
	failed = g.run(out)
	if failed == nil || errors.Is(failed, errClientGone) {
		return failed
	}
	return out.fail(failed)
}

func internalError() *api.Error { return api.Errorf(api.Internal, "internal error") }

// asAPI is what the client is told.
func asAPI(err error) *api.Error {
	var known *api.Error
	if errors.As(err, &known) {
		return known
	}
	return internalError()
}

// fail sends the error that ends the stream, after what was encoded before it.
func (s *streamSink) fail(err error) error {
	s.buf = s.codec.AppendError(s.buf, asAPI(err))
	return s.flush()
}

// unstream makes a stream a body of known length, for HTTP/1.0 clients, which know no chunks.
func unstream(p reply) reply {
	var w bodyWriter
	err := p.stream(&w)
	p.stream, p.body, p.close = nil, w, true
	if err != nil {
		p.body = nil
	}
	return p
}

type bodyWriter []byte

func (b *bodyWriter) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}
