package audit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// writer is the goroutine that owns the files.
type writer struct {
	cfg  *Config
	log  *Log
	lock *os.File
	sign signer

	file    *os.File
	fileNum uint64
	size    int64 // of what is written and whole
	head    link  // of what is written
	dirty   bool  // written and not durable

	backlog  [][]byte // records that could not be written
	lost     uint64   // those that did not fit the backlog
	buf      []byte
	anchored link
	closeErr error
}

const (
	maxBatch   = 256   // records that are made durable together
	maxBacklog = 10000 // records that wait for a disk
	retryTime  = 500 * time.Millisecond
)

// open finds the end of the log, or begins one.
func (w *writer) open() error {
	t, err := findTail(w.cfg.Dir, publicOf(w.cfg.Key))
	if err != nil {
		return err
	}
	if err := w.checkAnchor(&t); err != nil {
		return err
	}
	w.head, w.fileNum, w.size = t.head, t.file, t.size
	if w.head.seq == 0 {
		w.head = link{log: newLogID()}
	}
	if w.fileNum == 0 {
		return w.openFile(1)
	}
	w.file, err = os.OpenFile(w.path(w.fileNum), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil || t.torn == 0 {
		return err
	}
	// The line was never acknowledged. What there was of it is kept beside.
	if err := w.keepTorn(t); err != nil {
		return err
	}
	return w.file.Truncate(w.size)
}

// checkAnchor refuses to carry on a log that has lost its end.
func (w *writer) checkAnchor(t *tail) error {
	if w.cfg.Anchors == nil {
		return nil
	}
	a, err := w.cfg.Anchors.last(publicOf(w.cfg.Key))
	if err != nil || a == nil {
		return err
	}
	other := t.head.log != "" && a.head.log != t.head.log
	if other || a.head.seq > t.head.seq || a.head.seq == t.head.seq && a.head != t.head {
		return fmt.Errorf("the log in %s ends at record %d, but was anchored at record %d on %s: "+
			"records are gone, or the anchors are of another log. Keep both for examination and "+
			"begin a new log in another folder, with anchors of its own", w.cfg.Dir, t.head.seq,
			a.head.seq, a.time)
	}
	return nil
}

func (w *writer) keepTorn(t tail) error {
	data, err := os.ReadFile(w.path(t.file))
	if err != nil {
		return err
	}
	return os.WriteFile(w.path(t.file)+".torn", data[t.size:], 0o600)
}

func (w *writer) path(n uint64) string { return filepath.Join(w.cfg.Dir, fileName(n)) }

func (w *writer) openFile(n uint64) error {
	f, err := os.OpenFile(w.path(n), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	w.file, w.fileNum, w.size = f, n, 0
	return syncDir(w.cfg.Dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// run writes until the log is closed.
func (w *writer) run() {
	defer close(w.log.done)
	tick := time.NewTicker(min(retryTime, w.cfg.AnchorInterval))
	defer tick.Stop()
	lastAnchor := time.Now()
	for {
		select {
		case e := <-w.log.entries:
			w.write(w.gather(e))
		case <-tick.C:
			w.write(nil)
			if w.cfg.Sync == SyncOften {
				w.failed(w.makeDurable())
			}
		case <-w.log.stop:
			w.drain()
			return
		}
		due := w.head.seq-w.anchored.seq >= uint64(w.cfg.AnchorRecords) ||
			time.Since(lastAnchor) >= w.cfg.AnchorInterval
		if due && w.head != w.anchored {
			w.anchor()
			lastAnchor = time.Now()
		}
	}
}

// gather takes what else is waiting.
func (w *writer) gather(e entry) []entry {
	batch := append(make([]entry, 0, 16), e)
	for len(batch) < maxBatch {
		select {
		case e := <-w.log.entries:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// drain writes what is on its way when the log is closed.
func (w *writer) drain() {
	for {
		select {
		case e := <-w.log.entries:
			w.write(w.gather(e))
			continue
		default:
		}
		break
	}
	w.write(nil)
	if w.head != w.anchored {
		w.anchor()
	}
	w.closeErr = errors.Join(w.log.Err(), w.makeDurable(), w.close())
}

func (w *writer) close() error {
	err := errors.Join(w.file.Close(), w.lock.Close())
	if w.cfg.Anchors != nil {
		err = errors.Join(err, w.cfg.Anchors.Close())
	}
	return err
}

// write writes the backlog and a batch, all or nothing, and answers those who wait.
func (w *writer) write(batch []entry) {
	records, sync := w.backlog, false
	for _, e := range batch {
		if e.record == nil {
			sync = true
		} else {
			records = append(records, e.record)
		}
	}
	err := w.writeRecords(records)
	if err == nil && sync {
		if err = w.makeDurable(); err != nil {
			w.failed(err)
		}
	}
	for _, e := range batch {
		e.written <- err
	}
}

// writeRecords writes records, or keeps them for later.
func (w *writer) writeRecords(records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	err := w.tryWrite(records)
	if err == nil {
		w.backlog, w.lost = nil, 0
		w.mended()
		return nil
	}
	w.failed(err)
	n := min(len(records), maxBacklog)
	w.lost += uint64(len(records) - n)
	w.backlog = records[:n:n]
	return err
}

// failed remembers and reports that the log cannot be written.
func (w *writer) failed(err error) {
	if err == nil {
		return
	}
	first := w.log.Err() == nil
	err = fmt.Errorf("cannot write the audit log: %w", err)
	w.log.failing.Store(&err)
	if first {
		w.cfg.Report(err)
	}
}

// mended is called when all records are written.
func (w *writer) mended() {
	if w.log.Err() != nil {
		w.log.failing.Store(nil)
		w.cfg.Report(nil)
	}
}

// tryWrite appends records. When it fails, the file ends where it did.
func (w *writer) tryWrite(records [][]byte) error {
	if w.size >= w.cfg.MaxFile {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	w.buf = w.buf[:0]
	head := w.head
	if w.lost > 0 {
		w.buf, head = w.sign.appendLine(w.buf, lostRecord(w.cfg.Now(), w.lost), head)
	}
	for _, r := range records {
		w.buf, head = w.sign.appendLine(w.buf, r, head)
	}
	return w.put(head, w.cfg.Sync == SyncAlways)
}

// put writes what is in buf, whose last line is head. When it fails, the file ends where it did.
func (w *writer) put(head link, durable bool) error {
	_, err := w.file.Write(w.buf)
	if err == nil && durable {
		err = w.file.Sync()
	}
	if err != nil {
		return errors.Join(err, w.file.Truncate(w.size))
	}
	w.size += int64(len(w.buf))
	w.head, w.dirty = head, !durable
	w.publish(durable || w.cfg.Sync == SyncNever)
	const maxKept = 1 << 20
	if cap(w.buf) > maxKept {
		w.buf = nil
	}
	return nil
}

func (w *writer) makeDurable() error {
	if !w.dirty {
		return nil
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.dirty = false
	w.publish(true)
	return nil
}

// publish tells readers how far they may read.
func (w *writer) publish(durable bool) {
	at := &Position{Log: w.head.log, Record: w.head.seq, File: w.fileNum, Offset: w.size}
	w.log.written.Store(at)
	if durable {
		w.log.durable.Store(at)
	}
}

// rotate begins another file and removes the oldest ones above the limit.
func (w *writer) rotate() error {
	if err := w.file.Sync(); err != nil {
		return err
	}
	old := w.file
	if err := w.openFile(w.fileNum + 1); err != nil {
		return err
	}
	err := old.Close()
	if w.cfg.MaxFiles > 0 {
		err = errors.Join(err, w.removeOld())
	}
	return err
}

// removeOld removes files after a record that says so: it names the last line that is gone, which
// the first line that is left continues.
func (w *writer) removeOld() error {
	files, err := listFiles(w.cfg.Dir)
	if err != nil {
		return err
	}
	for len(files) > w.cfg.MaxFiles {
		n := files[0]
		files = files[1:]
		end, err := lastLink(w.path(n))
		if err != nil {
			return err
		}
		var head link
		w.buf, head = w.sign.appendLine(w.buf[:0], removedRecord(w.cfg.Now(), fileName(n), end),
			w.head)
		if err := w.put(head, true); err != nil {
			return err
		}
		if err := os.Remove(w.path(n)); err != nil {
			return err
		}
	}
	return nil
}

// lastLink is the head of the chain at the end of a file.
func lastLink(path string) (link, error) {
	var last []byte
	if _, err := eachLine(path, func(text []byte) error {
		last = append(last[:0], text...)
		return nil
	}); err != nil {
		return link{}, err
	}
	l, err := parseLine(last)
	return link{l.log, l.seq, sha256.Sum256(last)}, err
}

// anchor tells the head to the second destination, after everything before it is durable.
func (w *writer) anchor() {
	if w.cfg.Anchors == nil || w.head.seq == 0 {
		return
	}
	if err := w.makeDurable(); err != nil {
		w.failed(err)
		return
	}
	a := anchor{head: w.head, time: anchorTime(w.cfg.Now())}
	if err := w.cfg.Anchors.put(a.sign(w.cfg.Key)); err != nil {
		w.cfg.Report(fmt.Errorf("cannot write an anchor of the audit log: %w", err))
		return
	}
	w.anchored = w.head
}
