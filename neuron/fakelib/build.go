package fakelib

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
)

// folder is where the C sources lie; they are compiled in place, because they share headers with
// other packages. Looking at each makes the go command run tests again when one has changed.
func folder() (string, error) {
	_, file, _, _ := goruntime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "csrc")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		return "", errors.Join(err, fmt.Errorf("there are no sources of the fake in %s", dir))
	}
	for _, path := range append(files, filepath.Join(dir, "../../fake/executor.h"),
		filepath.Join(dir, "../../nrt/abi.h")) {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("cannot find the sources of the fake library: %w", err)
		}
	}
	return dir, nil
}

// Variant says what the fake library has.
type Variant struct {
	NoBatch  bool // no nrt_tensor_read_batch and write_batch
	Async    bool // nrta_execute_schedule of version NRT_3.0.0
	OldAsync bool // that of the older version, which must not be called
	ASan     bool // for a program built with -asan
}

// Library compiles the fake runtime library into dir and gives its path.
func Library(dir string, v Variant) (string, error) {
	src, err := folder()
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "libnrt.so.1")
	args := []string{
		"-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", out,
	}
	versions := "versions.map"
	switch {
	case v.Async:
		args = append(args, "-DFAKE_ASYNC")
	case v.OldAsync:
		args, versions = append(args, "-DFAKE_ASYNC_OLD"), "versions_old.map"
	}
	if v.NoBatch {
		args = append(args, "-DFAKE_NO_BATCH")
	}
	if v.ASan {
		args = append(args, "-fsanitize=address", "-fno-omit-frame-pointer")
	}
	args = append(args, "-Wl,--version-script="+filepath.Join(src, versions))
	for _, name := range []string{"state.c", "tensor.c", "model.c", "async.c"} {
		args = append(args, filepath.Join(src, name))
	}
	return out, cc(append(args, "-lpthread"))
}

// Compiler compiles the fake neuronx-cc into dir and gives its path.
func Compiler(dir string) (string, error) {
	src, err := folder()
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "neuronx-cc")
	return out, cc([]string{
		"-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-o", out,
		filepath.Join(src, "neuronx_cc.c"),
	})
}

func cc(args []string) error {
	name := os.Getenv("CC")
	if name == "" {
		name = "cc"
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	return nil
}
