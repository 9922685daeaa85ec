//go:build cuda

package cuda

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/cuda/fake"
	"basalt/runtime"
)

// TestDeadGPUFailsSteps: an Xid that ends a GPU fails the next step, and health and metrics say
// what it was.
func TestDeadGPUFailsSteps(t *testing.T) {
	needFake(t)
	lib := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", lib,
		"nvml/testdata/fake.c").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d, _ := openFake(t, fake.Healthy(), Config{NVML: lib})
	p, c := newModel(t, "llama", "narrow", runtime.BF16)
	e := compileFor(t, d, p, c, testOptions)
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		state, why := d.Health()
		if state == "dead" && strings.Contains(why, "Xid 79") {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("health is %s, %q", state, why)
		}
	}
	if err := oneStep(e); err == nil || !strings.Contains(err.Error(), "fallen off the bus") {
		t.Errorf("the step gave %v", err)
	}
	var text strings.Builder
	if err := d.WriteMetrics(&text); err != nil || !strings.Contains(text.String(),
		`basalt_gpu_state{gpu="0"} 2`) || !strings.Contains(text.String(), "power_watts") {
		t.Errorf("%v: metrics %s", err, text.String())
	}
	d.lost = nil // the fake GPU gives its memory back
	d.monitor.close()
	d.monitor = nil
}

// TestFakeDriverIsRefused: what runs on the fake is no figure of a GPU.
func TestFakeDriverIsRefused(t *testing.T) {
	needFake(t)
	if os.Getenv("BASALT_TEST_REFUSE") != "" {
		_, err := Open(Config{})
		if err == nil || !strings.Contains(err.Error(), "fake of the tests") {
			t.Errorf("opening the fake by its name gave %v", err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestFakeDriverIsRefused$")
	cmd.Env = append(os.Environ(), "BASALT_TEST_REFUSE=1",
		"LD_LIBRARY_PATH="+filepath.Dir(os.Getenv(fakePath)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
