package cpu

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// mapCopy maps a file of the given content.
func mapCopy(t *testing.T, content []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weights")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	data, err := unix.Mmap(int(f.Fd()), 0, len(content), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(data) })
	return data
}

// TestGiveBack checks that what is given back can be read again, and that private memory stays.
func TestGiveBack(t *testing.T) {
	content := bytes.Repeat([]byte("weights "), 4096)
	data := mapCopy(t, content)
	for _, part := range [][]byte{data, data[5:], data[100:200], data[:0], data[4000 : 4096*3]} {
		giveBack(sharedMappings(), part)
		if !bytes.Equal(data, content) {
			t.Fatal("the content of a shared mapping changed")
		}
	}
	heap := bytes.Clone(content)
	giveBack(sharedMappings(), heap)
	if !bytes.Equal(heap, content) {
		t.Fatal("memory that no file backs was given back")
	}
}

func TestParseMapping(t *testing.T) {
	f := func(line string, want span, shared bool) {
		t.Helper()
		if m, ok := parseMapping(line); ok != shared || ok && m != want {
			t.Errorf("parseMapping(%q) = %v, %v", line, m, ok)
		}
	}
	f("7f00-7f10 r--s 00000000 08:01 42   /models/a.gguf", span{0x7f00, 0x7f10}, true)
	f("7f00-7f10 r--p 00000000 08:01 42   /models/a.gguf", span{}, false)
	f("7f00-zz rw-s 00000000 08:01 42", span{}, false)
	f("", span{}, false)
}
