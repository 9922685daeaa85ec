package live

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// open gives a value that is a file's text; "bad" is an error.
func open(t *testing.T, text string) (v *Value[string], path string, reports *[]error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "f")
	write(t, path, text)
	reports = &[]error{}
	v, err := Open([]string{path}, func() (string, error) {
		data, err := os.ReadFile(path)
		if err == nil && string(data) == "bad" {
			err = errors.New("bad")
		}
		return string(data), err
	}, func(err error) { *reports = append(*reports, err) })
	if err != nil {
		t.Fatal(err)
	}
	return v, path, reports
}

func TestEveryChangeIsSeenAtOnce(t *testing.T) {
	v, path, _ := open(t, "0")
	for i := range 200 { // of one length, faster than time stamps tell apart
		want := string(rune('a' + i%26))
		write(t, path, want)
		if got := v.Get(); got != want {
			t.Fatalf("%q after %q was written", got, want)
		}
	}
}

func TestAChangeAfterAWhileIsSeen(t *testing.T) {
	v, path, reports := open(t, "old")
	time.Sleep(2 * granularity)
	v.Get()
	if !v.current(v.state.Load()) {
		t.Error("an unchanged file counts as changed")
	}
	write(t, path+".new", "new")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if got := v.Get(); got != "new" {
		t.Error(got)
	}
	if len(*reports) != 1 || (*reports)[0] != nil {
		t.Error(*reports)
	}
}

func TestABrokenFileChangesNothing(t *testing.T) {
	v, path, reports := open(t, "good")
	write(t, path, "bad")
	for range 3 {
		if got := v.Get(); got != "good" {
			t.Error(got)
		}
	}
	if len(*reports) != 1 || (*reports)[0] == nil {
		t.Errorf("reported %v, want one error", *reports)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := v.Get(); got != "good" {
		t.Error(got)
	}
	write(t, path, "again")
	if got := v.Get(); got != "again" {
		t.Error(got)
	}
}

func TestABrokenFileAtTheStartIsAnError(t *testing.T) {
	if _, err := Open([]string{"/nonexistent"}, func() (int, error) {
		return 0, errors.New("no")
	}, nil); err == nil {
		t.Error("no error")
	}
}

func TestReadersShareAReading(t *testing.T) {
	v, path, _ := open(t, "a")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if got := v.Get(); got != "a" && got != "bb" {
					t.Errorf("%q", got)
				}
			}
		})
	}
	write(t, path+".new", "bb")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if got := v.Get(); got != "bb" {
		t.Error(got)
	}
}

func TestSecretsMustBePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	write(t, path, "secret")
	if data, err := ReadSecret(path); err != nil || string(data) != "secret" {
		t.Errorf("%q %v", data, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSecret(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%o: %v", mode, err)
		}
	}
	if _, err := ReadSecret(path + "x"); err == nil {
		t.Error("a file that is not there is read")
	}
}
