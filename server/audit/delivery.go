package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Delivery says what of requests and answers records hold: nothing by default. It is Bedrock's
// loggingConfig without the destinations, which are the operator's to choose.
type Delivery struct {
	Text      bool `json:"textDataDeliveryEnabled"`
	Image     bool `json:"imageDataDeliveryEnabled"`
	Embedding bool `json:"embeddingDataDeliveryEnabled"`
	Video     bool `json:"videoDataDeliveryEnabled"`
	Audio     bool `json:"audioDataDeliveryEnabled"`
}

// deliveryState is kept in a file beside the log, so that it survives a restart.
type deliveryState struct {
	mu      sync.Mutex
	path    string
	current atomic.Pointer[Delivery] // nil: not configured
}

func (s *deliveryState) open(dir string) error {
	s.path = filepath.Join(dir, "delivery.json")
	data, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var d Delivery
	if err := json.Unmarshal(data, &d); err != nil {
		return fmt.Errorf("cannot read %s: %w", s.path, err)
	}
	s.current.Store(&d)
	return nil
}

// ErrContent is the error of a Delivery that the log's Config does not allow.
var ErrContent = errors.New("prompts and answers may not be in the log")

// Delivery is what records hold now; set says that somebody configured it. What an earlier process
// was allowed and this one is not does not count.
func (l *Log) Delivery() (d Delivery, set bool) {
	p := l.delivery.current.Load()
	if p == nil {
		return Delivery{}, false
	}
	if !l.cfg.Content {
		return Delivery{}, true
	}
	return *p, true
}

// MayDeliver reports whether the log's Config allows a Delivery.
func (l *Log) MayDeliver(d Delivery) bool { return l.cfg.Content || d == Delivery{} }

// SetDelivery changes what later records hold; nil goes back to nothing.
func (l *Log) SetDelivery(d *Delivery) error {
	if d != nil && !l.MayDeliver(*d) {
		return ErrContent
	}
	s := &l.delivery
	s.mu.Lock()
	defer s.mu.Unlock()
	if d == nil {
		s.current.Store(nil)
		if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	next := s.path + ".new"
	if err := os.WriteFile(next, text(d), 0o600); err != nil {
		return err
	}
	if err := os.Rename(next, s.path); err != nil {
		return err
	}
	own := *d
	s.current.Store(&own)
	return nil
}

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
