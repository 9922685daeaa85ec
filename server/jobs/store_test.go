package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAJobRunsToItsEnd(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(50) + "bad\n"
	dir := t.TempDir()
	s := w.open(t, Config{Folder: dir})
	defer closeStore(t, s)
	j := create(t, s, spec("a"))
	st := waitEnd(t, j)
	want := Counts{Total: 51, Succeeded: 50, Failed: 1, InputTokens: 100, OutputTokens: 150}
	if st.Status != Completed || st.Counts != want || st.Parts[0].Records != 51 ||
		st.Ended.Before(st.Begun) || len(st.Outputs) != 1 {
		t.Errorf("%+v", st)
	}
	if n := len(w.delivered["a"]); n != 51 {
		t.Errorf("%d results", n)
	}
	if err := s.Stop(j); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	waitFor(t, "the removal of copies", func() bool {
		_, err := os.Stat(filepath.Join(dir, jobsFolder, "a", resultsFile))
		return errors.Is(err, os.ErrNotExist)
	})
}

func TestBlankLinesAndCarriageReturns(t *testing.T) {
	w := newShop(t)
	w.input["in"] = "\none\r\n  \n\ntwo"
	s := w.open(t, Config{Folder: t.TempDir()})
	defer closeStore(t, s)
	waitEnd(t, create(t, s, spec("a")))
	if got := strings.Join(w.delivered["a"], ","); got != "one,two" {
		t.Errorf("%q", got)
	}
}

func TestJobsThatAreRefused(t *testing.T) {
	w := newShop(t)
	w.check = func(line string) error {
		if line == "wrong" {
			return &Fault{Code: "wrong", Message: "it is wrong"}
		}
		return nil
	}
	s := w.open(t, Config{Folder: t.TempDir(), MaxRecords: 5, MaxInput: 1000, MaxLine: 100})
	defer closeStore(t, s)
	f := func(id, input, want string) {
		t.Helper()
		w.mu.Lock()
		w.input[id] = input
		w.mu.Unlock()
		sp := spec(id)
		sp.Input = id
		st := waitEnd(t, create(t, s, sp))
		if st.Status != Failed || !strings.Contains(st.Message, want) || len(w.done) > 0 {
			t.Errorf("%s: %+v, want %q", id, st, want)
		}
	}
	f("empty", "", "no records")
	f("blank", "\n\n", "no records")
	f("many", records(6), "more than 5 records")
	f("large", strings.Repeat("x\n", 501), "more than 1000 bytes")
	f("long", strings.Repeat("x", 101), "more than 100 bytes")
	f("fault", "good\nwrong\n", "line 2 of fault: it is wrong")
	sp := spec("absent")
	sp.Input = "nowhere"
	st := waitEnd(t, create(t, s, sp))
	if st.Status != Failed || st.Message != "there is no input" {
		t.Errorf("%+v", st)
	}
}

func TestTheSameTokenIsTheSameJob(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(1)
	dir := t.TempDir()
	s := w.open(t, Config{Folder: dir})
	ask := func(id, tenant, digest string) (*Job, bool, error) {
		sp := spec(id)
		sp.Token, sp.Tenant, sp.Digest = "token", tenant, digest
		return s.Create(sp, nil)
	}
	first, known, err := ask("a", "acme", "1")
	if err != nil || known {
		t.Fatal(known, err)
	}
	if j, known, err := ask("b", "acme", "1"); j != first || !known || err != nil {
		t.Error(j, known, err)
	}
	if _, _, err := ask("c", "acme", "2"); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
	if j, known, err := ask("d", "other", "2"); known || err != nil || j == first {
		t.Error(j, known, err)
	}
	closeStore(t, s)
	s = w.open(t, Config{Folder: dir})
	defer closeStore(t, s)
	if j, known, err := ask("e", "acme", "1"); err != nil || !known || j.ID != "a" {
		t.Error(j, known, err)
	}
}

func TestJobsAreTheirTenants(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(1)
	s := w.open(t, Config{Folder: t.TempDir()})
	defer closeStore(t, s)
	create(t, s, spec("a"))
	if s.Get("acme", ModelInvocation, "a") == nil {
		t.Error("a tenant does not see its job")
	}
	if s.Get("other", ModelInvocation, "a") != nil || s.Get("acme", Batch, "a") != nil ||
		len(s.List("other", ModelInvocation)) != 0 || len(s.List("acme", AsyncInvoke)) != 0 {
		t.Error("a job is seen by others")
	}
}

func TestPendingJobsAreLimited(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(1)
	w.ready = func() bool { return false }
	s := w.open(t, Config{Folder: t.TempDir(), MaxPending: 2})
	defer closeStore(t, s)
	create(t, s, spec("a"))
	create(t, s, spec("b"))
	if _, _, err := s.Create(spec("c"), nil); !errors.Is(err, ErrQuota) {
		t.Error(err)
	}
	other := spec("d")
	other.Tenant = "other"
	create(t, s, other)
}

func TestStoppedJobsGiveOutWhatTheyHave(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(100)
	var num atomic.Int64
	w.do = func(ctx context.Context, _ string) error {
		if num.Add(1) > 10 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	s := w.open(t, Config{Folder: t.TempDir()})
	defer closeStore(t, s)
	j := create(t, s, spec("a"))
	waitFor(t, "ten results", func() bool { return j.State().Counts.Succeeded == 10 })
	if err := s.Stop(j); err != nil {
		t.Fatal(err)
	}
	st := waitEnd(t, j)
	if st.Status != Stopped || st.Counts.Processed() != 10 || len(w.delivered["a"]) != 10 ||
		w.missing != 90 {
		t.Errorf("%+v, %d delivered", st, len(w.delivered["a"]))
	}
}

func TestJobsThatAreStoppedBeforeTheyRun(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(3)
	w.ready = func() bool { return false }
	s := w.open(t, Config{Folder: t.TempDir(), MaxActive: 1})
	defer closeStore(t, s)
	first := create(t, s, spec("a"))
	waitFor(t, "the first job", func() bool { return first.State().Status == InProgress })
	waiting := create(t, s, spec("b"))
	if err := s.Stop(waiting); err != nil {
		t.Fatal(err)
	}
	if st := waitEnd(t, waiting); st.Status != Stopped || st.Counts.Total != 0 {
		t.Errorf("%+v", st)
	}
}

func TestJobsExpire(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(20)
	var num atomic.Int64
	w.do = func(ctx context.Context, _ string) error {
		if num.Add(1) > 5 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	s := w.open(t, Config{Folder: t.TempDir(), MaxActive: 1})
	defer closeStore(t, s)
	sp := spec("a")
	sp.Expires = time.Now().Add(1500 * time.Millisecond)
	part := create(t, s, sp)
	sp.ID = "b"
	none := create(t, s, sp)
	st := waitEnd(t, part)
	if n := st.Counts.Processed(); st.Status != Partial || n < 1 || n > 5 {
		t.Errorf("%+v", st)
	}
	if st := waitEnd(t, none); st.Status != Expired {
		t.Errorf("%+v", st)
	}
}

// TestAttemptsThatFail: records come again until they have a result, and a Failure ends the job.
func TestAttemptsThatFail(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(30)
	var num atomic.Int64
	w.do = func(context.Context, string) error {
		if num.Add(1)%3 == 0 {
			return ErrBusy
		}
		return nil
	}
	s := w.open(t, Config{Folder: t.TempDir()})
	defer closeStore(t, s)
	if st := waitEnd(t, create(t, s, spec("a"))); st.Status != Completed {
		t.Errorf("%+v", st)
	}
	w.once("a", 30)
	num.Store(0)
	w.do = func(context.Context, string) error {
		if num.Add(1) == 12 {
			return &Failure{Message: "you may not"}
		}
		return nil
	}
	if st := waitEnd(t, create(t, s, spec("b"))); st.Status != Failed ||
		st.Message != "you may not" || st.Counts.Processed() < 5 {
		t.Errorf("%+v", st)
	}
	if n := len(w.delivered["b"]); n < 5 {
		t.Errorf("%d results", n)
	}
}

func TestPanicsEndOnlyTheirJob(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(5)
	w.check = func(line string) error {
		if line == "record-0003" && w.ready != nil {
			panic("a defect")
		}
		return nil
	}
	s := w.open(t, Config{Folder: t.TempDir()})
	defer closeStore(t, s)
	w.ready = func() bool { return true }
	if st := waitEnd(t, create(t, s, spec("a"))); st.Status != Failed ||
		!strings.Contains(st.Message, "log says why") {
		t.Errorf("%+v", st)
	}
	w.check = nil
	if st := waitEnd(t, create(t, s, spec("b"))); st.Status != Completed {
		t.Errorf("%+v", st)
	}
}

// TestTenantsTakeTurns: a tenant with many jobs does not keep another's single one waiting.
func TestTenantsTakeTurns(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(40)
	w.do = func(context.Context, string) error { time.Sleep(time.Millisecond); return nil }
	s := w.open(t, Config{Folder: t.TempDir(), MaxActive: 2, MaxInFlight: 2})
	defer closeStore(t, s)
	var many []*Job
	for i := range 6 {
		many = append(many, create(t, s, spec(fmt.Sprint("many", i))))
	}
	other := spec("single")
	other.Tenant = "other"
	single := create(t, s, other)
	waitEnd(t, single)
	ended := 0
	for _, j := range many {
		if j.State().Status.Final() {
			ended++
		}
	}
	if ended > 3 {
		t.Errorf("%d of 6 jobs of the other tenant came first", ended)
	}
}

// TestInFlightIsBounded counts records over several jobs.
func TestInFlightIsBounded(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(60)
	var flying, most atomic.Int64
	w.do = func(context.Context, string) error {
		n := flying.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(500 * time.Microsecond)
		flying.Add(-1)
		return nil
	}
	s := w.open(t, Config{Folder: t.TempDir(), MaxInFlight: 3})
	defer closeStore(t, s)
	jobs := []*Job{create(t, s, spec("a")), create(t, s, spec("b")), create(t, s, spec("c"))}
	for _, j := range jobs {
		waitEnd(t, j)
	}
	if n := most.Load(); n > 3 || n < 2 {
		t.Errorf("%d records were in flight at once", n)
	}
}

func TestOldJobsAreForgotten(t *testing.T) {
	w := newShop(t)
	w.input["in"] = records(1)
	dir := t.TempDir()
	s := w.open(t, Config{Folder: dir})
	waitEnd(t, create(t, s, spec("a")))
	closeStore(t, s)
	later := func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
	s = w.open(t, Config{Folder: dir, Now: later})
	defer closeStore(t, s)
	waitFor(t, "the removal", func() bool {
		return s.Get("acme", ModelInvocation, "a") == nil
	})
	if entries, err := os.ReadDir(filepath.Join(dir, jobsFolder)); err != nil || len(entries) > 0 {
		t.Error(entries, err)
	}
}

func TestOneServerAtATime(t *testing.T) {
	w := newShop(t)
	dir := t.TempDir()
	s := w.open(t, Config{Folder: dir})
	if _, err := Open(Config{Folder: dir}); err == nil || !strings.Contains(err.Error(),
		"another server") {
		t.Error(err)
	}
	closeStore(t, s)
	closeStore(t, w.open(t, Config{Folder: dir}))
}
