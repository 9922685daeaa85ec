package delivery

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// moment is what a kill leaves: the log's folder and the store, as they were.
type moment struct {
	what    string
	dir     string
	objects map[string][]byte
}

// TestKilledAtAnyMoment goes on from copies that were taken at each step of each delivery. Whatever
// was recorded is in one object, once.
func TestKilledAtAnyMoment(t *testing.T) {
	s := newSite(t)
	s.cfg.MaxBytes = 5000
	s.open()
	var mu sync.Mutex
	var moments []moment
	take := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		m := moment{what: what, dir: t.TempDir(), objects: s.store.all()}
		copyState(t, s.dir, m.dir)
		moments = append(moments, m)
	}
	n := 0
	s.store.set(func(w http.ResponseWriter, key string) bool {
		take("before " + key)
		if n++; n%3 == 0 { // some fail, so that a plan is carried out again
			w.WriteHeader(http.StatusServiceUnavailable)
			return false
		}
		return true
	}, func(key string) { take("after " + key) })
	s.configure("acme", "acme", "store", "")
	taken := func() int { mu.Lock(); defer mu.Unlock(); return len(moments) }
	for range 8 {
		before := taken()
		s.invoke("acme", 1+before%8)
		s.wait("moment", func() bool { return taken() > before+1 })
	}
	s.wait("delivery", func() bool { return s.once(0, s.num) })
	s.close()
	s.store.answers(0)
	mu.Lock()
	defer mu.Unlock()
	for _, m := range moments {
		s.dir, s.store.objects = m.dir, m.objects
		held := maps.Clone(m.objects)
		s.open()
		num := int(s.log.Len()+1) / 2 // an event follows each
		s.wait("delivery", func() bool { return s.once(0, num) })
		s.num = num
		s.invoke("acme", 3)
		s.close()
		if !s.once(0, num+3) {
			t.Fatalf("%s: %v", m.what, delivered(t, s.objects()))
		}
		for key, content := range held {
			if string(s.store.objects[key]) != string(content) {
				t.Errorf("%s: %s was changed", m.what, key)
			}
		}
	}
}

// copyState copies a log's folder while the courier waits for the store and records are appended.
func copyState(t *testing.T, from, to string) {
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Error(err)
	}
	slices.Reverse(entries) // what the courier knows of is in the log
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".new") || e.Name() == "lock" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), data, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
