//go:build cuda

package cuda

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"basalt/cuda/fake"
	"basalt/internal/golden"
	"basalt/models"
	"basalt/runtime"
)

// goldenFolder is the project's testdata/, or what `make gpu-bundle` lays beside the program.
func goldenFolder() string {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "testdata")
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return "../testdata"
}

// TestGoldens: checkpoints of testdata/ give the logits and ids of the published code, within their
// format's error; on the fake, one of each kind of product.
func TestGoldens(t *testing.T) {
	entries, err := golden.Folders(goldenFolder())
	if err != nil {
		t.Fatal(err)
	}
	dev, _ := openFake(t, fake.Healthy(), Config{})
	some := []string{
		"llama2", "qwen3", "gguf/qwen3-Q8_0", "llama3-fp8", "qwen3-moe-fp8-blocks", "llama3-mxfp4",
		"mistral-nvfp4",
	}
	for _, e := range entries {
		if os.Getenv(realGPU) == "" {
			if !slices.Contains(some, e.Name) {
				continue
			}
			e.File.Cases = e.File.Cases[:1]
		}
		t.Run(e.Name, func(t *testing.T) { checkGoldens(t, dev, e) })
	}
}

func checkGoldens(t *testing.T, dev runtime.Device, e golden.Entry) {
	m, err := models.Load(e.Path, models.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	tol := e.File.Tolerance()
	o := runtime.CompileOptions{
		KVBytes: 64 << 20, KVDType: runtime.BF16, BlockSize: 16, MaxTokens: 50, MaxSeqs: 1,
		MaxContext: 352,
	}
	if tol == golden.Exact() {
		o.KVDType = runtime.F32
	}
	results, err := e.File.Check(compileFor(t, dev, m.Program, m.Checkpoint, o), o.BlockSize,
		o.MaxTokens, tol.RelNorm)
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
