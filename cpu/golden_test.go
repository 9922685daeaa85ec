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
	dev, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dev.Close() }()
	for _, e := range entries {
		t.Run(e.Name, func(t *testing.T) { checkGoldens(t, dev, e) })
	}
}

func checkGoldens(t *testing.T, dev *Device, e golden.Entry) {
	m, err := models.Load(e.Path, models.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	tol := e.File.Tolerance()
	o := runtime.CompileOptions{
		KVBytes: 1 << 28, KVDType: runtime.BF16, BlockSize: 16, MaxTokens: 50, MaxSeqs: 1,
		MaxContext: 352,
	}
	if tol == golden.Exact() {
		o.KVDType = runtime.F32
	}
	exec, err := dev.Compile(t.Context(), m.Program, m.Checkpoint, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = exec.Close() }()
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
