package models

import (
	"testing"

	"basalt/internal/golden"
	"basalt/runtime"
)

// chosen keeps the reference device's slow arithmetic short: every folder's first case, and the
// long ones where position matters. Other devices run them all.
func chosen(e golden.Entry) []golden.Case {
	switch e.Name {
	case "mistral", "llama-dynamic", "llama-yarn":
		return e.File.Cases[:2]
	}
	return e.File.Cases[:1]
}

// TestGoldensOnTheReference proves the loaders, the families and the reference device at once:
// every checkpoint of testdata/ gives the logits and ids of the published code.
func TestGoldensOnTheReference(t *testing.T) {
	entries, err := golden.Folders("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			m, err := Load(e.Path, LoadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = m.Close() }()
			const blockSize = 16
			exec, err := runtime.NewReference().Compile(t.Context(), m.Program, m.Checkpoint,
				runtime.CompileOptions{
					KVBytes: 1 << 30, KVDType: runtime.F32, BlockSize: blockSize, MaxTokens: 64,
					MaxSeqs:    1,
					MaxContext: 352,
				})
			if err != nil {
				t.Fatal(err)
			}
			e.File.Cases = chosen(e)
			results, err := e.File.Check(exec, blockSize, 64, golden.Exact().RelNorm)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				t.Logf("%s: relative norm %.2g, %d of %d excused", r.Case, r.RelNorm, r.Excused,
					r.Positions)
				for _, p := range r.Problems(golden.Exact()) {
					t.Errorf("%s: %s", r.Case, p)
				}
			}
		})
	}
}
