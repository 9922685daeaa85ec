package main

import (
	"encoding/json"
	"os/exec"
	"testing"

	"basalt/bench"
)

// TestBenchesOfThisProgramsServer: the benches that start a server by themselves print every figure
// that the record knows them by.
func TestBenchesOfThisProgramsServer(t *testing.T) {
	f := func(names []string, args ...string) {
		t.Helper()
		var r bench.Result
		out := mustOutput(t, append([]string{"bench"}, args...)...)
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		got := map[string]float64{}
		for _, figure := range r.Figures {
			got[figure.Name] = figure.Value
		}
		for _, name := range names {
			for _, part := range []string{
				"", ": " + bench.TTFT50, ": " + bench.TTFT99, ": " + bench.TPOT50,
				": " + bench.TPOT99,
			} {
				if v, ok := got[name+part]; !ok || v < 0 || v == 0 && part == "" {
					t.Errorf("%v prints %q as %g", args, name+part, v)
				}
			}
			if got[name+": "+bench.TTFT99] < got[name+": "+bench.TTFT50] {
				t.Errorf("%v: percentiles %v", args, got)
			}
		}
	}
	f([]string{"clients 1", "clients 3"}, "sweep", storiesModel, "--clients", "1,3", "--turns", "1",
		"--input-len", "8", "--output-len", "4", "--json")
	f([]string{"tokens"}, "http", storiesModel, "--clients", "2", "--requests", "8", "--output",
		"4", "--json")
}

func mustOutput(t *testing.T, args ...string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("basalt %q: %v\n%s", args, err, out)
	}
	return string(out)
}
