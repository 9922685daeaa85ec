//go:build cuda

package nvml

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// buildFake compiles the library of testdata.
func buildFake(t *testing.T, flags ...string) string {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	lib := filepath.Join(t.TempDir(), Library)
	args := append([]string{"-shared", "-fPIC", "-Wall", "-Werror", "-o", lib, "testdata/fake.c"},
		flags...)
	out, err := exec.Command(cc, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return lib
}

func TestReadingAndEvents(t *testing.T) {
	g, err := Open(buildFake(t), "0000:3b:00.0")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	r := g.Read()
	if r.MemoryUsed != 20<<30 || r.Power != (Number{true, 412.5}) || r.Energy.Known ||
		r.RemappedRows.Value != 3 || r.RecoveryAction.Known {
		t.Errorf("read %+v", r)
	}
	if s, why := r.Assess(); s != Degraded || !strings.Contains(why, "remapped") {
		t.Errorf("assessed %s, %q", s, why)
	}
	var text strings.Builder
	if err := r.WriteMetrics(&text, "0"); err != nil {
		t.Fatal(err)
	}
	if s := text.String(); !strings.Contains(s, `basalt_gpu_power_watts{gpu="0"} 412.5`) ||
		strings.Contains(s, "energy") {
		t.Errorf("metrics %s", s)
	}
	w, err := g.Watch()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, want := range []State{Degraded, Dead} {
		e, ok, err := w.Wait(time.Millisecond)
		if s, why := e.Assess(); err != nil || !ok || s != want || !strings.Contains(why, "Xid") {
			t.Errorf("event %+v, %v, %v: %s, %q; want %s", e, ok, err, s, why, want)
		}
	}
	if e, ok, err := w.Wait(time.Millisecond); ok || err != nil {
		t.Errorf("a third event %+v, %v", e, err)
	}
}

// TestOldLibrary: what a library lacks is unknown, and ends nothing.
func TestOldLibrary(t *testing.T) {
	g, err := Open(buildFake(t, "-DBARE"), "0000:3b:00.0")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if r := g.Read(); r != (Reading{}) {
		t.Errorf("read %+v", r)
	}
	if _, err := g.Watch(); err == nil || !strings.Contains(err.Error(), "(13)") {
		t.Errorf("watching gave %v", err)
	}
}

// TestCallsWithoutALibrary: even a call that comes before Open, or after Close, only fails.
func TestCallsWithoutALibrary(t *testing.T) {
	f := func() {
		t.Helper()
		lib := nvml.New()
		if _, code := lib.SystemGetDriverVersion(); code != nvml.ERROR_UNINITIALIZED {
			t.Errorf("the version is %d", code)
		}
		if _, code := lib.DeviceGetCount(); code != nvml.ERROR_UNINITIALIZED {
			t.Errorf("the count is %d", code)
		}
	}
	f()
	g, err := Open(buildFake(t), "0000:3b:00.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(buildFake(t), "0000:3b:00.0"); !errors.Is(err, ErrAbsent) {
		t.Errorf("a second GPU gave %v", err)
	}
	g.Close()
	f()
}

// TestBandwidth: counters are read between two samples, and no more often than they can tell.
func TestBandwidth(t *testing.T) {
	g, err := Open(buildFake(t), "0000:3b:00.0")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if n := g.Read().Bandwidth; n.Known {
		t.Errorf("at once %+v", n)
	}
	for range 3 {
		g.gpm.taken = g.gpm.taken.Add(-time.Second)
		if n := g.Read().Bandwidth; n != (Number{true, 0.625}) {
			t.Errorf("after a second %+v", n)
		}
	}
	if n := g.Read().Bandwidth; n != (Number{true, 0.625}) {
		t.Errorf("at once again %+v", n)
	}
}

// TestNoCounters: where there are none, the share of time that memory was busy stays.
func TestNoCounters(t *testing.T) {
	t.Setenv("BASALT_FAKE_GPM", "3")
	g, err := Open(buildFake(t), "0000:3b:00.0")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if r := g.Read(); r.Bandwidth.Known || r.MemoryBusy != (Number{true, 0.4}) {
		t.Errorf("read %+v", r)
	}
}

func TestOpenFails(t *testing.T) {
	f := func(lib, address, code, want string) {
		t.Helper()
		t.Setenv("BASALT_FAKE_NVML", code)
		_, err := Open(lib, address)
		if !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, %s: %v", lib, address, err)
		}
	}
	lib := buildFake(t)
	f("libnvidia-ml-that-is-not-there.so.1", "0000:3b:00.0", "0", "cannot open shared object")
	f(lib, "0000:3b:00.0", "9", "Driver Not Loaded (9)")
	f(lib, "0000:99:00.0", "0", "0000:99:00.0")
}

func TestXidsAreAssessed(t *testing.T) {
	f := func(n uint64, want State) {
		t.Helper()
		if s, why := (Event{CriticalXid, n}).Assess(); s != want || why == "" {
			t.Errorf("Xid %d: %s, %q; want %s", n, s, why, want)
		}
	}
	f(13, Good)
	f(63, Degraded)
	f(48, Dead)
	f(79, Dead)
	f(119, Dead)
	f(9999, Degraded)
}
