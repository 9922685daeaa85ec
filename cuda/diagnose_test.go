//go:build cuda

package cuda

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"basalt/cuda/fake"
)

// buildLibrary compiles one file of C.
func buildLibrary(t testing.TB, source, name string) string {
	t.Helper()
	lib := filepath.Join(t.TempDir(), name)
	out, err := exec.Command("cc", "-shared", "-fPIC", "-O1", "-ffp-contract=off", "-o", lib,
		source).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return lib
}

// TestDiagnose: what is there and what is missing is said, and what to do.
func TestDiagnose(t *testing.T) {
	needFake(t)
	f := func(c Config, want ...string) {
		t.Helper()
		var text strings.Builder
		if err := Diagnose(&text, c); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(text.String(), w) {
				t.Errorf("the report lacks %q:\n%s", w, &text)
			}
		}
	}
	drv, err := fake.Open(os.Getenv(fakePath))
	if err != nil {
		t.Fatal(err)
	}
	drv.Set(fake.Healthy())
	none := "libnothing-of-this-name.so.1"
	f(Config{Library: os.Getenv(fakePath), NVML: none, BLAS: none, NCCL: none},
		"cuda device   ready:", "sm_80", "health   unknown", "install NVIDIA's management library",
		"cuBLASLt      none: our own kernels multiply", "NCCL          none", "portable")
	t.Setenv("BASALT_FAKE_EVENTS", "0")
	f(Config{
		Library: os.Getenv(fakePath),
		NVML:    buildLibrary(t, "nvml/testdata/fake.c", "libnvidia-ml.so.1"),
		BLAS:    buildLibrary(t, "blas/testdata/fake.c", "libcublasLt.so.13"),
		NCCL:    buildLibrary(t, "blas/testdata/nccl.c", "libnccl.so.2"),
	}, "health   degraded memory rows wait", "cuBLASLt      13.0.1 (", "NCCL          2.29.7")
	s := fake.Healthy()
	s.FailCode, s.FailAfter = 46, 0
	drv.Set(s)
	defer drv.Set(fake.Healthy())
	f(Config{Library: os.Getenv(fakePath), NVML: none, BLAS: none, NCCL: none},
		"cuda device   none: cuDevicePrimaryCtxRetain", "nvidia-smi", "cuBLASLt      none", "NCCL")
}
