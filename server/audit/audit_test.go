package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// open opens a log that is closed with the test.
func open(t testing.TB, cfg Config) *Log {
	t.Helper()
	if cfg.Report == nil {
		cfg.Report = func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func anchorsTo(t testing.TB, path string) *Anchors {
	t.Helper()
	a, err := OpenAnchors(path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func record(i int) []byte {
	r := Invocation{
		Timestamp: Time(time.Unix(int64(i), 0)), RequestID: fmt.Sprint(i), Operation: "Converse",
		// A body may look like a chain.
		Input: Input{BodyJSON: json.RawMessage(`{"a":1,"chain":{"log":"","seq":1,"prev":"x"}}`)},
	}
	return r.JSON()
}

// fill appends records, from several goroutines at once.
func fill(t testing.TB, l *Log, num int) {
	t.Helper()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := g; i < num; i += 8 {
				if err := l.Append(record(i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// written is a log of records in one file, and its anchors.
type written struct {
	t       testing.TB
	key     ed25519.PrivateKey
	dir     string
	anchors string
	lines   [][]byte
}

func write(t testing.TB, num int) *written {
	t.Helper()
	w := &written{t: t, key: newKey(t), dir: t.TempDir()}
	path := filepath.Join(t.TempDir(), "anchors")
	l := open(t, Config{
		Dir: w.dir, Key: w.key, Sync: SyncNever, Anchors: anchorsTo(t, path),
		AnchorInterval: time.Hour,
	})
	fill(t, l, num)
	closeLog(t, l)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w.anchors = string(data)
	if data, err = os.ReadFile(filepath.Join(w.dir, fileName(1))); err != nil {
		t.Fatal(err)
	}
	w.lines = bytes.SplitAfter(data, []byte("\n"))
	w.lines = w.lines[:len(w.lines)-1]
	return w
}

// verify puts lines in the place of the log's and verifies them.
func (w *written) verify(lines [][]byte, anchors string) (*Report, error) {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName(1)), bytes.Join(lines, nil),
		0o600); err != nil {
		w.t.Fatal(err)
	}
	if anchors == "" {
		return Verify(dir, publicOf(w.key), nil)
	}
	return Verify(dir, publicOf(w.key), strings.NewReader(anchors))
}

// TestALongLogShowsEveryAttack attacks 10,000 records in the middle.
func TestALongLogShowsEveryAttack(t *testing.T) {
	const numRecords = 10_000
	w := write(t, numRecords)
	r, err := Verify(w.dir, publicOf(w.key), strings.NewReader(w.anchors))
	if err != nil {
		t.Fatal(err)
	}
	if r.First != 1 || r.Last != numRecords || r.Anchors < 5 || r.LastAnchor != numRecords ||
		r.Unprotected() != 0 {
		t.Errorf("%+v", r)
	}
	w.attack(t, numRecords/2)
	// What remains: the tail behind the last anchor.
	anchors := strings.SplitAfter(w.anchors, "\n")
	r, err = w.verify(w.lines[:9990], strings.Join(anchors[:3], ""))
	if err != nil || r.Unprotected() != 9990-r.LastAnchor || r.LastAnchor < 1000 {
		t.Errorf("cut behind the last anchor: %+v %v", r, err)
	}
}

func TestAttacksShowAnywhere(t *testing.T) {
	const numRecords = 100
	w := write(t, numRecords)
	r, err := Verify(w.dir, publicOf(w.key), nil)
	if err != nil || r.Unprotected() != numRecords {
		t.Errorf("without anchors: %+v %v", r, err)
	}
	w.attack(t, 0, 1, numRecords-2, numRecords-1)
	w.attackByte(t)
	w.attackAnchors(t)
}

// attack changes the log in every way in which somebody without the key can.
func (w *written) attack(t *testing.T, places ...int) {
	try := func(what string, anchors string, change func(lines [][]byte) [][]byte) {
		t.Helper()
		_, err := w.verify(change(slices.Clone(w.lines)), anchors)
		if !IsFault(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := newKey(t)
	for _, at := range places {
		try("edit", "", func(l [][]byte) [][]byte {
			l[at] = bytes.Replace(l[at], []byte("Converse"), []byte("Conversa"), 1)
			return l
		})
		if at < len(w.lines)-1 { // at the end it is a truncation
			try("deletion", "", func(l [][]byte) [][]byte { return slices.Delete(l, at, at+1) })
		}
		try("deletion", w.anchors, func(l [][]byte) [][]byte { return slices.Delete(l, at, at+1) })
		try("reordering", "", func(l [][]byte) [][]byte {
			next := (at + 1) % len(l)
			l[at], l[next] = l[next], l[at]
			return l
		})
		try("repetition", "", func(l [][]byte) [][]byte { return slices.Insert(l, at, l[at]) })
		try("forgery by another key", "", func(l [][]byte) [][]byte { return forge(l, at, other) })
		try("insertion without a key", "", func(l [][]byte) [][]byte {
			return slices.Insert(l, at, []byte(`{"a":1}`+"\n"))
		})
		try("truncation", w.anchors, func(l [][]byte) [][]byte { return l[:at] })
		try("half a line", w.anchors, func(l [][]byte) [][]byte {
			return append(l[:at:at], l[at][:len(l[at])/2])
		})
	}
}

// forge writes a record anew, and all behind it, with a key that is not the log's.
func forge(lines [][]byte, at int, key ed25519.PrivateKey) [][]byte {
	l, err := parseLine(lines[at][:len(lines[at])-1])
	if err != nil {
		panic(err)
	}
	head := link{l.log, l.seq - 1, l.prev}
	for i := at; i < len(lines); i++ {
		lines[i], head = signer{key}.appendLine(nil, record(7), head)
	}
	return lines
}

// attackByte flips each byte of one line.
func (w *written) attackByte(t *testing.T) {
	lines := slices.Clone(w.lines[:3])
	for i := range len(lines[1]) - 1 {
		for _, flip := range []byte{1, 0x20} {
			changed := slices.Clone(lines[1])
			changed[i] ^= flip
			if _, err := w.verify([][]byte{lines[0], changed, lines[2]}, ""); !IsFault(err) {
				t.Fatalf("byte %d of a line is %q, and nobody sees it: %v", i, changed[i], err)
			}
		}
	}
}

func (w *written) attackAnchors(t *testing.T) {
	try := func(what, anchors string, want bool) {
		t.Helper()
		if _, err := w.verify(w.lines, anchors); IsFault(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	lines := strings.SplitAfter(w.anchors, "\n")
	try("as syslog writes them", "Nov 23 01:02:03 host basalt[7]: "+lines[0]+"noise\n", false)
	try("the last one torn", w.anchors+"basalt-anchor v1 abc", false)
	try("a number changed", strings.Replace(w.anchors, " 100 ", " 99 ", 1), true)
	try("a time changed", strings.Replace(w.anchors, "T", "U", 1), true)
	try("a malformed one", "basalt-anchor v1 x y\n"+w.anchors, true)
	elsewhere := write(t, 10)
	try("those of another log and key", elsewhere.anchors, false)
	try("those of another log and key beside", elsewhere.anchors+w.anchors, false)
	elsewhere = &written{t: t, key: w.key, dir: t.TempDir()}
	l := open(t, Config{
		Dir: elsewhere.dir, Key: w.key,
		Anchors: anchorsTo(t, filepath.Join(elsewhere.dir, "anchors")),
	})
	fill(t, l, 10)
	closeLog(t, l)
	data, err := os.ReadFile(filepath.Join(elsewhere.dir, "anchors"))
	if err != nil {
		t.Fatal(err)
	}
	try("a log put in the place of another", string(data), true)
}

func FuzzParseLine(f *testing.F) {
	key := newKey(f)
	good, _ := signer{key}.appendLine(nil, record(1), link{log: newLogID()})
	f.Add(good[:len(good)-1])
	f.Add([]byte(`{"a":1,"chain":{"log":"","seq":1,"prev":"","sig":""}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLine(text)
		if err == nil && l.verify(publicOf(key)) && !bytes.Equal(text, good[:len(good)-1]) {
			t.Fatalf("%q verifies", text)
		}
	})
}

func FuzzAnchors(f *testing.F) {
	f.Add("Nov 1 x basalt-anchor v1 a 1 00 t sig\n")
	f.Add("basalt-anchor v1 ")
	key := newKey(f)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readAnchors(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, a := range all {
			if a.verify(publicOf(key)) {
				t.Fatalf("%q verifies", text)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	l := open(b, Config{Dir: b.TempDir(), Key: newKey(b), Sync: SyncNever})
	r := record(1)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := l.Append(r); err != nil {
				b.Error(err)
			}
		}
	})
}

func TestBodiesAreKeptAsTheyWere(t *testing.T) {
	r := &Invocation{}
	r.Input.BodyJSON = []byte(`{"a":"<b> & c"}`)
	if got := string(r.JSON()); !strings.Contains(got, `{"a":"<b> & c"}`) ||
		strings.HasSuffix(got, "\n") {
		t.Error(got)
	}
}
