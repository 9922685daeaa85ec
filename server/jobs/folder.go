package jobs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A store's folder has jobs/ID/ with job.jsonl, input.jsonl and results.jsonl, and files/ID/ with
// meta.json and data. A folder whose name begins with "new-" is one that was never finished.
const (
	jobsFolder  = "jobs"
	filesFolder = "files"
	unfinished  = "new-"

	jobFile     = "job.jsonl"
	inputFile   = "input.jsonl"
	resultsFile = "results.jsonl"
)

// idLetters are those of ids: 36 letters, 12 of them, are 62 bits.
const idLetters = "abcdefghijklmnopqrstuvwxyz0123456789"

// NewID draws an id of n lower case letters and digits.
func NewID(n int) string {
	out := make([]byte, 0, n)
	var b [64]byte
	for {
		rand.Read(b[:])
		for _, c := range b {
			if len(out) == n {
				return string(out)
			}
			if c < 252 { // a multiple of 36: no letter is likelier
				out = append(out, idLetters[c%36])
			}
		}
	}
}

// validID keeps whatever a client calls an id from being a path.
func validID(id string) bool {
	const maxID = 64
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return id != "" && len(id) <= maxID && !strings.HasPrefix(id, unfinished)
}

// lockFolder keeps a second server out.
func lockFolder(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another server uses %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// makeFolder makes parent/id at once: fill puts files into it, which are durable before it has its
// name.
func makeFolder(parent, id string, fill func(dir string) error) error {
	dir := filepath.Join(parent, unfinished+id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	err := fill(dir)
	if err == nil {
		err = syncFolder(dir)
	}
	if err == nil {
		err = os.Rename(dir, filepath.Join(parent, id))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return syncFolder(parent)
}

// dropFolder removes parent/id so that a half removed one is not taken for whole.
func dropFolder(parent, id string) error {
	dir := filepath.Join(parent, unfinished+id)
	if err := os.Rename(filepath.Join(parent, id), dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// finished lists the folders of a parent, and removes those that were never finished.
func finished(parent string) ([]string, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		if validID(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeDurably makes a file.
func writeDurably(path string, fill func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
