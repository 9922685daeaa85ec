package audit

import (
	"sync"
	"time"
)

// limiter bounds the records that strangers cause: whoever can reach the port could fill the disk.
type limiter struct {
	mu         sync.Mutex
	now        func() time.Time
	level      float64
	at         time.Time
	suppressed uint64
}

const (
	strangersPerSecond = 100
	strangersBurst     = 1000
)

// take reports whether a record may be written, and how many were not since the last that was.
func (m *limiter) take() (ok bool, suppressed uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.at.IsZero() {
		m.level = strangersBurst
	} else {
		m.level = min(strangersBurst, m.level+now.Sub(m.at).Seconds()*strangersPerSecond)
	}
	m.at = now
	if m.level < 1 {
		m.suppressed++
		return false, 0
	}
	m.level--
	suppressed, m.suppressed = m.suppressed, 0
	return true, suppressed
}

// untake counts a record that found no room.
func (m *limiter) untake(num uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.suppressed += num
}

// Post hands a record over without waiting for it. Of strangers' records only so many a second are
// written; a record says how many were not.
func (l *Log) Post(record []byte, stranger bool) {
	var missed uint64
	if stranger {
		ok, suppressed := l.limit.take()
		if !ok {
			return
		}
		if suppressed > 0 && !l.offer(suppressedRecord(l.cfg.Now(), suppressed)) {
			missed += suppressed
		}
	}
	if !l.offer(record) {
		missed++
	}
	if missed > 0 {
		l.limit.untake(missed)
	}
}

func (l *Log) offer(record []byte) bool {
	select {
	case l.entries <- entry{record, make(chan error, 1)}:
		return true
	default:
		return false
	}
}
