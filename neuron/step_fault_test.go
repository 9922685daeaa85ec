//go:build linux

package neuron

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/neuron/fakelib"
	"basalt/neuron/lower"
	"basalt/neuron/nrt"
)

// TestMishapsOfSteps: a status that a run meets fails its step alone, or is retried, or ends the
// device, as its action says.
func TestMishapsOfSteps(t *testing.T) {
	f := func(name, plan, want string, action nrt.Action, change func(s *scene)) {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			change(s)
			_, e, err := s.open()
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("FAKE_NRT_FAULT", plan)
			err = once(t, e)
			if err == nil || !strings.Contains(err.Error(), want) || actionOf(err) != action {
				t.Errorf("error %v (%v), want %q (%v)", err, actionOf(err), want, action)
			}
			var b interface{ Broken() bool }
			dead := errors.As(err, &b) && b.Broken()
			if dead != (action == nrt.KillReplica) {
				t.Errorf("%v: broken is %v", err, dead)
			}
			if err := once(t, e); (err != nil) != dead {
				t.Errorf("the next step: %v", err)
			}
		})
	}
	sync := func(*scene) {}
	async := func(s *scene) { s.cfg.Async, s.settings.Scope = true, lower.LayerScope }
	pair := func(s *scene) { s.settings.TP, s.size, s.timeout = 2, "many", time.Second }
	f("index out of range", "nrt_execute:1:1006", `NRT_EXEC_OOB (1006): an index`, nrt.FailRequest,
		sync)
	f("NaN", "nrt_execute:1:1003", "produced NaN", nrt.FailRequest, sync)
	f("bad input", "nrt_execute:1:1002", "prefill-t24", nrt.FailRequest, sync)
	f("logic error", "nrt_execute:1:1004", "ended with errors", nrt.FailRequest, sync)
	f("wrong name or size", "nrt_execute:1:2", "NRT_INVALID", nrt.FailRequest, sync)
	f("controls are not written", "nrt_tensor_write_batch:1:1", "nrt_tensor_write_batch",
		nrt.FailRequest, sync)
	f("results are not read", "nrt_tensor_read_batch:1:1201", "device memory has an error",
		nrt.KillReplica, sync)
	f("a run hangs", "nrt_execute:1:5", "NRT_TIMEOUT", nrt.KillReplica, sync)
	f("hardware error", "nrt_execute:1:6", "NRT_HW_ERROR", nrt.KillReplica, sync)
	f("core is lost", "nrt_execute:1:101", "cannot recover", nrt.KillReplica, sync)
	f("parity error", "nrt_execute:1:1202", "NRT_EXEC_HW_ERR_NC_UE", nrt.KillReplica, sync)
	f("transfer engine", "nrt_execute:1:1203", "DMA_ABORT", nrt.KillReplica, sync)
	f("undocumented status", "nrt_execute:1:4242", "undocumented", nrt.KillReplica, sync)
	f("closed behind our back", "nrt_execute:1:14", "NRT_CLOSED", nrt.KillReplica, sync)
	f("queue stays full", "nrt_execute:1:7;nrt_execute:2:7;nrt_execute:3:7;nrt_execute:4:7;"+
		"nrt_execute:5:7;nrt_execute:6:7", "too much work queued", nrt.Retry, sync)
	f("queued run fails", "async_execution:2:1004", "nrta_execute_schedule of graph",
		nrt.FailRequest, async)
	f("queued run is lost", "async_execution:3:1204", "NRT_EXEC_SW_NQ_OVERFLOW", nrt.KillReplica,
		async)
	f("first rank is lost", "nrt_execute:1:101", "cannot recover", nrt.KillReplica, pair)
	f("stuck in a collective", "nrt_execute:2:1200", "a collective is stuck", nrt.KillReplica, pair)
}

// TestLostCoreNamesTheHardware: the error of a core that is lost has the driver's counters.
func TestLostCoreNamesTheHardware(t *testing.T) {
	s := newScene(t)
	s.cfg.Sysfs = t.TempDir()
	dir := filepath.Join(s.cfg.Sysfs, "neuron3/stats/hardware")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "mem_ecc_uncorrected")
	if err := os.WriteFile(path, []byte("2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, e, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_NRT_FAULT", "nrt_execute:1:1201")
	const want = "2 uncorrected errors in the memory of device 3"
	for range 2 {
		if err := once(t, e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestRetry: a queue that is full for a moment costs time, not the request.
func TestRetry(t *testing.T) {
	s := newScene(t)
	_, e, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_NRT_FAULT", "nrt_execute:1:7;nrt_execute:2:7")
	if err := once(t, e); err != nil {
		t.Error(err)
	}
}

// TestLibrariesDiffer: one without batched transfers, one that leaves types and shapes of outputs
// open and lists them first, and one that takes its time.
func TestLibrariesDiffer(t *testing.T) {
	t.Run("no batches", func(t *testing.T) {
		path, err := fakelib.Library(t.TempDir(), fakelib.Variant{
			NoBatch: true, ASan: underASan,
		})
		if err != nil {
			t.Fatal(err)
		}
		s := newScene(t)
		s.cfg.Library = nrt.Config{Path: path, AllowFake: true}
		_, e, err := s.open()
		if err == nil {
			err = once(t, e)
		}
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("open types", func(t *testing.T) {
		s := newScene(t)
		s.env["FAKE_NRT_INFO"] = "odd"
		_, e, err := s.open()
		if err == nil {
			err = once(t, e)
		}
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("slow", func(t *testing.T) {
		s := newScene(t)
		s.env["FAKE_NRT_LATENCY"] = "50000"
		_, e, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := once(t, e); err != nil || time.Since(start) < 50*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestTransfersOfAStep: a step is one batched write, the graphs, and one batched read; sets and
// tensors are made when the model is loaded, once.
func TestTransfersOfAStep(t *testing.T) {
	f := func(fault string, ends int) {
		t.Helper()
		t.Run(fault, func(t *testing.T) {
			s := newScene(t)
			_, e, err := s.open()
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("FAKE_NRT_FAULT", fault)
			for i := 1; i <= 3; i++ {
				if err := once(t, e); (err != nil) != (i == ends) {
					t.Errorf("step %d: %v", i, err)
				}
			}
		})
	}
	f("nrt_tensor_write_batch:2:1004", 2)
	f("nrt_tensor_read_batch:3:1004", 3)
	f("nrt_execute:3:1004", 3)
	for _, never := range []string{
		"nrt_tensor_write", "nrt_tensor_read", "nrt_tensor_allocate", "nrt_allocate_tensor_set",
		"nrt_add_tensor_to_tensor_set", "nrt_load", "nrt_tensor_memset",
	} {
		f(never+":1:1004", 0)
	}
}
