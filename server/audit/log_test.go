package audit

import (
	"bytes"
	"crypto/ed25519"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestALogGoesOnAfterARestart(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	path := filepath.Join(t.TempDir(), "anchors")
	for i := range 4 {
		l := open(t, Config{Dir: dir, Key: key, Anchors: anchorsTo(t, path), MaxFile: 3000})
		fill(t, l, 10)
		if _, err := Open(Config{Dir: dir, Key: key}); err == nil ||
			!strings.Contains(err.Error(), "another process writes") {
			t.Errorf("a second writer: %v", err)
		}
		closeLog(t, l)
		if err := l.Append(record(1)); err == nil {
			t.Error("a closed log takes records")
		}
		if l.Len() != uint64(10*(i+1)) {
			t.Errorf("%d records", l.Len())
		}
	}
	anchors, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = anchors.Close() }()
	r, err := Verify(dir, publicOf(key), anchors)
	if err != nil || r.Last != 40 || r.Unprotected() != 0 {
		t.Errorf("%+v %v", r, err)
	}
	if files, err := listFiles(dir); err != nil || len(files) < 4 {
		t.Errorf("files %v, %v", files, err)
	}
	if _, err := Open(Config{Dir: dir, Key: newKey(t)}); err == nil ||
		!strings.Contains(err.Error(), "not signed by this key") {
		t.Errorf("another key: %v", err)
	}
}

// TestATornLineIsLeftOut is what a power cut leaves.
func TestATornLineIsLeftOut(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	l := open(t, Config{Dir: dir, Key: key})
	fill(t, l, 5)
	closeLog(t, l)
	path := filepath.Join(dir, fileName(1))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, `{"half":`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(dir, publicOf(key), nil); err != nil || r.Torn != 8 || r.Last != 5 {
		t.Errorf("%+v %v", r, err)
	}
	l = open(t, Config{Dir: dir, Key: key})
	fill(t, l, 5)
	closeLog(t, l)
	if r, err := Verify(dir, publicOf(key), nil); err != nil || r.Torn != 0 || r.Last != 10 {
		t.Errorf("%+v %v", r, err)
	}
	if kept, err := os.ReadFile(path + ".torn"); err != nil || string(kept) != `{"half":` {
		t.Errorf("%q %v", kept, err)
	}
}

// TestATruncatedLogIsNotCarriedOn cuts records off between two runs.
func TestATruncatedLogIsNotCarriedOn(t *testing.T) {
	w := write(t, 50)
	path := filepath.Join(t.TempDir(), "anchors")
	if err := os.WriteFile(path, []byte(w.anchors), 0o600); err != nil {
		t.Fatal(err)
	}
	try := func(lines [][]byte) {
		t.Helper()
		file := filepath.Join(w.dir, fileName(1))
		if err := os.WriteFile(file, bytes.Join(lines, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Config{Dir: w.dir, Key: w.key, Anchors: anchorsTo(t, path)})
		if err == nil || !strings.Contains(err.Error(), "was anchored at record 50") {
			t.Errorf("%d lines: %v", len(lines), err)
		}
	}
	try(w.lines[:49])
	try(nil)
}

func TestOldFilesAreRemovedWithARecord(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	l := open(t, Config{Dir: dir, Key: key, MaxFile: 2000, MaxFiles: 3, Sync: SyncOften})
	for i := range 60 {
		if err := l.Append(record(i)); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	files, err := listFiles(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	r, err := Verify(dir, publicOf(key), nil)
	if err != nil || r.First == 1 || r.Removed != r.First-1 || r.Last <= 60 {
		t.Errorf("%+v %v", r, err)
	}
	// Another file removed by hand is missed.
	if err := os.Remove(filepath.Join(dir, fileName(files[0]))); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(dir, publicOf(key), nil); !IsFault(err) {
		t.Errorf("a file that somebody removed: %v", err)
	}
}

func TestKeysOfLogsAreFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := NewKey(path); err != nil {
		t.Fatal(err)
	}
	if err := NewKey(path); err == nil {
		t.Error("a key is overwritten")
	}
	private, err := ReadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ReadPublicKey(path + ".pub")
	if err != nil || !public.Equal(publicOf(private)) {
		t.Error("the halves do not fit", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(path); err == nil {
		t.Error("a key that others may read is taken")
	}
	for _, wrong := range []string{path + ".pub", path + ".none"} {
		if _, err := ReadKey(wrong); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
	if _, err := ReadPublicKey(path); err == nil {
		t.Error("a private key is taken for a public one")
	}
}

func TestStrangersFillNoDisk(t *testing.T) {
	now := time.Unix(0, 0)
	var mu sync.Mutex
	dir, key := t.TempDir(), newKey(t)
	l := open(t, Config{Dir: dir, Key: key, Sync: SyncNever, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	refusal := (&Event{EventName: "Refused"}).JSON()
	post := func(num int) {
		for range num {
			l.Post(refusal, true)
			for len(l.entries) > 500 {
				time.Sleep(time.Millisecond)
			}
		}
	}
	post(3000)
	l.Post((&Event{EventName: "Known"}).JSON(), false)
	mu.Lock()
	now = now.Add(time.Second)
	mu.Unlock()
	post(3000)
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	post(1)
	closeLog(t, l)
	data, err := os.ReadFile(filepath.Join(dir, fileName(1)))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if n := strings.Count(text, `"Refused"`); n != 1000+100+1 {
		t.Errorf("%d refusals are recorded", n)
	}
	for _, want := range []string{`"count":2000`, `"count":2900`, `"Known"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// exchange puts the file of one descriptor behind another.
func exchange(t *testing.T, from, to int) {
	t.Helper()
	if err := unix.Dup3(from, to, 0); err != nil {
		t.Fatal(err)
	}
}

// TestAFullDiskIsToldAndSurvived takes the file away and gives it back.
func TestAFullDiskIsToldAndSurvived(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	var mu sync.Mutex
	var told []error
	l := open(t, Config{Dir: dir, Key: key, Report: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err)
	}})
	fill(t, l, 3)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	// The writer keeps its descriptor; what is behind it is exchanged.
	at := int(l.writer.file.Fd())
	good, err := unix.Dup(at)
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, int(full.Fd()), at)
	if err := l.Append(record(10)); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("a full disk: %v", err)
	}
	if l.Err() == nil {
		t.Error("the log does not say that it cannot be written")
	}
	time.Sleep(10 * time.Millisecond)
	exchange(t, good, at)
	for l.Err() != nil {
		time.Sleep(10 * time.Millisecond)
	}
	fill(t, l, 1)
	closeLog(t, l)
	if r, err := Verify(dir, publicOf(key), nil); err != nil || r.Last != 5 {
		t.Errorf("%+v %v", r, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 2 || told[0] == nil || told[1] != nil {
		t.Errorf("reported was %v", told)
	}
}

// TestAnchorsGoToSyslog: what a log host got proves the log.
func TestAnchorsGoToSyslog(t *testing.T) {
	host, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close() }()
	anchors, err := OpenAnchors("syslog:udp:" + host.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	dir, key := t.TempDir(), newKey(t)
	l := open(t, Config{Dir: dir, Key: key, Anchors: anchors, AnchorRecords: 2})
	for range 4 {
		if err := l.Append([]byte(`{"a":1}`)); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	var got bytes.Buffer
	buf := make([]byte, 4096)
	for range 2 {
		if err := host.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := host.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(bytes.TrimSpace(buf[:n]), '\n'))
	}
	r, err := Verify(dir, key.Public().(ed25519.PublicKey), &got)
	if err != nil || r.Anchors != 2 || r.LastAnchor != 4 || r.Unprotected() != 0 {
		t.Errorf("%+v %v", r, err)
	}
}
