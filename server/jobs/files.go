package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// File is a tenant's file. It does not change.
type File struct {
	ID      string    `json:"id"`
	Tenant  string    `json:"tenant"`
	Name    string    `json:"name"`
	Purpose string    `json:"purpose"`
	Bytes   int64     `json:"bytes"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

const (
	metaFile = "meta.json"
	dataFile = "data"
)

func (s *Store) readFiles() error {
	names, err := finished(s.path(filesFolder))
	if err != nil {
		return err
	}
	for _, id := range names {
		text, err := os.ReadFile(s.path(filesFolder, id, metaFile))
		if err != nil {
			return err
		}
		var f File
		if err := json.Unmarshal(text, &f); err != nil || f.ID != id {
			return fmt.Errorf("the file %s is not described: %w", id, err)
		}
		s.files[id] = &f
		s.used[f.Tenant] += f.Bytes
	}
	return nil
}

// AddFile keeps a file of a known size; it is durable when AddFile returns. A file that is there
// already is the same one.
func (s *Store) AddFile(f File, data io.Reader) (*File, error) {
	old, err := s.reserve(&f)
	if old != nil || err != nil {
		return old, err
	}
	if err = s.writeFile(&f, data); err != nil {
		err = fmt.Errorf("cannot keep the file: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.used[f.Tenant] -= f.Bytes
		return nil, err
	}
	s.files[f.ID] = &f
	return &f, nil
}

// reserve takes a file's bytes of its tenant's, or gives the file that is there already.
func (s *Store) reserve(f *File) (*File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if old := s.files[f.ID]; old != nil {
		return old, nil
	}
	if used := s.used[f.Tenant]; used+f.Bytes > s.cfg.MaxFiles {
		return nil, fmt.Errorf("%w: there are %d bytes of files; with %d more there would be more "+
			"than %d", ErrQuota, used, f.Bytes, s.cfg.MaxFiles)
	}
	s.used[f.Tenant] += f.Bytes
	return nil, nil
}

func (s *Store) writeFile(f *File, data io.Reader) error {
	text, err := json.Marshal(f)
	if err != nil {
		panic("BUG: cannot encode a file: " + err.Error())
	}
	return makeFolder(s.path(filesFolder), f.ID, func(dir string) error {
		return errors.Join(
			writeDurably(filepath.Join(dir, dataFile), func(to *os.File) error {
				n, err := io.Copy(to, data)
				if err == nil && n != f.Bytes {
					err = fmt.Errorf("it has %d bytes in the place of %d", n, f.Bytes)
				}
				return err
			}),
			writeDurably(filepath.Join(dir, metaFile), func(to *os.File) error {
				_, err := to.Write(text)
				return err
			}))
	})
}

// File finds a tenant's file, nil where there is none.
func (s *Store) File(tenant, id string) *File {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[id]
	if f == nil || f.Tenant != tenant || !f.Expires.IsZero() && !s.cfg.Now().Before(f.Expires) {
		return nil
	}
	return f
}

// ListFiles gives a tenant's files, the oldest first.
func (s *Store) ListFiles(tenant string) []*File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*File
	now := s.cfg.Now()
	for _, f := range s.files {
		if f.Tenant == tenant && (f.Expires.IsZero() || now.Before(f.Expires)) {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *File) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// OpenFile reads a file. The caller closes it; removing the file does not disturb the reader.
func (s *Store) OpenFile(f *File) (*os.File, error) {
	return os.Open(s.path(filesFolder, f.ID, dataFile))
}

// RemoveFile removes a file.
func (s *Store) RemoveFile(f *File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files[f.ID] == nil {
		return nil
	}
	return s.removeFile(f.ID)
}

func (s *Store) removeFile(id string) error {
	if err := dropFolder(s.path(filesFolder), id); err != nil {
		return fmt.Errorf("cannot remove the file %s: %w", id, err)
	}
	f := s.files[id]
	delete(s.files, id)
	s.used[f.Tenant] -= f.Bytes
	return nil
}
