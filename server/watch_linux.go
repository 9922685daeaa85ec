package server

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// watcher tells when clients close their connections, without reading from them. One epoll holds
// them all, edge-triggered for EPOLLRDHUP alone; it is itself a file that the Go runtime polls, so
// the goroutine that waits for it holds no thread.
type watcher struct {
	file *os.File
	fd   int // of file, which is open until run ends
}

func newWatcher() (*watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot watch connections: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("cannot watch connections: %w", err)
	}
	return &watcher{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}, nil
}

// add watches c until it is closed: the kernel drops closed files by itself.
func (w *watcher) add(c *conn) error {
	var err error
	control := c.fd(func(fd uintptr) {
		e := unix.EpollEvent{
			Events: unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff,
			Fd:     int32(uint32(c.id)), Pad: int32(uint32(c.id >> 32)),
		}
		err = unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, int(fd), &e)
	})
	if control != nil {
		return control
	}
	return err
}

func (w *watcher) remove(*conn) {}

// run calls leave with the ids of connections whose client left, until close.
func (w *watcher) run(leave func(id uint64)) {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	events := make([]unix.EpollEvent, 128)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events, 0)
			return n > 0 || err != nil && err != unix.EINTR
		})
		if err != nil {
			return
		}
		for i := range max(n, 0) {
			e := &events[i]
			leave(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32)
		}
	}
}

func (w *watcher) close() { _ = w.file.Close() }
