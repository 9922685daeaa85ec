//go:build cuda

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bundle is what `make gpu-bundle` makes, on the fake driver.
type bundle struct {
	dir string
	env []string
}

func newBundle(t *testing.T) *bundle {
	t.Helper()
	libs, err := fakeGPU()
	if err != nil {
		t.Fatal(err)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{t.TempDir(), append(os.Environ(), "BASALT_TEST_FAKE_CUDA="+libs[0])}
	out, err := exec.Command("go", "test", "-c", "-tags", buildTags, "-ldflags", "-s -w", "-o",
		filepath.Join(b.dir, "gpu-test"), "basalt/cuda").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := errors.Join(os.Symlink(path, filepath.Join(b.dir, "basalt")),
		os.WriteFile(filepath.Join(b.dir, "COMMIT"), []byte("c0ffee\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	return b
}

// command is a stage of some tests, in a process group of its own.
func (b *bundle) command(stage string, tests []string, env ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(b.dir, "gpu-test"), stage)
	cmd.Dir, cmd.SysProcAttr = b.dir, &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(slices.Clone(b.env), "BASALT_TEST_ONLY="+strings.Join(tests, ","))
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// run gives what a stage prints; it must end with a code.
func (b *bundle) run(t *testing.T, code int, stage string, tests []string, env ...string) string {
	t.Helper()
	cmd := b.command(stage, tests, env...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%s exits with %d, want %d:\n%s", stage, got, code, out)
	}
	if !strings.Contains(string(out), "simulated: on the fake driver") {
		t.Errorf("%s does not say that it is simulated:\n%s", stage, out)
	}
	return string(out)
}

// passed lists the tests with a result, each of which must be one of the fake.
func (b *bundle) passed(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, "gpu-results.jsonl"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for line := range bytes.Lines(data) {
		var r struct {
			Test, Commit    string
			Pass, Simulated bool
		}
		if json.Unmarshal(line, &r) != nil {
			continue // cut off
		}
		if !r.Simulated || !r.Pass || r.Commit != "c0ffee" {
			t.Errorf("a result of the fake is %s", line)
		}
		names = append(names, r.Test)
	}
	return names
}

// cutOff kills a stage when it has a first result, in the middle of writing the next one.
func (b *bundle) cutOff(t *testing.T, tests []string) {
	t.Helper()
	cmd := b.command("correctness", tests)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); len(b.passed(t)) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Error("no result came in a minute")
			break
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	f, err := os.OpenFile(filepath.Join(b.dir, "gpu-results.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprint(f, `{"Stage":"correctness","Te`)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCUDABundle: a stage that is killed goes on where it was, exits with 3 at its deadline and
// with 0 when all has passed; measurements go through, print that they are simulated, and the load
// through HTTP is refused.
func TestCUDABundle(t *testing.T) {
	b := newBundle(t)
	tests := []string{
		"TestSamplingMatchesTheReference", "TestLongListsGrowTheBatch",
		"TestCompileRefusesBadOptions",
	}
	b.cutOff(t, tests)
	before := b.passed(t)
	if len(before) == 0 || len(before) == len(tests) {
		t.Fatalf("the stage was killed after %v", before)
	}
	out := b.run(t, 3, "correctness", tests, "BASALT_TEST_LIMIT=1ms")
	if !strings.Contains(out, "passed before: "+before[0]) || !strings.Contains(out, "left: ") &&
		!strings.Contains(out, "cut off: ") {
		t.Errorf("a stage that is late prints\n%s", out)
	}
	b.run(t, 0, "correctness", tests)
	if got := b.passed(t); !slices.Equal(got, tests) {
		t.Errorf("passed are %v, want %v", got, tests)
	}
	again := b.run(t, 0, "correctness", tests)
	if strings.Count(again, "passed before: ") != len(tests) {
		t.Errorf("a stage that is through prints\n%s", again)
	}
	bench := []string{
		"TestTimeOfModel/bf16", "TestTimeOfModel/f8", "TestTimeOfTrials", "TestRatesThroughHTTP",
	}
	out = b.run(t, 0, "bench", bench)
	if strings.Count(out, "simulated: these are no measurements") < len(bench) {
		t.Errorf("measurements of the fake print\n%s", out)
	}
}
