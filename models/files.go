package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Greatest sizes of the files that are read whole.
const (
	maxConfig    = 16 << 20
	maxTokenizer = 512 << 20
)

// readFile reads a file of bounded size.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("cannot read %s: it is no regular file", path)
	case info.Size() > limit:
		return nil, fmt.Errorf("cannot read %s: it has %d bytes, the limit is %d", path,
			info.Size(), limit)
	}
	return os.ReadFile(path)
}

// readOptional gives nil for a file that is not there.
func readOptional(path string, limit int64) ([]byte, error) {
	data, err := readFile(path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
