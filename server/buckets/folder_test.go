package buckets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const folderTable = "buckets:\n  data: {tenants: [x], folder: FOLDER/a}\n"

func read(t *testing.T, p *Place) (string, error) {
	t.Helper()
	r, err := p.Open(t.Context())
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), errors.Join(err, r.Close())
}

func put(t *testing.T, p *Place, text string) {
	t.Helper()
	if err := p.Put(t.Context(), strings.NewReader(text), "job"); err != nil {
		t.Fatal(err)
	}
}

func TestFolderRoundTrip(t *testing.T) {
	table, dir := mustOpen(t, folderTable)
	p := mustFind(t, table, "x", "s3://data/new/deep/ä b.jsonl")
	if _, err := read(t, p); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	put(t, p, "one")
	put(t, p, "two")
	if text, err := read(t, p); text != "two" || err != nil {
		t.Error(text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a/new/deep/ä b.jsonl")); err != nil {
		t.Error(err)
	}
	put(t, p.at(URI{"data", "new/deep/z.jsonl"}), "z")
	put(t, p.at(URI{"data", "new/deep/.hidden.jsonl"}), "h")
	put(t, p.at(URI{"data", "new/deep/a.txt"}), "t")
	put(t, p.at(URI{"data", "new/deep/lower/x.jsonl"}), "x")
	list, err := mustFind(t, table, "x", "s3://data/new/deep/").List(t.Context(), ".jsonl")
	if err != nil || len(list) != 2 || list[0].URI.Key != "new/deep/z.jsonl" ||
		list[1].URI.Key != "new/deep/ä b.jsonl" {
		t.Error(list, err)
	}
	if _, err := mustFind(t, table, "x", "s3://data/absent/").List(t.Context(),
		".jsonl"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestLeftoversOfAKilledWriter: the part of a file that a killed process left does not matter.
func TestLeftoversOfAKilledWriter(t *testing.T) {
	table, dir := mustOpen(t, folderTable)
	write(t, filepath.Join(dir, "a", ".basalt-job-out.part"), "half")
	p := mustFind(t, table, "x", "s3://data/out")
	put(t, p, "whole")
	if text, err := read(t, p); text != "whole" || err != nil {
		t.Error(text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a", ".basalt-job-out.part")); err == nil {
		t.Error("the part is still there")
	}
}

// TestNothingLeavesTheFolder tries links of all kinds, and things that are no files.
func TestNothingLeavesTheFolder(t *testing.T) {
	table, dir := mustOpen(t, folderTable)
	write(t, filepath.Join(dir, "b", "theirs"), "secret of another tenant")
	write(t, filepath.Join(dir, "a", "mine"), "own")
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, "a", name)); err != nil {
			t.Fatal(err)
		}
	}
	link("../b/theirs", "relative")
	link(filepath.Join(dir, "b", "theirs"), "absolute")
	link("../b", "folder")
	link("..", "up")
	link("/etc/passwd", "passwd")
	link("relative", "twice")
	link("mine", "inside")
	if err := unix.Mkfifo(filepath.Join(dir, "a", "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	place := func(key string) *Place { return mustFind(t, table, "x", "s3://data/"+key) }
	for _, key := range []string{
		"relative", "absolute", "folder/theirs", "up/b/theirs", "passwd", "twice", "fifo", "inner",
	} {
		text, err := read(t, place(key))
		if err == nil || text != "" {
			t.Errorf("%s gives %q", key, text)
		}
		if err != nil && strings.Contains(err.Error(), dir) {
			t.Errorf("%s tells a path: %v", key, err)
		}
	}
	if text, err := read(t, place("inside")); text != "own" || err != nil {
		t.Error(text, err)
	}
	for _, key := range []string{"folder/new", "up/b/new", "up/new", "folder/theirs"} {
		if err := place(key).Put(t.Context(), strings.NewReader("x"), "job"); err == nil {
			t.Errorf("%s is written", key)
		}
	}
	// A link in the place of the result is replaced, not followed.
	put(t, place("absolute"), "result")
	theirs, err := os.ReadFile(filepath.Join(dir, "b", "theirs"))
	if err != nil || string(theirs) != "secret of another tenant" {
		t.Errorf("%q, %v", theirs, err)
	}
	if list, err := place("folder/").List(t.Context(), ""); err == nil {
		t.Error("a folder outside is listed", list)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "b")); err != nil || len(entries) != 1 {
		t.Error(entries, err)
	}
}

// TestAFolderThatMoves swaps a folder for a link while files are written through it.
func TestAFolderThatMoves(t *testing.T) {
	table, dir := mustOpen(t, folderTable)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	swap := filepath.Join(dir, "a", "swap")
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.RemoveAll(swap)
			_ = os.Mkdir(swap, 0o700)
			_ = os.RemoveAll(swap)
			_ = os.Symlink("../b", swap)
		}
	})
	for i := range 300 {
		p := mustFind(t, table, "x", fmt.Sprintf("s3://data/swap/f%d", i))
		_ = p.Put(t.Context(), strings.NewReader("x"), "job")
	}
	close(stop)
	wg.Wait()
	if entries, err := os.ReadDir(filepath.Join(dir, "b")); err != nil || len(entries) != 0 {
		t.Error("files were written outside:", entries, err)
	}
}

func TestReadOnly(t *testing.T) {
	table, _ := mustOpen(t, "buckets:\n  data: {tenants: [x], read-only: true, folder: FOLDER/a}\n")
	p := mustFind(t, table, "x", "s3://data/out")
	if err := p.Writable(); err == nil {
		t.Error("it is writable")
	}
	if err := p.Put(t.Context(), strings.NewReader("x"), "job"); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
}
