package cpu

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// arm64Compiler is Debian's cross compiler, as the Makefile's test-isa has it.
const arm64Compiler = "aarch64-linux-gnu-gcc"

// TestARM64Compiles: the kernels of processors that the tests do not run on are C that a compiler
// takes without a warning. That they are right is shown by make test-isa.
func TestARM64Compiles(t *testing.T) {
	cc, err := exec.LookPath(arm64Compiler)
	if err != nil {
		t.Skipf("%v: install gcc-aarch64-linux-gnu and libc6-dev-arm64-cross", err)
	}
	sources, err := filepath.Glob("*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no C sources: %v", err)
	}
	args := []string{"-std=c11", "-Wall", "-Werror", "-fsyntax-only"}
	for _, file := range sources {
		if !strings.HasSuffix(file, "_amd64.c") {
			args = append(args, file)
		}
	}
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", cc, err, out)
	}
}
