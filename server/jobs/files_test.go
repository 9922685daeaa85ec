package jobs

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func addFile(t *testing.T, s *Store, id, tenant, text string) *File {
	t.Helper()
	f, err := s.AddFile(File{
		ID: id, Tenant: tenant, Name: id + ".jsonl", Purpose: "batch", Bytes: int64(len(text)),
		Created: time.Now(),
	}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFilesAreKept(t *testing.T) {
	w := newShop(t)
	dir := t.TempDir()
	s := w.open(t, Config{Folder: dir, MaxFiles: 10})
	addFile(t, s, "file-a", "acme", "12345")
	addFile(t, s, "file-b", "other", "123456789")
	if _, err := s.AddFile(File{ID: "file-c", Tenant: "acme", Bytes: 6},
		strings.NewReader("123456")); !errors.Is(err, ErrQuota) {
		t.Error(err)
	}
	if _, err := s.AddFile(File{ID: "file-d", Tenant: "acme", Bytes: 4},
		strings.NewReader("123")); err == nil {
		t.Error("a file of the wrong size is kept")
	}
	closeStore(t, s)
	s = w.open(t, Config{Folder: dir, MaxFiles: 10})
	defer closeStore(t, s)
	if s.File("other", "file-a") != nil || len(s.ListFiles("acme")) != 1 {
		t.Error("files are not their tenants'")
	}
	f := s.File("acme", "file-a")
	r, err := s.OpenFile(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveFile(f); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || string(text) != "12345" {
		t.Error(string(text), err)
	}
	if s.File("acme", "file-a") != nil {
		t.Error("a removed file is there")
	}
	addFile(t, s, "file-e", "acme", "1234567890")
	same := addFile(t, s, "file-e", "acme", "1234567890")
	if same != s.File("acme", "file-e") {
		t.Error("the same file is kept twice")
	}
}

func TestFilesExpire(t *testing.T) {
	w := newShop(t)
	dir := t.TempDir()
	s := w.open(t, Config{Folder: dir})
	if _, err := s.AddFile(File{
		ID: "file-a", Tenant: "acme", Bytes: 1, Expires: time.Now().Add(time.Hour),
	}, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if s.File("acme", "file-a") == nil {
		t.Error("it is gone too early")
	}
	closeStore(t, s)
	s = w.open(t, Config{Folder: dir, Now: func() time.Time {
		return time.Now().Add(2 * time.Hour)
	}})
	defer closeStore(t, s)
	if s.File("acme", "file-a") != nil || len(s.ListFiles("acme")) != 0 {
		t.Error("it is still there")
	}
	waitFor(t, "the removal", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.files) == 0 && s.used["acme"] == 0
	})
}
