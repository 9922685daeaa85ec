//go:build cuda

package cuda

import (
	"strings"
	"testing"
	"time"

	"basalt/cuda/fake"
	"basalt/runtime"
)

// TestLibraryServesInOurOrder: an algorithm serves where it gives our bits for every number of rows
// of a trial, the first one or a later one; not where it adds in another order, for few rows or for
// many, does not take all of them, or writes nothing.
func TestLibraryServesInOurOrder(t *testing.T) {
	needFake(t)
	lib := buildLibrary(t, "blas/testdata/fake.c", "libcublasLt.so.13")
	d, _ := openFake(t, fake.Healthy(), Config{BLAS: lib})
	if err := d.gpu.Enter(); err != nil {
		t.Fatal(err)
	}
	defer d.gpu.Leave()
	f := func(mode string, s libraryShape, serves bool) {
		t.Helper()
		t.Setenv("BASALT_FAKE_BLAS", mode)
		delete(d.library.trials, s)
		if err := d.library.try(d, s, time.Now().Add(time.Minute), trialMemory); err != nil {
			t.Fatal(err)
		}
		if choice, tried := d.library.trials[s]; !tried || (choice != nil) != serves {
			t.Errorf("%q, %v: tried %v, serves %v, want %v", mode, s, tried, choice != nil, serves)
		}
	}
	f("ours", libraryShape{"bf16", 20, 72, 24}, true)
	f("ours", libraryShape{"f16", 16, 576, 16}, true)
	small, all := libraryShape{"bf16", 16, 136, 16}, d.library.rows
	if d.library.rows = all[:len(all)-1]; all[len(all)-1] != 4096 {
		t.Errorf("a trial takes %v rows", all)
	}
	f("second", small, true)
	f("plain", small, false)
	f("many", small, false)
	f("few", small, false)
	f("idle", small, false)
	f("none", small, false)
}

// TestTrialsAreBounded: where time or memory is short, nothing is tried and our kernels multiply.
func TestTrialsAreBounded(t *testing.T) {
	needFake(t)
	lib := buildLibrary(t, "blas/testdata/fake.c", "libcublasLt.so.13")
	d, f := openFake(t, fake.Healthy(), Config{BLAS: lib})
	d.library.limit = 0
	p, c := newModel(t, "llama", "many", runtime.BF16)
	if e := compileFor(t, d, p, c, testOptions).(*executable); len(e.plans) != 0 {
		t.Error("the library multiplies and was not tried")
	}
	if err := d.gpu.Enter(); err != nil {
		t.Fatal(err)
	}
	defer d.gpu.Leave()
	before := f.State().Launches
	if err := d.library.try(d, libraryShape{"bf16", 64, 64, 64}, time.Now().Add(time.Minute),
		1<<20); err != nil || f.State().Launches != before {
		t.Errorf("a trial took more memory than it may: %v", err)
	}
	if err := d.library.try(d, libraryShape{"bf16", 16, 64, 16}, time.Now().Add(time.Millisecond),
		trialMemory); err != nil || len(d.library.trials) != 0 {
		t.Errorf("a trial that was cut off counts: %v, %v", err, d.library.trials)
	}
	var text strings.Builder
	if err := d.WriteMetrics(&text); err != nil || !strings.Contains(text.String(),
		`basalt_gpu_library_shapes{gpu="0",trial="served"} 0`) {
		t.Errorf("the metrics lack the trials: %v\n%s", err, &text)
	}
}

// TestCopiesForTheLibraryGiveWay: where a model fits only without the matrices that lie on the GPU
// twice, it is loaded, and our kernels multiply.
func TestCopiesForTheLibraryGiveWay(t *testing.T) {
	needFake(t)
	lib := buildLibrary(t, "blas/testdata/fake.c", "libcublasLt.so.13")
	t.Setenv("BASALT_FAKE_BLAS", "ours")
	p, c := newModel(t, "llama", "many", runtime.BF16)
	plans := func(t *testing.T, memory uint64, cfg Config) (n int, err error) {
		s := fake.Healthy()
		s.TotalMemory = memory
		d, _ := openFake(t, s, cfg)
		if d.library != nil {
			d.library.rows, d.library.limit = []int{1, 65}, time.Minute
		}
		e, err := d.Compile(t.Context(), p, c, testOptions)
		if err != nil {
			return 0, err
		}
		n = len(e.(*executable).plans)
		return n, e.Close()
	}
	least, enough := uint64(300<<20), uint64(600<<20)
	t.Run("search", func(t *testing.T) {
		for enough-least > 1<<14 {
			if _, err := plans(t, (least+enough)/2, Config{}); err != nil {
				least = (least + enough) / 2
			} else {
				enough = (least + enough) / 2
			}
		}
	})
	t.Run("tight", func(t *testing.T) {
		if n, err := plans(t, enough, Config{BLAS: lib}); n != 0 || err != nil {
			t.Errorf("the library multiplies by %d matrices, %v", n, err)
		}
	})
	t.Run("wide", func(t *testing.T) {
		if n, err := plans(t, enough+64<<20, Config{BLAS: lib}); n == 0 || err != nil {
			t.Errorf("the library does not multiply, %v", err)
		}
	})
}
