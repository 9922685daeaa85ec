package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// configurations are kept in files beside the log, one for each scope, so that they survive a
// restart.
type configurations struct {
	mu      sync.Mutex
	dir     string
	current atomic.Pointer[map[string]*Configuration] // by scope; neither changes
}

func (s *configurations) load() map[string]*Configuration { return *s.current.Load() }

// Files are delivery.json, of every tenant, and delivery-TENANT.json.
const (
	deliveryFile = "delivery"
	jsonEnd      = ".json"
)

// ScopedFile is the name of a scope's file: name.json or name-TENANT.json.
func ScopedFile(name, scope string) string {
	if scope == EveryTenant {
		return name + jsonEnd
	}
	return name + "-" + url.PathEscape(scope) + jsonEnd
}

// ScopeOf is the scope of a file that ScopedFile named.
func ScopeOf(name, file string) (scope string, ok bool) {
	rest, ok := strings.CutPrefix(file, name)
	rest, end := strings.CutSuffix(rest, jsonEnd)
	if !ok || !end {
		return "", false
	}
	if rest == "" {
		return EveryTenant, true
	}
	rest, ok = strings.CutPrefix(rest, "-")
	scope, err := url.PathUnescape(rest)
	return scope, ok && err == nil && scope != ""
}

func (s *configurations) open(dir string) error {
	s.dir = dir
	all := make(map[string]*Configuration)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		scope, ok := ScopeOf(deliveryFile, e.Name())
		if !ok {
			continue
		}
		c := &Configuration{}
		if err := ReadState(filepath.Join(dir, e.Name()), c); err != nil {
			return err
		}
		all[scope] = c
	}
	s.current.Store(&all)
	return nil
}

// ErrContent is the error of a Delivery that the log's Config does not allow.
var ErrContent = errors.New("prompts and answers may not be in the log")

// set changes a scope; nil takes it away. now is the end of the log.
func (s *configurations) set(scope string, c *Configuration, now Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := maps.Clone(s.load())
	path := filepath.Join(s.dir, ScopedFile(deliveryFile, scope))
	if c == nil {
		delete(all, scope)
		if err := RemoveState(path); err != nil {
			return err
		}
		s.current.Store(&all)
		return nil
	}
	if c.S3 != nil {
		c.Since = now
		if before := all[scope]; before != nil && before.S3 != nil {
			c.Since = before.Since
		}
	}
	if err := WriteState(path, c); err != nil {
		return err
	}
	all[scope] = c
	s.current.Store(&all)
	return nil
}

// ReadState reads a file that WriteState wrote.
func ReadState(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	return nil
}

// WriteState replaces a small file beside the log: at any moment, also after a loss of power, there
// is the old one or the new one.
func WriteState(path string, v any) error {
	next := path + ".new"
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text(v))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// RemoveState removes such a file, if there is one.
func RemoveState(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}
