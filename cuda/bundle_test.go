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
	"slices"
	"strings"
	"syscall"
	"time"
)

// The test binary is also what `make gpu-bundle` makes for a machine with a GPU and without Go:
// gpu-test correctness | sanitize | bench | all runs tests one by one as its own children, writes
// each result as it comes, and skips what has passed when it is run again. Where the environment
// names the fake driver, tests run on that, results say that they are simulated, and none counts
// for a GPU.

// stageLimit ends a stage; what is left runs when it is started again.
const stageLimit = 8 * time.Minute

// Environment of a simulation alone: the tests of a stage that it takes, with commas; its limit.
const (
	simulatedTests = "BASALT_TEST_ONLY"
	simulatedLimit = "BASALT_TEST_LIMIT"
)

// result is a line of gpu-results.jsonl.
type result struct {
	Stage, Test, Commit string
	Simulated           bool // on the fake: it shows that the stage works, and nothing of a GPU
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
			test("TestTimeOfModel/bf16"), test("TestTimeOfModel/f8"),
			test("TestTimeOfModel/library"), test("TestTimeOfTrials"), test("TestRatesThroughHTTP"),
		},
	}
}

// runBundle runs a stage and gives the process's exit code: 3 when something is left.
func runBundle(stage string) int {
	names := []string{stage}
	if stage == "all" {
		names = []string{"correctness", "bench", "sanitize"}
	}
	limit, fake := stageLimit, os.Getenv(fakePath) != ""
	only := strings.Split(os.Getenv(simulatedTests), ",")
	var left []result
	for _, name := range names {
		for _, t := range stages()[name] {
			if fake && only[0] != "" && !slices.Contains(only, t[0]) {
				continue
			}
			left = append(left, result{
				Stage: name, Test: strings.Join(t, " "), argv: t, Simulated: fake,
			})
		}
	}
	if left == nil {
		fmt.Fprintln(os.Stderr, "usage: gpu-test correctness | sanitize | bench | all")
		return 2
	}
	if fake {
		fmt.Println("simulated: on the fake driver, which shows nothing of a GPU")
		if d, err := time.ParseDuration(os.Getenv(simulatedLimit)); err == nil {
			limit = d
		}
	}
	return runAll(left, limit)
}

func runAll(list []result, limit time.Duration) int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	line, _ := os.ReadFile(filepath.Join(filepath.Dir(self), "COMMIT"))
	commit := strings.TrimSpace(string(line))
	const file = "gpu-results.jsonl"
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	passed, code := readResults(file, commit, list[0].Simulated), 0
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
	// What a test has started ends with it: a server would hold the GPU.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Env = append(os.Environ(), realGPU+"=1")
	if r.Simulated {
		cmd.Env = append(os.Environ(), simulation+"=1")
	}
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
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = f.Write(append(append(endLine(f), line...), '\n'))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// endLine is what ends a line that a run was killed in the middle of.
func endLine(f *os.File) []byte {
	var last [1]byte
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		return nil
	} else if _, err := f.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return nil
	}
	return []byte("\n")
}

// readResults finds what has passed with this commit, on a GPU or on the fake.
func readResults(file, commit string, simulated bool) map[string]bool {
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
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Pass && r.Commit == commit &&
			r.Simulated == simulated {
			passed[r.key()] = true
		}
	}
	return passed
}
