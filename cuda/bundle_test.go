//go:build cuda

package cuda

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The test binary is also what `make gpu-bundle` makes for a machine with a GPU and without Go:
// gpu-test correctness | sanitize | bench | all runs tests one by one as its own children, writes
// each result as it comes, and skips what has passed when it is run again.

// stageLimit ends a stage; what is left runs when it is started again.
const stageLimit = 8 * time.Minute

// result is a line of gpu-results.jsonl.
type result struct {
	Stage, Test, Commit string
	Time                time.Time
	Seconds             float64
	Pass                bool
	Output              string

	argv []string // the test's name, and the tool that it runs under
}

func stages() map[string][][]string {
	test := func(name string, tool ...string) []string { return append([]string{name}, tool...) }
	sanitizer := func(name, tool string) []string {
		return test(name, "compute-sanitizer", "--error-exitcode", "9", "--tool", tool)
	}
	return map[string][][]string{
		"correctness": {
			test("TestArchKernelsAreChecked"), test("TestOpsAgainstFloat64"),
			test("TestProductsAgainstFloat64"), test("TestGoldens"),
			test("TestSmallFloatsAgainstFloat64"), test("TestSmallFloatModels"),
			test("TestModelsMatchTheReference"), test("TestSameBits"), test("TestLongContext"),
			test("TestArchKernelsGiveTheSameBits"), test("TestSamplingMatchesTheReference"),
			test("TestLongListsGrowTheBatch"), test("TestCompileRefusesBadOptions"),
			test("TestThousandTokensInAnyBatch"),
		},
		"sanitize": {
			sanitizer("TestArchKernelsAreChecked", "memcheck"),
			sanitizer("TestArchKernelsAreChecked", "racecheck"),
			sanitizer("TestOpsAgainstFloat64", "memcheck"),
			sanitizer("TestOpsAgainstFloat64", "racecheck"),
			sanitizer("TestSameBits/qwen3", "memcheck"),
			sanitizer("TestSameBits/qwen3", "racecheck"),
			sanitizer("TestLongListsGrowTheBatch", "memcheck"),
		},
		"bench": {
			test("TestTimeOfProducts"), test("TestTimeOfAttention"), test("TestTimeOfLaunches"),
			test("TestTimeOfModel/bf16"), test("TestTimeOfModel/f8"), test("TestRatesThroughHTTP"),
		},
	}
}

// runBundle runs a stage and gives the process's exit code: 3 when something is left.
func runBundle(stage string) int {
	names := []string{stage}
	if stage == "all" {
		names = []string{"correctness", "bench", "sanitize"}
	}
	var left []result
	for _, name := range names {
		for _, t := range stages()[name] {
			left = append(left, result{Stage: name, Test: strings.Join(t, " "), argv: t})
		}
	}
	if left == nil {
		fmt.Fprintln(os.Stderr, "usage: gpu-test correctness | sanitize | bench | all")
		return 2
	}
	return runAll(left)
}

func runAll(list []result) int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	line, _ := os.ReadFile(filepath.Join(filepath.Dir(self), "COMMIT"))
	commit := strings.TrimSpace(string(line))
	const file = "gpu-results.jsonl"
	ctx, cancel := context.WithTimeout(context.Background(), stageLimit)
	defer cancel()
	passed, code := readResults(file, commit), 0
	for _, r := range list {
		if r.Commit = commit; passed[r.key()] {
			fmt.Println("passed before:", r.Test)
			continue
		}
		if ctx.Err() != nil {
			fmt.Println("left:", r.Test)
			code = max(code, 3)
			continue
		}
		if r.run(ctx, self); !r.Pass && ctx.Err() != nil {
			fmt.Println("cut off:", r.Test)
			code = max(code, 3)
			continue
		}
		fmt.Printf("%s %s (%.1f s)\n%s", map[bool]string{true: "ok", false: "FAIL"}[r.Pass], r.Test,
			r.Seconds, r.Output)
		if !r.Pass {
			code = 1
		}
		if err := r.append(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

func (r *result) key() string { return r.Stage + " " + r.Test + " " + r.Commit }

// run runs a test as a child, under a tool where one is named; then on small shapes.
func (r *result) run(ctx context.Context, self string) {
	t := r.argv
	pattern := "^" + strings.ReplaceAll(t[0], "/", "$/") + "$"
	if strings.Contains(t[0], "/") {
		pattern = strings.TrimSuffix(pattern, "$")
	}
	args := append(append([]string(nil), t[1:]...), self, "-test.v", "-test.run", pattern)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), realGPU+"=1")
	if len(t) > 1 {
		cmd.Env = append(cmd.Env, smallShapes+"=1")
	}
	r.Time = time.Now().UTC()
	out, err := cmd.CombinedOutput()
	r.Seconds = time.Since(r.Time).Seconds()
	r.Pass = err == nil && strings.Contains(string(out), "--- PASS")
	if err != nil {
		out = append(out, err.Error()+"\n"...)
	}
	r.Output = string(out[max(0, len(out)-8000):])
}

func (r *result) append(file string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// readResults finds what has passed with this commit.
func readResults(file, commit string) map[string]bool {
	passed := make(map[string]bool)
	f, err := os.Open(file)
	if err != nil {
		return passed
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r result
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Pass && r.Commit == commit {
			passed[r.key()] = true
		}
	}
	return passed
}
