package fake

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    uint64_t total_memory;
    int fail_code;
    int64_t fail_after, hang_after;
    int capability, arch_fault;
    int64_t launches, graph_launches, captures;
    char wrong[256];
} fake_state;

static void call_state(void *fn, fake_state *s) { ((void (*)(fake_state *))fn)(s); }
static int call_live(void *fn) { return ((int (*)(void))fn)(); }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"unsafe"

	goruntime "runtime"
)

// Build compiles the fake driver into a folder, from the project's root, and gives its path.
func Build(root, dir string) (string, error) {
	kernels, err := filepath.Glob(filepath.Join(root, "kernels/*/*.cu"))
	if err != nil || len(kernels) == 0 {
		return "", fmt.Errorf("cannot find the kernels below %q: %w", root, err)
	}
	sources, err := filepath.Glob(filepath.Join(root, "cuda/fake/src/*.c"))
	if err != nil {
		return "", err
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	lib := filepath.Join(dir, "libcuda.so.1")
	args := []string{
		"-x", "c", "-std=gnu11", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-Wall",
		"-Werror", "-o", lib,
	}
	if goruntime.GOARCH == "amd64" {
		args = append(args, "-march=native")
	}
	args = append(append(append(args, kernels...), sources...), "-lm", "-ldl")
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the fake driver: %w\n%s", err, out)
	}
	return lib, nil
}

// State is what tests ask of the driver, and what it counts.
type State struct {
	TotalMemory uint64
	// FailCode is what every call gives once FailAfter launches are through; below zero never.
	FailCode  int
	FailAfter int64
	// HangAfter is after how many launches the stream stops; below zero never.
	HangAfter int64
	// Capability is 10*major + minor of the GPU's compute capability.
	Capability int
	// ArchFault of kernels of one architecture: 0 none, 1 wrong results, else the code of an error
	// that ends the context.
	ArchFault                         int
	Launches, GraphLaunches, Captures int64
	// Wrong is the first rule that a caller broke.
	Wrong string
}

// Healthy is an Ampere with 2 GiB and never fails.
func Healthy() State {
	return State{TotalMemory: 2 << 30, FailAfter: -1, HangAfter: -1, Capability: 80}
}

// Driver controls a loaded fake.
type Driver struct{ set, get, live unsafe.Pointer }

// Open finds the controls of a fake that Build has made.
func Open(path string) (*Driver, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	lib := C.dlopen(name, C.RTLD_NOW|C.RTLD_LOCAL)
	if lib == nil {
		return nil, errors.New(C.GoString(C.dlerror()))
	}
	find := func(symbol string) unsafe.Pointer {
		s := C.CString(symbol)
		defer C.free(unsafe.Pointer(s))
		return C.dlsym(lib, s)
	}
	d := &Driver{find("fake_set"), find("fake_get"), find("fake_live")}
	if d.set == nil || d.get == nil || d.live == nil {
		return nil, fmt.Errorf("%s is no fake driver", path)
	}
	return d, nil
}

// Set changes the state.
func (d *Driver) Set(s State) {
	c := C.fake_state{
		total_memory: C.uint64_t(s.TotalMemory), fail_code: C.int(s.FailCode),
		fail_after: C.int64_t(s.FailAfter), hang_after: C.int64_t(s.HangAfter),
		capability: C.int(s.Capability), arch_fault: C.int(s.ArchFault),
		launches: C.int64_t(s.Launches), graph_launches: C.int64_t(s.GraphLaunches),
		captures: C.int64_t(s.Captures),
	}
	C.call_state(d.set, &c)
}

// State reads it.
func (d *Driver) State() State {
	var c C.fake_state
	C.call_state(d.get, &c)
	return State{
		TotalMemory: uint64(c.total_memory), FailCode: int(c.fail_code),
		FailAfter: int64(c.fail_after), HangAfter: int64(c.hang_after),
		Capability: int(c.capability), ArchFault: int(c.arch_fault),
		Launches: int64(c.launches), GraphLaunches: int64(c.graph_launches),
		Captures: int64(c.captures), Wrong: C.GoString(&c.wrong[0]),
	}
}

// Live counts the allocations that were not given back.
func (d *Driver) Live() int { return int(C.call_live(d.live)) }
