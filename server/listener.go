package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// listener wraps accepted connections, bounds their number, and has those of HTTP/1.1 watched for
// clients that leave. Each goes to the queue of its protocol (accept.go).
type listener struct {
	net.Listener
	h1, h2   *queue
	maxConns int
	maxBytes int64 // of one request
	watch    *watcher

	buffered    atomic.Int64 // bytes of large requests
	maxBuffered int64

	mu     sync.Mutex
	conns  map[uint64]*conn
	lastID uint64
}

func newListener(ln net.Listener, l Limits) (*listener, error) {
	w, err := newWatcher()
	if err != nil {
		return nil, err
	}
	out := &listener{
		Listener: ln, h1: newQueue(ln.Addr()), h2: newQueue(ln.Addr()),
		maxConns: l.MaxConns, conns: make(map[uint64]*conn), watch: w,
		maxBytes:    int64(l.MaxBody) + int64(l.MaxHeader) + requestSlack,
		maxBuffered: int64(l.MaxBuffered),
	}
	go w.run(out.leave)
	return out, nil
}

// admit registers a connection; nil when there are too many.
func (l *listener) admit(nc net.Conn) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns) >= l.maxConns {
		return nil
	}
	l.lastID++
	c := &conn{Conn: nc, raw: nc, ln: l, id: l.lastID, maxBytes: l.maxBytes}
	l.conns[c.id] = c
	return c
}

// refuseConn answers in a form that clients of all dialects can read, without waiting for them.
func refuseConn(nc net.Conn) {
	const body = `{"message":"Too many connections.","error":{"message":"Too many connections.",` +
		`"type":"server_error","param":null,"code":"service_unavailable"}}`
	const answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n" +
		"x-amzn-ErrorType: ServiceUnavailableException\r\nRetry-After: 1\r\n" +
		"Connection: close\r\n\r\n" + body
	if nc.SetWriteDeadline(time.Now().Add(100*time.Millisecond)) == nil {
		_, _ = nc.Write([]byte(answer))
	}
	_ = nc.Close()
}

// leave is called by the watcher's goroutine.
func (l *listener) leave(id uint64) {
	l.mu.Lock()
	c := l.conns[id]
	l.mu.Unlock()
	if c != nil {
		c.leave()
	}
}

func (l *listener) forget(c *conn) {
	l.watch.remove(c)
	l.mu.Lock()
	delete(l.conns, c.id)
	l.mu.Unlock()
}

// numBusy counts the connections with a request that is not answered yet.
func (l *listener) numBusy() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, c := range l.conns {
		if c.isBusy() {
			n++
		}
	}
	return n
}

// closeAll closes what is still open.
func (l *listener) closeAll() {
	l.mu.Lock()
	conns := make([]*conn, 0, len(l.conns))
	for _, c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		// Not c.Close: the worker may be inside it.
		_ = c.raw.Close()
	}
}

// stop ends the watcher; the listener itself is closed by Serve.
func (l *listener) stop() { l.watch.close() }
