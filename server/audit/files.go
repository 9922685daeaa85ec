package audit

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The files of a log are audit-00000001.jsonl, audit-00000002.jsonl ... in one folder.
const (
	filePrefix = "audit-"
	fileEnd    = ".jsonl"
)

func fileName(n uint64) string { return fmt.Sprintf("%s%08d%s", filePrefix, n, fileEnd) }

// listFiles gives the numbers of a log's files, ascending.
func listFiles(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), filePrefix)
		digits, end := strings.CutSuffix(digits, fileEnd)
		if n, err := strconv.ParseUint(digits, 10, 64); ok && end && err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// maxLine is no shorter than any line: the body of a request and an answer, escaped.
const maxLine = 256 << 20

// eachLine calls f with every whole line of a file, without its end, and gives what is left behind
// the last one.
func eachLine(path string, f func(text []byte) error) (rest []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	in := bufio.NewReaderSize(file, 1<<20)
	for {
		text, end := in.ReadBytes('\n')
		if errors.Is(end, io.EOF) {
			return text, nil
		}
		if end != nil {
			return nil, end
		}
		if len(text) > maxLine {
			return nil, errLine
		}
		if err := f(text[:len(text)-1]); err != nil {
			return nil, err
		}
	}
}

// lockDir keeps a second process from writing the same log.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another process writes the audit log in %s", dir),
			f.Close())
	}
	return f, nil
}

// tail is how a log ends.
type tail struct {
	file uint64 // number of its last file, 0: there is none
	size int64  // of the last file's whole lines
	torn int    // bytes behind them: a line that was being written when the power went
	head link
}

// findTail reads a log's first line and its last file. Its last line must be of this key, so that a
// log is never carried on by somebody else.
func findTail(dir string, key ed25519.PublicKey) (tail, error) {
	var out tail
	files, err := listFiles(dir)
	if err != nil || len(files) == 0 {
		return out, err
	}
	for i := len(files) - 1; i >= 0 && out.head.seq == 0; i-- {
		if err := out.readFile(dir, files[i], key); err != nil {
			return out, err
		}
	}
	return out, nil
}

// readFile takes the last whole line of a file. A file without one is passed over: it was begun
// and nothing written.
func (t *tail) readFile(dir string, n uint64, key ed25519.PublicKey) error {
	path := filepath.Join(dir, fileName(n))
	var last []byte
	size := int64(0)
	rest, err := eachLine(path, func(text []byte) error {
		last = append(last[:0], text...)
		size += int64(len(text)) + 1
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	t.file = max(t.file, n)
	if t.file == n {
		t.size, t.torn = size, len(rest)
	}
	if last == nil {
		return nil
	}
	l, err := parseLine(last)
	if err == nil && !l.verify(key) {
		err = errors.New("its last record is not signed by this key")
	}
	if err != nil {
		return fmt.Errorf("cannot carry %s on: %w; basalt audit verify says more", path, err)
	}
	t.head = link{l.log, l.seq, sha256.Sum256(last)}
	return nil
}
