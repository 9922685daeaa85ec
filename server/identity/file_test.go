package identity

import (
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestKeyFilesAreEdited(t *testing.T) {
	seal := testSeal(t)
	path := filepath.Join(t.TempDir(), "keys")
	var wg sync.WaitGroup
	for range 10 { // at once: none may be lost
		wg.Go(func() {
			m, err := NewAccessKey("p", time.Unix(2e9, 0), seal)
			if err == nil {
				err = Add(path, m)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := List(path)
	if err != nil || len(all) != 10 {
		t.Fatal(all, err)
	}
	e := all[3]
	if e.Principal != "p" || e.Kind != Access || e.Expires != "2033-05-18T03:33:20Z" {
		t.Errorf("%+v", e)
	}
	if err := Revoke(path, e.ID); err != nil {
		t.Fatal(err)
	}
	if err := Revoke(path, e.ID); err == nil {
		t.Error("a key is revoked twice")
	}
	if all, err = List(path); err != nil || len(all) != 9 {
		t.Fatal(all, err)
	}
	s, err := Open(Files{Keys: path, Seal: seal}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.live.Get().keys.num; n != 9 {
		t.Errorf("%d keys are read", n)
	}
}
