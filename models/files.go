package models

import (
	"errors"
	"fmt"
	"io/fs"
)

// Greatest sizes of the files that are read whole.
const (
	maxConfig    = 16 << 20
	maxTokenizer = 512 << 20
)

// readFile reads a file of bounded size.
func readFile(dir fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(dir, name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("cannot read %s: it is no regular file", name)
	case info.Size() > limit:
		return nil, fmt.Errorf("cannot read %s: it has %d bytes, the limit is %d", name,
			info.Size(), limit)
	}
	return fs.ReadFile(dir, name)
}

// readOptional gives nil for a file that is not there.
func readOptional(dir fs.FS, name string, limit int64) ([]byte, error) {
	data, err := readFile(dir, name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
