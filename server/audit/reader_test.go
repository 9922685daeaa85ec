package audit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// readAll reads from a position to the log's end.
func readAll(t *testing.T, l *Log, from Position) (all []string, at Position, missing uint64) {
	t.Helper()
	at, missing, err := l.Read(context.Background(), from, l.End(),
		func(record []byte, at Position) bool {
			all = append(all, string(record))
			return true
		})
	if err != nil {
		t.Fatal(err)
	}
	return all, at, missing
}

// TestReadersGetWhatWasAppended from every place of a log of many files, with and without a hint.
func TestReadersGetWhatWasAppended(t *testing.T) {
	const num = 40
	l := open(t, Config{Dir: t.TempDir(), Key: newKey(t), MaxFile: 3000})
	places := []Position{{}}
	for i := range num {
		if err := l.Append(record(i)); err != nil {
			t.Fatal(err)
		}
		if l.End() != l.Written() {
			t.Fatal("a record is written and not durable")
		}
		places = append(places, l.End())
	}
	if places[num].File < 4 {
		t.Fatalf("%d files are too few", places[num].File)
	}
	f := func(from Position, behind int) {
		t.Helper()
		all, at, missing := readAll(t, l, from)
		if len(all) != num-behind || missing != 0 || at != places[num] && behind < num {
			t.Fatalf("%+v: %d records to %+v, %d missing", from, len(all), at, missing)
		}
		for i, got := range all {
			if got != string(record(behind+i)) {
				t.Fatalf("%+v: record %d is %s", from, i, got)
			}
		}
	}
	for i, p := range places {
		f(p, i)
		if i%7 == 3 || i == num {
			f(Position{Log: p.Log, Record: p.Record}, i)
			f(Position{Log: p.Log, Record: p.Record, File: p.File, Offset: p.Offset + 1}, i)
			f(Position{Log: p.Log, Record: p.Record, File: p.File, Offset: 1 << 40}, i)
			f(Position{Log: p.Log, Record: p.Record, File: p.File, Offset: 0}, i)
		}
	}
	stops := 0
	at, _, err := l.Read(context.Background(), places[3], places[30],
		func([]byte, Position) bool { stops++; return stops < 5 })
	if err != nil || at != places[8] {
		t.Errorf("stopped at %+v, %v", at, err)
	}
}

// TestReadersSeeWhatIsMissing: the oldest files are removed under the reader.
func TestReadersSeeWhatIsMissing(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir(), Key: newKey(t), MaxFile: 3000, MaxFiles: 3})
	fill(t, l, 2)
	from := l.End()
	fill(t, l, 60)
	all, at, missing := readAll(t, l, from)
	if len(all) != 0 || missing == 0 || at.Record != from.Record+missing {
		t.Fatalf("%d records to %+v, %d missing", len(all), at, missing)
	}
	all, end, none := readAll(t, l, at)
	if none != 0 || uint64(len(all)) != l.Len()-at.Record || end != l.End() {
		t.Errorf("%d records to %+v, %d missing", len(all), end, none)
	}
}

func TestReadersRefuse(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	l := open(t, Config{Dir: dir, Key: key})
	fill(t, l, 5)
	f := func(from Position, want error) {
		t.Helper()
		_, _, err := l.Read(context.Background(), from, l.End(),
			func([]byte, Position) bool { return true })
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%+v: %v", from, err)
		}
	}
	f(Position{Log: "0123456789abcdef"}, ErrOtherLog)
	f(Position{Log: l.End().Log, Record: 6}, ErrOtherLog)
	path := filepath.Join(dir, fileName(1))
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	f(Position{}, nil)
	if err := os.WriteFile(path, []byte("{}\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f(Position{}, errMisplaced)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	_, _, err := l.Read(ctx, Position{}, l.End(), func([]byte, Position) bool { return true })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestSyncWaitsForTheDisk: with SyncOften, what is not durable is not read.
func TestSyncWaitsForTheDisk(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir(), Key: newKey(t), Sync: SyncOften})
	for range 10 {
		fill(t, l, 10)
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
		if l.End() != l.Written() || l.End().Record != l.Len() {
			t.Fatalf("durable to %+v, written to %+v", l.End(), l.Written())
		}
	}
	never := open(t, Config{Dir: t.TempDir(), Key: newKey(t), Sync: SyncNever})
	fill(t, never, 3)
	if never.End().Record != 3 {
		t.Errorf("%+v", never.End())
	}
	closeLog(t, l)
	if err := l.Sync(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
