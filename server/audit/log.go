package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Sync says when records are made durable.
type Sync uint8

// SyncAlways makes each record durable before Append returns, many at once where many wait.
// SyncOften does so within a second, SyncNever leaves it to the operating system. Before an anchor
// all records are made durable.
const (
	SyncAlways Sync = iota
	SyncOften
	SyncNever
)

// Config is what a Log depends on.
type Config struct {
	Dir     string
	Key     ed25519.PrivateKey
	Sync    Sync
	MaxFile int64 // bytes, after which another file begins; 64 MiB when 0
	// MaxFiles is how many files are kept; the oldest are removed, and a record says so. 0 keeps
	// all.
	MaxFiles int
	Anchors  *Anchors // nil: none. The log closes it.
	// An anchor follows after so many records, or after so long if there are any; 1000 and 10 s
	// when 0.
	AnchorRecords  int
	AnchorInterval time.Duration
	// Content lets records hold prompts and answers, where a Delivery asks for them.
	Content bool
	// Report is called with errors that nobody waits for.
	Report func(error)
	Now    func() time.Time
}

const (
	defaultMaxFile        = 64 << 20
	defaultAnchorRecords  = 1000
	defaultAnchorInterval = 10 * time.Second
)

func (c *Config) setDefaults() {
	if c.MaxFile == 0 {
		c.MaxFile = defaultMaxFile
	}
	if c.AnchorRecords == 0 {
		c.AnchorRecords = defaultAnchorRecords
	}
	if c.AnchorInterval == 0 {
		c.AnchorInterval = defaultAnchorInterval
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
}

// Log is an audit log that is open for writing. Its methods may be called from any goroutine.
type Log struct {
	cfg      Config
	delivery configurations
	limit    limiter // of strangers' records
	entries  chan entry
	stop     chan struct{}
	done     chan struct{}
	once     sync.Once
	failing  atomic.Pointer[error]
	written  atomic.Pointer[Position]
	durable  atomic.Pointer[Position]
	writer   *writer
}

// entry is a record on its way; written gets one answer. Without a record it asks that all before
// it be made durable.
type entry struct {
	record  []byte
	written chan error
}

// ErrClosed is the error of a closed log.
var ErrClosed = errors.New("the audit log is closed")

// Open opens a log, or begins one. It fails when the log was cut off before its last anchor.
func Open(cfg Config) (*Log, error) {
	cfg.setDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the audit log's folder: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the audit log: %w", err)
	}
	w := &writer{cfg: &cfg, lock: lock, sign: signer{cfg.Key}}
	if err := w.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the audit log: %w", err), lock.Close())
	}
	l := &Log{
		cfg: cfg, entries: make(chan entry, 1024), stop: make(chan struct{}),
		done: make(chan struct{}), writer: w,
	}
	w.log = l
	w.publish(true)
	if err := l.delivery.open(cfg.Dir); err != nil {
		return nil, errors.Join(err, w.close())
	}
	l.limit.now = cfg.Now
	go w.run()
	return l, nil
}

// Append writes a record: a JSON object with at least one member. It returns when the record is
// written and as durable as the log's Sync says. After an error the record is kept and written
// later, if it fits the backlog; Err says meanwhile that the log cannot be written.
func (l *Log) Append(record []byte) error {
	written := make(chan error, 1)
	select {
	case l.entries <- entry{record, written}:
	case <-l.stop:
		return ErrClosed
	}
	select {
	case err := <-written:
		return err
	case <-l.done:
		// The writer may have answered last.
		select {
		case err := <-written:
			return err
		default:
			return ErrClosed
		}
	}
}

// Err is why the log cannot be written now, nil when it can.
func (l *Log) Err() error {
	if p := l.failing.Load(); p != nil {
		return *p
	}
	return nil
}

// Len is the number of records of the log, those of earlier runs included.
func (l *Log) Len() uint64 { return l.Written().Record }

// Close writes what is on its way, anchors the end, and closes the log. It waits until ctx ends.
func (l *Log) Close(ctx context.Context) error {
	closed := ErrClosed
	l.once.Do(func() { close(l.stop) })
	select {
	case <-l.done:
		l.failing.Store(&closed)
		return l.writer.closeErr
	case <-ctx.Done():
		return fmt.Errorf("the audit log did not close in time: %w", ctx.Err())
	}
}
