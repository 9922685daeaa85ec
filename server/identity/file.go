package identity

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Entry is what a key file tells of a key.
type Entry struct {
	ID, Principal, Kind, Expires string
}

// List reads the entries of a key file. Secrets are not looked at.
func List(path string) ([]Entry, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []Entry
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		if len(fields) < 4 {
			return nil, fmt.Errorf("%s, line %d: %w", path, n, errKeyLine)
		}
		e := Entry{ID: fields[0], Principal: fields[1], Kind: fields[2]}
		if len(fields) > 4 {
			e.Expires = strings.TrimPrefix(fields[4], "expires:")
		}
		out = append(out, e)
	}
	return out, lines.Err()
}

// Add puts a new key's line into a key file, which it makes when there is none.
func Add(path string, m Minted) error {
	return edit(path, func(text []byte) ([]byte, error) {
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		return append(text, m.Line+"\n"...), nil
	})
}

// Revoke takes a key out of a key file: the server refuses it from the next request on.
func Revoke(path, id string) error {
	return edit(path, func(text []byte) ([]byte, error) {
		var out []byte
		found := false
		for line := range bytes.Lines(text) {
			if fields := bytes.Fields(line); len(fields) > 0 && string(fields[0]) == id {
				found = true
				continue
			}
			out = append(out, line...)
		}
		if !found {
			return nil, fmt.Errorf("%s has no key %q; basalt keys list shows all", path, id)
		}
		return out, nil
	})
}

// edit replaces a file at once, so that a reader finds the old text or the new one, and keeps
// others from editing meanwhile.
func edit(path string, change func([]byte) ([]byte, error)) (err error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("cannot lock %s: %w", path, err)
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if text, err = change(text); err != nil {
		return err
	}
	return replace(path, text)
}

func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
