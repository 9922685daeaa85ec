package server

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// queue is a listener whose connections were accepted elsewhere: those of one protocol.
type queue struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue(addr net.Addr) *queue {
	return &queue{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept implements net.Listener. fasthttp takes io.EOF as the end; net/http ends at any error.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, io.EOF
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return q.addr }

// put hands a connection over, or closes it when nobody takes any.
func (q *queue) put(c *conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		_ = c.Close()
	}
}

// Serve answers connections of ln until Shutdown: HTTP/1.1 and HTTP/2, the latter with prior
// knowledge or, over TLS, by negotiation. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	l, err := newListener(ln, s.limits)
	if err != nil {
		return err
	}
	defer l.stop()
	s.working.Do(func() { s.startJobs(); s.startCourier() })
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	if s.draining.Load() {
		return errors.Join(errors.New("the server is shutting down"), ln.Close())
	}
	s.auditStart(ln.Addr().String())
	var protocols sync.WaitGroup
	protocols.Go(func() { s.logEnd(s.fast.Serve(l.h1)) })
	protocols.Go(func() { s.logEnd(s.second.Serve(l.h2)) })
	err = s.accept(l)
	_, _ = l.h1.Close(), l.h2.Close()
	protocols.Wait()
	return err
}

// logEnd takes the error that the end of a queue is to the protocols.
func (s *Server) logEnd(err error) { s.log.Debug("a protocol's queue has ended", zap.Error(err)) }

// acceptPause follows an error of Accept, such as too many open files: closing connections mends
// it, trying at once does not.
const acceptPause = 20 * time.Millisecond

// accept takes connections until the listener is closed.
func (s *Server) accept(l *listener) error {
	for {
		nc, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			s.log.Warn("cannot accept a connection", zap.Error(err))
			time.Sleep(acceptPause)
			continue
		}
		c := l.admit(nc)
		if c == nil {
			s.refuseConn(nc)
			continue
		}
		go s.receive(l, c)
	}
}

func (s *Server) refuseConn(nc net.Conn) {
	if s.cfg.TLS == nil {
		refuseConn(nc)
		return
	}
	_ = nc.Close()
}

// receive tells a new connection's protocol and passes it on. It runs in a goroutine of its own,
// because clients take their time.
func (s *Server) receive(l *listener, c *conn) {
	defer func() {
		if v := recover(); v != nil {
			s.logPanic(&request{}, v)
			_ = c.Close()
		}
	}()
	if err := s.greet(c); err != nil {
		s.log.Debug("connection failed before its first request", zap.Error(err))
		_ = c.Close()
		return
	}
	if c.h2 {
		l.h2.put(c)
		return
	}
	// A connection that cannot be watched is served all the same: its writes will fail.
	_ = l.watch.add(c)
	l.h1.put(c)
}

// greet does the TLS handshake, if there is one, and reads the first bytes.
func (s *Server) greet(c *conn) error {
	if err := c.raw.SetDeadline(time.Now().Add(s.limits.ReadTime)); err != nil {
		return err
	}
	if s.cfg.TLS != nil {
		if err := c.handshake(s.ctx, s.cfg.TLS); err != nil {
			return err
		}
	}
	if err := c.tellProtocol(); err != nil {
		return err
	}
	return c.raw.SetDeadline(time.Time{})
}

// prefaceStart begins the connection preface of HTTP/2 (RFC 9113, section 3.4). The method PRI is
// reserved for it.
const prefaceStart = "PRI "

// tellProtocol reads bytes until they differ from HTTP/2's preface or are its beginning. What was
// negotiated counts before that.
func (c *conn) tellProtocol() error {
	if c.tls != nil && c.tls.NegotiatedProtocol != "" {
		c.h2 = c.tls.NegotiatedProtocol == "h2"
		return nil
	}
	buf := make([]byte, 0, len(prefaceStart))
	var err error
	for err == nil && len(buf) < cap(buf) && string(buf) == prefaceStart[:len(buf)] {
		var n int
		n, err = c.Conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
	}
	c.first, c.h2 = buf, string(buf) == prefaceStart
	if len(buf) > 0 {
		return nil // whoever reads on will see the error
	}
	return err
}
