package jobs

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestStoresThatAreCopiedAtAnyMoment goes on from copies of the folder that were taken while the
// store wrote to it, as a kill would leave it, each with its last bytes torn off at random.
func TestStoresThatAreCopiedAtAnyMoment(t *testing.T) {
	const num = 400
	random := rand.New(rand.NewPCG(1, 2))
	w := newShop(t)
	w.input["in"] = records(num)
	w.do = func(context.Context, string) error {
		time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
		return nil
	}
	dir := t.TempDir()
	s := w.open(t, Config{Folder: dir, MaxInFlight: 8})
	j := create(t, s, spec("a"))
	for round := range 15 {
		goal := min(num, (round+1)*num/16)
		waitFor(t, "progress", func() bool {
			st := s.Get("acme", ModelInvocation, "a").State()
			return st.Counts.Processed() >= goal || st.Status.Final()
		})
		next := t.TempDir()
		copyFolder(t, dir, next)
		closeStore(t, s)
		tear(t, random, filepath.Join(next, jobsFolder, "a", resultsFile))
		tear(t, random, filepath.Join(next, jobsFolder, "a", jobFile))
		dir = next
		s = w.open(t, Config{Folder: dir, MaxInFlight: 8})
		if j = s.Get("acme", ModelInvocation, "a"); j == nil {
			t.Fatal("the job is lost")
		}
	}
	defer closeStore(t, s)
	if st := waitEnd(t, j); st.Status != Completed || st.Counts.Succeeded != num {
		t.Errorf("%+v", st)
	}
	w.once("a", num)
	again, most := w.repeated()
	t.Logf("%d records were done again, at most %d times", again, most)
}

// tear cuts a part off a file's last line, and sometimes puts rubbish in its place. A job's first
// two lines are durable before anybody knows of the job, and stay.
func tear(t *testing.T, random *rand.Rand, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	if len(lines) < 4 {
		return
	}
	last := len(lines[len(lines)-2])
	data = data[:len(data)-random.IntN(last)]
	if random.IntN(2) == 0 {
		data = append(data, "\x00\x00 rubbish"...)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClosedStoresGoOn closes and opens in the midst, with a stop asked for before the last time.
func TestClosedStoresGoOn(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(100)
	w.do = func(context.Context, string) error { time.Sleep(time.Millisecond); return nil }
	dir := t.TempDir()
	s := w.open(t, Config{Folder: dir, MaxInFlight: 4})
	create(t, s, spec("a"))
	for done := 10; done < 60; done += 10 {
		waitFor(t, "progress", func() bool {
			return s.Get("acme", ModelInvocation, "a").State().Counts.Processed() >= done
		})
		closeStore(t, s)
		s = w.open(t, Config{Folder: dir, MaxInFlight: 4})
	}
	j := s.Get("acme", ModelInvocation, "a")
	w.mu.Lock()
	w.deliver = ErrBusy // the place of the results is away
	w.mu.Unlock()
	if err := s.Stop(j); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	w.deliver = nil
	s = w.open(t, Config{Folder: dir, MaxInFlight: 4})
	defer closeStore(t, s)
	st := waitEnd(t, s.Get("acme", ModelInvocation, "a"))
	if n := len(w.delivered["a"]); st.Status != Stopped || n < 50 || n != st.Counts.Succeeded {
		t.Errorf("%+v, %d delivered", st, n)
	}
	if !slices.IsSorted(w.delivered["a"]) {
		t.Error("the results are not in the order of the input")
	}
}

// TestFoldersThatWereNeverFinished: what a kill left of a job that nobody was told of is removed.
func TestFoldersThatWereNeverFinished(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"jobs/new-x", "files/new-y"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "jobs/torn"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := newShop(t)
	s := w.open(t, Config{Folder: dir})
	defer closeStore(t, s)
	for _, path := range []string{"jobs/new-x", "files/new-y"} {
		if _, err := os.Stat(filepath.Join(dir, path)); !os.IsNotExist(err) {
			t.Errorf("%s is still there", path)
		}
	}
	if len(w.reports) != 1 || !strings.Contains(w.reports[0], "torn") {
		t.Error(w.reports)
	}
}

// TestAFullDiskLosesNothing makes every write of results fail for a while.
func TestAFullDiskLosesNothing(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there is no /dev/full: ", err)
	}
	defer func() { _ = full.Close() }()
	w := newShop(t)
	w.input["in"] = records(40)
	s, err := Open(Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	// Begin and the report of a failed write are called by the goroutine that writes.
	var disk *os.File
	reports := 0
	log := func(j *Job) *journal {
		s.mu.Lock()
		defer s.mu.Unlock()
		return j.running.rs.log
	}
	work := w.work()
	work.Begin = func(j *Job) (func(), bool) {
		if l := log(j); disk == nil && l.end > 0 {
			disk, l.file = l.file, full
		}
		return func() {}, true
	}
	work.Report = func(j *Job, what string, err error) {
		if reports++; reports == 3 {
			log(j).file = disk
		}
	}
	s.Start(work)
	defer closeStore(t, s)
	j := create(t, s, spec("a"))
	if st := waitEnd(t, j); st.Status != Completed || st.Counts.Succeeded != 40 || reports < 3 {
		t.Errorf("%+v after %d reports", st, reports)
	}
	w.once("a", 40)
	if again, _ := w.repeated(); again > 0 {
		t.Errorf("%d records were done again", again)
	}
}
