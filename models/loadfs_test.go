package models

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// mapped reads a folder's files into memory.
func mapped(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	files := make(fstest.MapFS)
	paths, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = &fstest.MapFile{Data: data}
	}
	return files
}

func TestLoadFSEqualsLoad(t *testing.T) {
	const dir = "../testdata/qwen3"
	want, err := Load(dir, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = want.Close() }()
	got, err := LoadFS(want.Name, mapped(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.Config, got.Config); d != "" {
		t.Errorf("configurations differ: %s", d)
	}
	if d := cmp.Diff(want.Generation, got.Generation); d != "" {
		t.Errorf("generation settings differ: %s", d)
	}
	for _, name := range want.Checkpoint.Names() {
		w, _ := want.Checkpoint.Tensor(name)
		g, ok := got.Checkpoint.Tensor(name)
		same := ok && w.DType == g.DType && slices.Equal(w.Shape, g.Shape)
		if !same || !bytes.Equal(w.Data, g.Data) {
			t.Errorf("tensor %q differs", name)
		}
	}
}

func TestLoadFSRefuses(t *testing.T) {
	f := func(change func(fstest.MapFS), want string) {
		t.Helper()
		files := mapped(t, "../testdata/qwen3")
		change(files)
		_, err := LoadFS("m", files)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	f(func(m fstest.MapFS) { delete(m, "model.safetensors") }, `cannot open model "m"`)
	f(func(m fstest.MapFS) { delete(m, "config.json") }, "config.json")
	f(func(m fstest.MapFS) {
		w := m["model.safetensors"]
		w.Data = w.Data[:len(w.Data)-1]
	}, "cannot read model.safetensors of \"m\"")
	f(func(m fstest.MapFS) { m["model.safetensors"].Data = nil }, "too few")
}
