//go:build cuda

package cuda

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestStagesNameTests: each test of a stage is there.
func TestStagesNameTests(t *testing.T) {
	if _, err := os.Stat("bundle_test.go"); err != nil {
		t.Skip("the sources are not here")
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	for stage, tests := range stages() {
		for _, argv := range tests {
			name, _, _ := strings.Cut(argv[0], "/")
			if !regexp.MustCompile(`func ` + name + `\(t `).MatchString(all.String()) {
				t.Errorf("stage %s runs %s, which is not there", stage, name)
			}
		}
	}
}

// TestResultsAreResumed: what passed with this commit is not run again; what failed, was skipped or
// is another commit's, is. A stage's deadline ends its test.
func TestResultsAreResumed(t *testing.T) {
	needFake(t)
	file := filepath.Join(t.TempDir(), "gpu-results.jsonl")
	run := func(ctx context.Context, name string, pass bool) result {
		t.Helper()
		r := result{Stage: "s", Test: name, Commit: "c", argv: []string{name}}
		if r.run(ctx, os.Args[0]); r.Pass != pass {
			t.Errorf("%s passed: %v, want %v\n%s", name, r.Pass, pass, r.Output)
		}
		if err := r.append(file); err != nil {
			t.Fatal(err)
		}
		return r
	}
	passed := run(t.Context(), "TestStagesNameTests", true)
	skipped := run(t.Context(), "TestNoDriver", false)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	cut := run(ended, "TestStagesNameTests/cut", false)
	onFake := passed
	if onFake.Test, onFake.Simulated = "fake", true; onFake.append(file) != nil {
		t.Error("a result of the fake was not written")
	}
	if simulated := readResults(file, "c", true); len(simulated) != 1 || !simulated[onFake.key()] {
		t.Errorf("passed on the fake are %v", simulated)
	}
	done := readResults(file, "c", false)
	if !done[passed.key()] || done[skipped.key()] || done[cut.key()] || len(done) != 1 {
		t.Errorf("passed are %v", done)
	}
	if other := readResults(file, "d", false); len(other) != 0 {
		t.Errorf("another commit's are %v", other)
	}
}
