//go:build !linux

package server

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// watcher tells when clients close their connections. Without epoll it asks each of them in turn.
type watcher struct {
	mu    sync.Mutex
	conns map[*conn]struct{}
	done  chan struct{}
}

const watchInterval = 20 * time.Millisecond

func newWatcher() (*watcher, error) {
	return &watcher{conns: make(map[*conn]struct{}), done: make(chan struct{})}, nil
}

func (w *watcher) add(c *conn) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = struct{}{}
	return nil
}

func (w *watcher) remove(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
}

func (w *watcher) run(leave func(id uint64)) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-w.done:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		for c := range w.conns {
			if c.cancel.Load() != nil && c.closed() {
				delete(w.conns, c)
				leave(c.id)
			}
		}
		w.mu.Unlock()
	}
}

// closed peeks at the socket: 0 bytes without an error mean the end.
func (c *conn) closed() bool {
	ended := false
	err := c.fd(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		ended = err == nil && n == 0 || err == unix.ECONNRESET
	})
	return err != nil || ended
}

func (w *watcher) close() { close(w.done) }
