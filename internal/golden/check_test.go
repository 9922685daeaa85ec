package golden

import (
	"strings"
	"testing"
)

func TestCompareAppliesTheMarginRule(t *testing.T) {
	file := &File{Vocab: 3, logits: []float32{1, 2, 3}}
	c := &Case{
		Prompt: []int32{1}, Greedy: []int32{2, 2, 0}, Margin: []float32{1, 0.01, 1},
		Std:  []float32{1, 1, 1},
		Rows: []int{0},
	}
	f := func(rows [][]float32, excused, mismatches int, want string) {
		t.Helper()
		r := file.compare(c, rows, 1e-2)
		if r.Excused != excused || r.Mismatches != mismatches {
			t.Errorf("%d excused, %d mismatches; want %d, %d", r.Excused, r.Mismatches, excused,
				mismatches)
		}
		got := strings.Join(r.Problems(Tolerance{1e-2, 0.5}), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("problems %q, want %q", got, want)
		}
	}
	good := [][]float32{{1, 2, 3}, {0, 0, 9}, {5, 0, 1}}
	f(good, 1, 0, "")
	f([][]float32{{1, 2, 3}, {0, 9, 0}, {5, 0, 1}}, 1, 0, "")
	f([][]float32{{1, 2, 3}, {0, 0, 9}, {0, 0, 1}}, 1, 1, "1 ids differ; position 2: id 2")
	f([][]float32{{1, 2, 3.2}, {0, 0, 9}, {5, 0, 1}}, 1, 0, "relative norm")
}

func TestFoldersOfThisRepository(t *testing.T) {
	entries, err := Folders("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"llama2": 1e-4, "qwen2": 2e-2, "llama3-tied": 2e-2,
		"gguf/qwen3-Q8_0": 5e-2,
	}
	for _, e := range entries {
		if bound, ok := want[e.Name]; ok && e.File.Tolerance().RelNorm != bound {
			t.Errorf("%s (%s) has bound %g, want %g", e.Name, e.File.Weights,
				e.File.Tolerance().RelNorm, bound)
		}
		delete(want, e.Name)
		for _, c := range e.File.Cases {
			if len(c.Greedy) != 200 || len(c.Rows) == 0 {
				t.Errorf("%s: case %q has %d ids and %d rows", e.Name, c.Name, len(c.Greedy),
					len(c.Rows))
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("folders are missing: %v", want)
	}
}
