package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Why a request is cancelled, beside the caller's own reasons.
var (
	errClientGone = errors.New("the client is gone")
	errDrained    = errors.New("the server is shutting down and its drain time is over")
)

// errRequestTooLong ends a request that sends more bytes than any allowed one has.
var errRequestTooLong = errors.New("the request has more bytes than allowed")

// errBuffersFull ends a large request when too many others are being read.
var errBuffersFull = errors.New("too many large requests")

// smallRequest is what every connection may hold without being counted.
const smallRequest = 256 << 10

// minBodyRate extends the time to read a request by what has arrived: a large body on a slow line
// is served, a trickle is not.
const minBodyRate = 128 << 10 // bytes per second

// conn is a client's connection. One goroutine at a time reads and writes it: the one that tells
// its protocol, then fasthttp's worker. The watcher's goroutine only marks it. A connection that
// speaks HTTP/2 belongs to net/http and passes everything through: its requests are counted and
// timed one by one (h2.go).
type conn struct {
	net.Conn          // what carries the protocol: raw, or TLS over it
	raw      net.Conn // as it was accepted
	tls      *tls.ConnectionState
	verified atomic.Pointer[verified]
	first    []byte // read to tell the protocol and not passed on yet
	h2       bool
	streams  atomic.Int32 // HTTP/2 requests that are not answered yet
	ln       *listener
	id       uint64
	maxBytes int64 // of one request
	gone     atomic.Bool
	busy     atomic.Bool // from the first byte of a request to the last of its answer
	// cancel belongs to the request that is being served.
	cancel atomic.Pointer[context.CancelCauseFunc]

	// Of the request that is being read: its first bytes, what was read, until when.
	head     [512]byte
	numHead  int
	numRead  int64
	answered bool // the next byte read begins another request
	deadline time.Time
	credit   int   // bytes read that have not extended the deadline yet
	charged  int64 // bytes counted in the listener's sum

	linger    bool // a refused client may still be sending: let it read the answer
	closeOnce sync.Once
}

// receive reads what the telling of the protocol left, then the connection.
func (c *conn) receive(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if c.h2 {
		return c.receive(p)
	}
	if c.answered {
		c.busy.Store(false) // whoever reads on has sent the answer
	}
	n, err := c.receive(p)
	if n > 0 {
		c.busy.Store(true)
	}
	if c.answered {
		c.answered, c.numHead, c.numRead = false, 0, 0
	}
	if c.numHead < len(c.head) {
		c.numHead += copy(c.head[c.numHead:], p[:n])
	}
	if c.numRead += int64(n); c.numRead > c.maxBytes {
		return 0, errRequestTooLong
	}
	if c.numRead > smallRequest && !c.charge(int64(n)) {
		return 0, errBuffersFull
	}
	c.extend(n)
	return n, err
}

// charge counts n more bytes of a large request; false when there is no room for them.
func (c *conn) charge(n int64) bool {
	c.charged += n
	return c.ln.buffered.Add(n) <= c.ln.maxBuffered
}

// discharge forgets the bytes of a request that is answered.
func (c *conn) discharge() {
	if c.charged > 0 {
		c.ln.buffered.Add(-c.charged)
		c.charged = 0
	}
}

// creditStep is how much is read before the deadline is set anew.
const creditStep = 64 << 10

func (c *conn) extend(n int) {
	if c.credit += n; c.credit < creditStep || c.deadline.IsZero() {
		return
	}
	c.deadline = c.deadline.Add(time.Duration(c.credit) * time.Second / minBodyRate)
	c.credit = 0
	// A failure shows at the next read.
	_ = c.Conn.SetReadDeadline(c.deadline)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.deadline, c.credit = t, 0
	return c.Conn.SetReadDeadline(t)
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if !c.h2 {
		c.answered = true
		c.discharge()
	}
	return c.Conn.Write(p)
}

// isBusy reports a request that is not answered yet.
func (c *conn) isBusy() bool { return c.busy.Load() || c.streams.Load() > 0 }

// target is the raw target of the request that is being read, as far as it is known: for errors of
// requests that could not be parsed.
func (c *conn) target() string {
	line, _, _ := bytes.Cut(c.head[:c.numHead], []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 2 {
		return ""
	}
	return string(fields[1])
}

// attach makes cancel hear of the client's leaving; nil ends that. A client that closes its sending
// side counts as gone.
func (c *conn) attach(cancel *context.CancelCauseFunc) {
	c.cancel.Store(cancel)
	if cancel != nil && c.gone.Load() {
		(*cancel)(errClientGone)
	}
}

// leave is called by the watcher.
func (c *conn) leave() {
	c.gone.Store(true)
	if cancel := c.cancel.Load(); cancel != nil {
		(*cancel)(errClientGone)
	}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.closeOnce.Do(func() {
		c.ln.forget(c)
		c.discharge()
		if c.linger {
			c.drain()
		}
		err = c.Conn.Close()
	})
	return err
}

// drain lets a refused client read its answer: closing at once, with unread bytes in the socket,
// would reset the connection and discard it.
func (c *conn) drain() {
	const maxDrain, drainTime = 64 << 20, 2 * time.Second
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Conn, maxDrain)
}

// fd calls f with the connection's file descriptor, which is open meanwhile.
func (c *conn) fd(f func(fd uintptr)) error {
	s, ok := c.raw.(syscall.Conn)
	if !ok {
		return errors.New("the connection has no file descriptor")
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(f)
}
