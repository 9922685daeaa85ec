package track

import (
	"fmt"
	"path"
	"strings"
)

// Workload is one command of this program that prints a result as JSON.
type Workload struct {
	Name string
	Args []string // after the program's name
}

// Workloads are those of make bench: they need no file but those in the repository.
func Workloads() []Workload {
	offline := func(dtype string, more ...string) []string {
		return append([]string{
			"bench", "offline", "llama-3.2-1b", "--load", "dummy", "--quantize", dtype,
			"--figures", "--repeats", "1", "--steps", "16", "--context", "16",
		}, more...)
	}
	const small = "testdata/stories260K/stories260K-f32.gguf"
	return []Workload{
		{"offline/1b-q4_0", offline("q4_0", "--sequences", "1,8,32", "--prefill", "256")},
		{"offline/1b-q8_0", offline("q8_0", "--sequences", "1,8", "--prefill", "128")},
		{"offline/1b-bf16", offline("bf16", "--sequences", "1,8", "--prefill", "128")},
		{"latency/0.6b-q4_0", []string{
			"bench", "latency", "qwen3-0.6b", "--load", "dummy", "--quantize", "q4_0",
			"--batch", "4", "--input-len", "32", "--output-len", "32", "--iterations", "3",
			"--json",
		}},
		{"serve/1b-q4_0", []string{
			"bench", "sweep", "llama-3.2-1b", "--load", "dummy", "--quantize", "q4_0",
			"--clients", "1,4,16", "--turns", "2", "--input-len", "32", "--output-len", "16",
			"--json",
		}},
		{"kernels/8192x2048", []string{
			"bench", "kernels", "--formats", "q4_0,q8_0,bf16", "--rows", "1,8,32", "--steps", "9",
			"--json",
		}},
		{"http/null", []string{"bench", "http", small, "--json"}},
		{"startup/260k", []string{"bench", "startup", small, "--repeats", "5", "--json"}},
		{"memory/260k", []string{"bench", "memory", small, "--json"}},
	}
}

// Pick gives the workloads whose names match one of the comma-separated patterns (path.Match); an
// empty list gives all.
func Pick(patterns string) ([]Workload, error) {
	if patterns == "" {
		return Workloads(), nil
	}
	var picked []Workload
	for _, w := range Workloads() {
		for _, p := range strings.Split(patterns, ",") {
			ok, err := path.Match(strings.TrimSpace(p), w.Name)
			if err != nil {
				return nil, fmt.Errorf("pattern %q of workloads: %w", p, err)
			}
			if ok {
				picked = append(picked, w)
				break
			}
		}
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("no workload matches %q", patterns)
	}
	return picked, nil
}
