package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// shop is a Work over inputs in memory: it answers each record with "r:" and the record, and keeps
// what was delivered.
type shop struct {
	t  testing.TB
	mu sync.Mutex

	input map[string]string // by job's Input
	// do comes before a record is answered; it may be nil.
	do        func(ctx context.Context, line string) error
	check     func(line string) error
	ready     func() bool
	deliver   error
	done      map[string]int // how often a record was answered, by line
	delivered map[string][]string
	missing   int
	reports   []string
}

func newShop(t testing.TB) *shop {
	return &shop{
		t: t, input: map[string]string{}, done: map[string]int{},
		delivered: map[string][]string{},
	}
}

func (w *shop) work() Work {
	return Work{
		Fetch: w.fetch, Do: w.answer, Deliver: w.give,
		Checker: func(*Job) func(int, []byte) error {
			return func(_ int, line []byte) error {
				if w.check == nil {
					return nil
				}
				return w.check(string(line))
			}
		},
		Begin: func(*Job) (func(), bool) { return func() {}, w.ready == nil || w.ready() },
		Report: func(_ *Job, what string, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reports = append(w.reports, what+": "+err.Error())
		},
	}
}

func (w *shop) fetch(_ context.Context, j *Job, to io.Writer) ([]Part, error) {
	w.mu.Lock()
	text, ok := w.input[j.Input]
	w.mu.Unlock()
	if !ok {
		return nil, failure("there is no input")
	}
	n, err := io.WriteString(to, text)
	return []Part{{Name: j.Input, Bytes: int64(n)}}, err
}

func (w *shop) answer(ctx context.Context, _ *Job, _, _ int, line []byte) (Result, error) {
	if w.do != nil {
		if err := w.do(ctx, string(line)); err != nil {
			return Result{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[string(line)]++
	ok := !strings.HasPrefix(string(line), "bad")
	return Result{OK: ok, Input: 2, Output: 3, Body: []byte("r:" + string(line))}, nil
}

func (w *shop) give(_ context.Context, j *Job, o *Outcome) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deliver != nil {
		return nil, w.deliver
	}
	var list []string
	for part := range o.Parts {
		err := o.Each(part, func(_ int, line, body []byte) error {
			if body == nil {
				w.missing++
				return nil
			}
			if string(body) != "r:"+string(line) {
				w.t.Errorf("the result of %q is %q", line, body)
			}
			list = append(list, string(line))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	w.delivered[j.ID] = list
	return []string{"out-" + j.ID}, nil
}

// records makes an input of so many records.
func records(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "record-%04d\n", i)
	}
	return b.String()
}

func (w *shop) open(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Start(w.work())
	return s
}

func spec(id string) Spec {
	now := time.Now().Round(0)
	return Spec{
		ID: id, Kind: ModelInvocation, Tenant: "acme", Principal: "ann", Submitted: now,
		Expires: now.Add(time.Hour), Input: "in",
	}
}

func create(t testing.TB, s *Store, sp Spec) *Job {
	t.Helper()
	j, known, err := s.Create(sp, nil)
	if err != nil || known {
		t.Fatal(known, err)
	}
	return j
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("did not come: " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

// waitEnd waits for a job's end and gives its state.
func waitEnd(t testing.TB, j *Job) State {
	t.Helper()
	waitFor(t, "the end of "+j.ID, func() bool { return j.State().Status.Final() })
	return j.State()
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// once fails unless the delivered records are those of an input of n, in order and each once.
func (w *shop) once(id string, n int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	want := strings.Split(strings.TrimSpace(records(n)), "\n")
	if !slices.Equal(w.delivered[id], want) {
		w.t.Errorf("%s: %d records were delivered, want %d in order", id, len(w.delivered[id]), n)
	}
}

// repeated is how many records were done more than once, and how often at most.
func (w *shop) repeated() (num, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range maps.Values(w.done) {
		if n > 1 {
			num++
		}
		most = max(most, n)
	}
	return num, most
}

// copyFolder copies a store's folder as it is at this moment: what a killed process leaves.
func copyFolder(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, rel), 0o700))
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return errors.Join(err, os.WriteFile(filepath.Join(to, rel), data, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
}
