package live

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Value is what load made of some files. Its methods may be called from any goroutine.
type Value[T any] struct {
	paths  []string
	load   func() (T, error)
	report func(error)

	mu    sync.Mutex // held while the files are read
	state atomic.Pointer[state[T]]
}

// state is one reading. It does not change.
type state[T any] struct {
	value  T
	stamps []stamp
	// A file may change twice within the granularity of its time stamp. Until then it is read
	// again at each Get.
	unsure time.Time
}

// stamp tells two versions of a file apart.
type stamp struct {
	info os.FileInfo // nil: there is no such file
}

// granularity is no shorter than the steps of the time stamps of usual file systems.
const granularity = 50 * time.Millisecond

// Open reads the value for the first time. load must read the files at paths, and nothing that
// changes otherwise. report is called after each later reading, with nil when it succeeded; it may
// be nil.
func Open[T any](paths []string, load func() (T, error), report func(error)) (*Value[T], error) {
	v := &Value[T]{paths: paths, load: load, report: report}
	stamps := v.look()
	value, err := load()
	if err != nil {
		return nil, err
	}
	v.state.Store(v.newState(value, stamps))
	return v, nil
}

// Get is the value of the files as they are now, or as they last could be read.
func (v *Value[T]) Get() T {
	s := v.state.Load()
	if v.current(s) {
		return s.value
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if s = v.state.Load(); v.current(s) {
		return s.value
	}
	stamps := v.look()
	changed := !equal(s.stamps, stamps)
	value, err := v.load()
	if err != nil {
		value = s.value
	}
	v.state.Store(v.newState(value, stamps))
	if v.report != nil && changed {
		v.report(err)
	}
	return value
}

func (v *Value[T]) current(s *state[T]) bool {
	if !s.unsure.IsZero() && time.Now().Before(s.unsure) {
		return false
	}
	for i, path := range v.paths {
		if !s.stamps[i].equal(look(path)) {
			return false
		}
	}
	return true
}

func (v *Value[T]) newState(value T, stamps []stamp) *state[T] {
	s := &state[T]{value: value, stamps: stamps}
	now := time.Now()
	for _, f := range stamps {
		if f.info != nil && now.Sub(f.info.ModTime()) < granularity {
			s.unsure = now.Add(granularity)
		}
	}
	return s
}

func (v *Value[T]) look() []stamp {
	stamps := make([]stamp, len(v.paths))
	for i, path := range v.paths {
		stamps[i] = look(path)
	}
	return stamps
}

func look(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info}
}

func (s stamp) equal(t stamp) bool {
	if s.info == nil || t.info == nil {
		return s.info == nil && t.info == nil
	}
	return os.SameFile(s.info, t.info) && s.info.Size() == t.info.Size() &&
		s.info.ModTime().Equal(t.info.ModTime())
}

func equal(a, b []stamp) bool {
	for i := range a {
		if !a[i].equal(b[i]) {
			return false
		}
	}
	return true
}

// ReadSecret reads a file that nobody but its owner may read: of another one, it says how to mend
// it and reads nothing.
func ReadSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const others = 0o077
	if info.Mode().IsRegular() && info.Mode().Perm()&others != 0 {
		return nil, fmt.Errorf("%s may be read by others (mode %04o): chmod 600 %s", path,
			info.Mode().Perm(), path)
	}
	const maxSecret = 1 << 20
	if info.Size() > maxSecret {
		return nil, fmt.Errorf("%s has %d bytes; a key file has at most %d", path, info.Size(),
			maxSecret)
	}
	return os.ReadFile(path)
}
