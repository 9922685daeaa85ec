package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// Report is what Verify found.
type Report struct {
	Log           string // the log's id
	First, Last   uint64 // records that are there
	Removed       uint64 // records before First that the log itself removed
	Anchors       int    // anchors of this log
	OtherAnchors  int    // anchors of other logs, which were passed over
	LastAnchor    uint64 // record of the newest anchor, 0: none
	LastAnchorAt  string
	Torn          int // bytes behind the last record: it was being written
	LastTimestamp string
}

// Unprotected is how many records at the end could be cut off without anybody's seeing it.
func (r *Report) Unprotected() uint64 { return r.Last - min(r.Last, r.LastAnchor) }

// Fault is the first thing that is wrong with a log: everything behind it proves nothing.
type Fault struct {
	Where string // file and line, or anchor
	What  string
}

// Error implements error.
func (f *Fault) Error() string { return f.Where + ": " + f.What }

func fault(where, format string, args ...any) error {
	return &Fault{where, fmt.Sprintf(format, args...)}
}

// check walks a log.
type check struct {
	report  Report
	key     ed25519.PublicKey
	head    link
	want    map[uint64][]anchor // by record
	removed map[link]bool
	start   link // before the first line that is there
}

// Verify reads a log and proves each record. anchors, which may be nil, must be met as well: that a
// log ends too early shows in them alone. The error is a *Fault when the log was changed.
func Verify(dir string, key ed25519.PublicKey, anchors io.Reader) (*Report, error) {
	c := &check{key: key, want: make(map[uint64][]anchor), removed: make(map[link]bool)}
	var all []anchor
	if anchors != nil {
		var err error
		if all, err = readAnchors(anchors); err != nil {
			return nil, fault("anchors", "%v", err)
		}
		for _, a := range all {
			c.want[a.head.seq] = append(c.want[a.head.seq], a)
		}
	}
	files, err := listFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 && len(all) == 0 {
		return nil, fmt.Errorf("%s has no audit log", dir)
	}
	for i, n := range files {
		if err := c.file(filepath.Join(dir, fileName(n)), i == len(files)-1); err != nil {
			return &c.report, err
		}
	}
	return &c.report, c.finish(all)
}

func (c *check) file(path string, last bool) error {
	n := 0
	rest, err := eachLine(path, func(text []byte) error {
		n++
		return c.line(fmt.Sprintf("%s, line %d", filepath.Base(path), n), text)
	})
	if err != nil {
		return err
	}
	if len(rest) > 0 && !last {
		return fault(filepath.Base(path), "it ends in the middle of a record, and others follow")
	}
	c.report.Torn = len(rest)
	return nil
}

func (c *check) line(where string, text []byte) error {
	l, err := parseLine(text)
	if err != nil {
		return fault(where, "%v", err)
	}
	if !l.verify(c.key) {
		return fault(where, "record %d is not signed by this key, or was changed", l.seq)
	}
	here := link{l.log, l.seq, sha256.Sum256(text)}
	before := link{l.log, l.seq - 1, l.prev}
	switch {
	case c.head.seq == 0:
		c.start, c.report.Log, c.report.First = before, l.log, l.seq
		if l.seq == 1 && l.prev != [32]byte{} {
			return fault(where, "the first record continues another")
		}
	case l.log != c.head.log:
		return fault(where, "record %d is of another log", l.seq)
	case l.seq != c.head.seq+1:
		return fault(where, "record %d follows record %d: records are missing, moved or repeated",
			l.seq, c.head.seq)
	case before != c.head:
		return fault(where, "record %d continues another record %d than the one before it", l.seq,
			c.head.seq)
	}
	c.head, c.report.Last = here, l.seq
	if err := c.meetAnchors(where, here); err != nil {
		return err
	}
	c.noteRecord(text, l.log)
	return nil
}

// meetAnchors compares a record with the anchors that name it.
func (c *check) meetAnchors(where string, here link) error {
	for _, a := range c.want[here.seq] {
		if a.head != here && a.head.log == here.log && a.verify(c.key) {
			return fault(where, "record %d is not the one that was anchored on %s: the log was "+
				"written anew", here.seq, a.time)
		}
	}
	return nil
}

// noteRecord reads what a record says of files that the log removed.
func (c *check) noteRecord(text []byte, log string) {
	var e struct {
		Timestamp string `json:"timestamp"`
		EventName string `json:"eventName"`
		Schema    string `json:"schemaType"`
		Detail    struct {
			LastRecord uint64 `json:"lastRecord"`
			LastHash   string `json:"lastHash"`
		} `json:"detail"`
	}
	if json.Unmarshal(text, &e) != nil {
		return
	}
	if _, err := time.Parse(time.RFC3339, e.Timestamp); err == nil {
		c.report.LastTimestamp = e.Timestamp
	}
	if e.Schema != eventSchema || e.EventName != removedName {
		return
	}
	end := link{log: log, seq: e.Detail.LastRecord}
	if hash, err := hex.DecodeString(e.Detail.LastHash); err == nil {
		copy(end.hash[:], hash)
		c.removed[end] = true
	}
}

// finish judges the ends.
func (c *check) finish(anchors []anchor) error {
	if c.report.First > 1 {
		if !c.removed[c.start] {
			return fault("the beginning", "records 1 to %d are missing, and no record says that "+
				"the log removed them", c.report.First-1)
		}
		c.report.Removed = c.report.First - 1
	}
	if err := c.countAnchors(anchors); err != nil {
		return err
	}
	if c.report.LastAnchor > c.report.Last {
		return fault("the end", "the log ends at record %d, but record %d was anchored on %s: "+
			"records were cut off", c.report.Last, c.report.LastAnchor, c.report.LastAnchorAt)
	}
	return nil
}

// countAnchors finds the newest anchor of this log. Anchors of others are passed over, as syslog
// may gather those of several servers, unless there are none of this log at all.
func (c *check) countAnchors(anchors []anchor) error {
	other := ""
	for _, a := range anchors {
		good := a.verify(c.key)
		switch {
		case a.head.log != c.head.log:
			c.report.OtherAnchors++
			if good {
				other = a.head.log
			}
		case !good:
			return fault("anchors", "the anchor of record %d is not signed by this key, or was "+
				"changed", a.head.seq)
		default:
			c.report.Anchors++
			if a.head.seq > c.report.LastAnchor {
				c.report.LastAnchor, c.report.LastAnchorAt = a.head.seq, a.time
			}
		}
	}
	if c.report.Anchors == 0 && other != "" {
		return fault("anchors", "they are of log %s; this is log %q: one was put in the place of "+
			"the other", other, c.head.log)
	}
	return nil
}

// IsFault reports an error that says that a log was changed, rather than that it cannot be read.
func IsFault(err error) bool {
	var f *Fault
	return errors.As(err, &f)
}
