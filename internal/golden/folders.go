package golden

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Entry is one golden folder.
type Entry struct {
	Name string // such as "qwen3" or "gguf/qwen3-Q8_0"
	Path string // what a loader opens: the folder, or the GGUF file in it
	File *File
}

// Folders opens every golden folder below root, the project's testdata/.
func Folders(root string) ([]Entry, error) {
	var entries []Entry
	for _, pattern := range []string{"*", "gguf/*"} {
		found, err := filepath.Glob(filepath.Join(root, pattern, "golden.json"))
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			dir := filepath.Dir(path)
			f, err := Open(dir, "golden")
			if err != nil {
				return nil, err
			}
			name, err := filepath.Rel(root, dir)
			if err != nil {
				return nil, err
			}
			e := Entry{Name: filepath.ToSlash(name), Path: dir, File: f}
			if strings.HasPrefix(e.Name, "gguf/") {
				e.Path = filepath.Join(dir, "model.gguf")
			}
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("no golden.json below %s", root)
	}
	return entries, nil
}

// Tolerance of a weight format: the bound of the logits' relative norm, and the greatest share of
// positions that may be excused.
type Tolerance struct{ RelNorm, Excused float64 }

// Tolerance is what a device's own arithmetic is allowed on this folder's weights.
func (f *File) Tolerance() Tolerance {
	switch {
	case strings.Contains(f.Weights, "Q"), f.Weights == "MXFP4":
		return Tolerance{5e-2, 0.40}
	case f.Weights == "FP8", f.Weights == "NVFP4", strings.HasSuffix(f.Weights, "16"),
		strings.Contains(f.Weights, "16,"):
		return Tolerance{2e-2, 0.15}
	}
	return Tolerance{1e-4, 0.02}
}

// Exact is the tolerance of a device that computes in float32 whatever the weights are.
func Exact() Tolerance { return Tolerance{1e-4, 0.02} }

// Problems lists what breaks the rule; nil is a pass.
func (r Result) Problems(tol Tolerance) []string {
	var problems []string
	if !(r.RelNorm <= tol.RelNorm) {
		problems = append(problems, fmt.Sprintf("relative norm %.2g exceeds %.2g", r.RelNorm,
			tol.RelNorm))
	}
	if r.Mismatches > 0 {
		problems = append(problems, fmt.Sprintf("%d ids differ; %s", r.Mismatches, r.First))
	}
	if share := float64(r.Excused) / float64(r.Positions); share > tol.Excused {
		problems = append(problems, fmt.Sprintf("%d of %d positions are excused, more than %.0f %%",
			r.Excused, r.Positions, 100*tol.Excused))
	}
	return problems
}
