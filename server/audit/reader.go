package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Position is a place in a log: behind a record. The zero value stands before the first one.
type Position struct {
	Log    string `json:"log,omitempty"` // the log's id
	Record uint64 `json:"record"`        // number of the record
	File   uint64 `json:"file"`          // where its line ends, if the file is still there
	Offset int64  `json:"offset"`
}

// Dir is the log's folder.
func (l *Log) Dir() string { return l.cfg.Dir }

// Written is behind the last record.
func (l *Log) Written() Position { return *l.written.Load() }

// End is behind the last record that is as durable as the log's Sync promises.
func (l *Log) End() Position { return *l.durable.Load() }

// Sync waits until all records that were handed over before are durable.
func (l *Log) Sync() error { return l.Append(nil) }

// ErrOtherLog is the error of a Position that belongs to another log, or lies behind the end of
// this one: the folder was replaced, or lost its last records.
var ErrOtherLog = errors.New("the position is not one of this log")

// errMisplaced says that a record is not where a Position says so.
var errMisplaced = errors.New("it is not where it should be")

// Read gives the records between two positions to f, in their order and as Append took them, until
// f returns false. record is valid during the call. at lies behind it. Read returns the position
// that it came to. Where the log has removed its oldest records it stops as well: missing is how
// many are not there, and the position is behind them.
func (l *Log) Read(ctx context.Context, from, to Position,
	f func(record []byte, at Position) bool,
) (at Position, missing uint64, err error) {
	if from.Log != "" && (from.Log != to.Log || from.Record > to.Record) {
		return from, 0, ErrOtherLog
	}
	const bufferSize = 64 << 10
	r := &reader{
		ctx: ctx, dir: l.cfg.Dir, at: from, to: to, f: f, in: bufio.NewReaderSize(nil, bufferSize),
	}
	r.at.Log = to.Log
	err = r.run()
	if errors.Is(err, errMisplaced) || r.missing > 0 {
		// The place within the files is a hint; the number of the record is not.
		r.at = Position{Log: to.Log, Record: r.at.Record - r.missing}
		r.missing, r.stopped = 0, false
		err = r.run()
	}
	if err != nil {
		err = fmt.Errorf("cannot read the audit log behind record %d: %w", r.at.Record, err)
	}
	return r.at, r.missing, err
}

// reader walks the files of a log.
type reader struct {
	ctx     context.Context
	dir     string
	at, to  Position
	f       func([]byte, Position) bool
	missing uint64
	stopped bool
	in      *bufio.Reader
	buf     []byte
}

func (r *reader) run() error {
	for r.at.Record < r.to.Record && !r.stopped {
		files, err := listFiles(r.dir)
		if err != nil {
			return err
		}
		n, ok := r.next(files)
		if !ok {
			return fmt.Errorf("record %d: %w", r.at.Record+1, errMisplaced)
		}
		if n != r.at.File {
			r.at.File, r.at.Offset = n, 0
		}
		before := r.at
		if err := r.file(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if r.at == before && !r.stopped {
			// Nothing is left in this one, or it was removed a moment ago.
			r.at.File, r.at.Offset = n+1, 0
		}
	}
	return nil
}

// next is the first file that may have the next record.
func (r *reader) next(files []uint64) (uint64, bool) {
	for _, n := range files {
		if n >= r.at.File {
			return n, true
		}
	}
	return 0, false
}

// file reads one file from the position on.
func (r *reader) file() (err error) {
	file, err := os.Open(filepath.Join(r.dir, fileName(r.at.File)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Seek(r.at.Offset, io.SeekStart); err != nil {
		return err
	}
	r.in.Reset(file)
	for r.at.Record < r.to.Record && !r.stopped {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		text, err := r.in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.line(text); err != nil {
			return err
		}
	}
	return nil
}

// line takes one line, with its end. Records that the position is behind already are passed over.
func (r *reader) line(text []byte) error {
	l, err := parseLine(text[:len(text)-1])
	if err != nil || l.log != r.to.Log {
		return errMisplaced
	}
	offset := r.at.Offset + int64(len(text))
	if l.seq <= r.at.Record {
		r.at.Offset = offset
		return nil
	}
	if r.missing = l.seq - r.at.Record - 1; r.missing > 0 {
		r.at.Record, r.stopped = l.seq-1, true
		return nil
	}
	r.at.Record, r.at.Offset = l.seq, offset
	end := bytes.LastIndex(text, []byte(chainStart))
	r.buf = append(append(r.buf[:0], text[:end]...), '}')
	r.stopped = !r.f(r.buf, r.at)
	return nil
}
