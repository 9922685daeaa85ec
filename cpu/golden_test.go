package cpu

import (
	"math"
	"testing"

	"basalt/internal/golden"
	"basalt/models"
	"basalt/runtime"
)

// TestGoldensWithBytesInTheCache: the logits and ids of the published code with keys and values of
// 8 bits. They are off by 0.6 % (TestAttentionOverBytes), as weights of Q8_0 are by 0.5 %, so that
// the bound is that of golden.Tolerance for blocks of 8 bits, 5 %, and where the weights have an
// error of their own, the root of both squared. Beyond ids that are excused one by one, the share
// of all that agree is held: noise of the bound, times the square root of two in a difference of
// two logits, turns an id where the margin is less; E max(0, N) of that is 0.4 x 0.07 deviations,
// and margins near zero have a density of 2 to 4 for each deviation (of a vocabulary of some
// hundreds, sqrt(2 ln V)): at most one id of ten.
func TestGoldensWithBytesInTheCache(t *testing.T) {
	entries, err := golden.Folders("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	dev := open(t, Config{})
	for _, e := range entries {
		t.Run(e.Name, func(t *testing.T) {
			tol := e.File.Tolerance()
			tol = golden.Tolerance{RelNorm: math.Hypot(5e-2, tol.RelNorm), Excused: 0.4}
			checkGoldens(t, dev, e, runtime.INT8, tol)
			same, all := 0, 0
			for i, rows := range goldenRows(t, dev, e, runtime.INT8) {
				for j, row := range rows {
					all++
					if argmax(row) == int(e.File.Cases[i].Greedy[j]) {
						same++
					}
				}
			}
			t.Logf("%d of %d ids agree", same, all)
			if 10*same < 9*all {
				t.Errorf("%d of %d ids agree, less than 90 %%", same, all)
			}
		})
	}
}

// TestGoldens: every checkpoint of testdata/ gives the logits and ids of the published code, within
// its format's error.
func TestGoldens(t *testing.T) {
	entries, err := golden.Folders("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	dev := open(t, Config{})
	for _, e := range entries {
		tol, kv := e.File.Tolerance(), runtime.BF16
		if tol == golden.Exact() {
			kv = runtime.F32
		}
		t.Run(e.Name, func(t *testing.T) { checkGoldens(t, dev, e, kv, tol) })
	}
}

func checkGoldens(t *testing.T, dev *Device, e golden.Entry, kv runtime.DType,
	tol golden.Tolerance,
) {
	t.Helper()
	exec, o := compileGolden(t, dev, e, kv)
	results, err := e.File.Check(exec, o.BlockSize, o.MaxTokens, tol.RelNorm)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		t.Logf("%s: relative norm %.2g, %d of %d excused", r.Case, r.RelNorm, r.Excused,
			r.Positions)
		for _, p := range r.Problems(tol) {
			t.Errorf("%s: %s", r.Case, p)
		}
	}
}

// compileGolden loads a folder, with room for its longest case in a cache of kv.
func compileGolden(t *testing.T, dev *Device, e golden.Entry, kv runtime.DType) (
	runtime.Executable, runtime.CompileOptions,
) {
	t.Helper()
	m, err := models.Load(e.Path, models.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	o := runtime.CompileOptions{
		KVBytes: 1 << 28, KVDType: kv, BlockSize: 16, MaxTokens: 50, MaxSeqs: 1,
		MaxContext: 352,
	}
	return compile(t, dev, m.Program, m.Checkpoint, o), o
}
