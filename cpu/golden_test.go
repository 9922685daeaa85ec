package cpu

import (
	"testing"

	"basalt/internal/golden"
	"basalt/models"
	"basalt/runtime"
)

// TestGoldens: every checkpoint of testdata/ gives the logits and ids of the published code, within
// its format's error.
func TestGoldens(t *testing.T) {
	entries, err := golden.Folders("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	dev := open(t, Config{})
	for _, e := range entries {
		t.Run(e.Name, func(t *testing.T) { checkGoldens(t, dev, e) })
	}
}

func checkGoldens(t *testing.T, dev *Device, e golden.Entry) {
	tol, kv := e.File.Tolerance(), runtime.BF16
	if tol == golden.Exact() {
		kv = runtime.F32
	}
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
