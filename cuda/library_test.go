//go:build cuda

package cuda

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"basalt/cuda/fake"
	"basalt/runtime"
)

// TestLibraryMultiplies: in any order, a library whose order is ours gives our bits, one with
// another nearly so, and where its heuristic finds nothing, our kernels go on. In the default mode
// only the first one multiplies.
func TestLibraryMultiplies(t *testing.T) {
	needFake(t)
	lib := buildLibrary(t, "blas/testdata/fake.c", "libcublasLt.so.13")
	p, c := newModel(t, "llama", "many", runtime.BF16)
	o := testOptions
	o.KVDType = runtime.BF16
	ids := randomIDs(rand.New(rand.NewPCG(2, 2)), 91, p.Vocab)
	logits := func(t *testing.T, cfg Config, runs bool) []float32 {
		t.Helper()
		d, _ := openFake(t, fake.Healthy(), cfg)
		if d.library != nil {
			d.library.rows, d.library.limit = []int{1, 17, 65, 90}, time.Minute
		}
		has := slices.ContainsFunc(d.Info().Features, func(s string) bool {
			return strings.HasPrefix(s, "cuBLASLt 13.0.1")
		})
		if has != (cfg.BLAS == lib) {
			t.Errorf("%+v: features %v", cfg, d.Info().Features)
		}
		e := compileFor(t, d, p, c, o)
		got := inChunks(t, e, ids, []int{88, 1}, o)
		ran := false
		for _, l := range e.(*executable).plans {
			ran = ran || l.plans[88] != nil && l.plans[88].choice != nil
		}
		if ran != runs {
			t.Errorf("the library ran: %v, want %v", ran, runs)
		}
		return got
	}
	want := logits(t, Config{}, false)
	check := func(mode string, same bool) {
		t.Run("any-order-"+mode, func(t *testing.T) {
			t.Setenv("BASALT_FAKE_BLAS", mode)
			got := logits(t, Config{AnyOrder: true, BLAS: lib}, mode != "none")
			if slices.Equal(got, want) != same {
				t.Errorf("equal bits: %v, want %v", !same, same)
			}
			if d := distance(got, want); d > 2e-2 {
				t.Errorf("off by %g", d)
			}
		})
	}
	check("ours", true)
	check("plain", false)
	check("none", true)
	ours := func(mode string, runs bool) {
		t.Run(mode, func(t *testing.T) {
			t.Setenv("BASALT_FAKE_BLAS", mode)
			if got := logits(t, Config{BLAS: lib}, runs); !slices.Equal(got, want) {
				t.Error("the bits differ")
			}
		})
	}
	ours("ours", true)
	ours("many", false)
	absent := Config{AnyOrder: true, BLAS: "libnothing.so.13"}
	if got := logits(t, absent, false); !slices.Equal(got, want) {
		t.Error("without the library the bits differ")
	}
}
