//go:build linux

package nrt

/*
#cgo CFLAGS: -std=c11 -O2 -Wall
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "library.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// Config says which library to open and how.
type Config struct {
	// Path is the library; "" tries DefaultPaths.
	Path string
	// AllowFake lets the fake library of the tests be opened.
	AllowFake bool
	// Cores is the contiguous range of logical cores for this process, such as "0-3"; "" leaves the
	// variable NEURON_RT_VISIBLE_CORES as it is.
	Cores string
	// LNC is how many physical cores make a logical one, 1 or 2; 0 leaves it as it is.
	LNC int
	// ExecTimeout bounds one execution; 0 leaves the library's own, which releases disagree about.
	ExecTimeout time.Duration
	// RootComm is IP:PORT where the ranks of several processes meet; "" for one process.
	RootComm string
}

// DefaultPaths are where the library lies.
func DefaultPaths() []string { return []string{"libnrt.so.1", "/opt/aws/neuron/lib/libnrt.so.1"} }

// Runtime is the initialised library. There is one in a process at a time.
type Runtime struct {
	lib   *C.bn_library
	path  string
	cores []*Core
	total int
	count int // visible
	atEnd []func()
}

// Version is the library's own.
type Version struct {
	Major, Minor, Patch, Maintenance uint64
	Detail                           string
}

// String is the version as the release notes write it.
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", v.Major, v.Minor, v.Patch, v.Maintenance)
}

// Instance describes the machine.
type Instance struct {
	Family         int
	Arch, Revision string
}

// Target is what neuronx-cc calls the machine's accelerator; false for a family that it does not
// compile for, or that is not known.
func (i Instance) Target() (string, bool) {
	switch i.Family {
	case C.BN_INSTANCE_TRN3, C.BN_INSTANCE_TRN3PDS98:
		return "trn3", true
	case C.BN_INSTANCE_TRN1:
		return "trn1", true
	case C.BN_INSTANCE_TRN1N:
		return "trn1n", true
	case C.BN_INSTANCE_INF2, C.BN_INSTANCE_INF2E:
		return "inf2", true
	case C.BN_INSTANCE_TRN2, C.BN_INSTANCE_TRN2N:
		return "trn2", true
	}
	return "trn2", i.Family >= C.BN_INSTANCE_TRN2P && i.Family <= C.BN_INSTANCE_TRN2UAC
}

// Open opens and initialises the library.
func Open(c Config) (*Runtime, error) {
	r, err := load(c)
	if err != nil {
		return nil, err
	}
	if err := c.setEnvironment(); err != nil {
		return nil, errors.Join(err, r.release())
	}
	if err := check("nrt_init", "the library "+r.path, uint32(C.bn_init(r.lib))); err != nil {
		return nil, errors.Join(err, r.release())
	}
	var total, visible C.uint32_t
	if err := check("nrt_get_visible_vnc_count", "the library",
		uint32(C.bn_cores(r.lib, &total, &visible))); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.total, r.count = int(total), int(visible)
	return r, nil
}

func load(c Config) (*Runtime, error) {
	paths := DefaultPaths()
	if c.Path != "" {
		paths = []string{c.Path}
	}
	var tried []string
	for _, path := range paths {
		var text [512]C.char
		name := C.CString(path)
		lib := C.bn_open(name, &text[0], C.size_t(len(text)))
		C.free(unsafe.Pointer(name))
		if lib == nil {
			tried = append(tried, path+": "+C.GoString(&text[0]))
			continue
		}
		r := &Runtime{lib: lib, path: path}
		if r.Fake() && !c.AllowFake {
			return nil, errors.Join(fmt.Errorf("cannot use %s: %w", path, ErrFake), r.release())
		}
		return r, nil
	}
	return nil, fmt.Errorf("%w: install the package aws-neuronx-runtime-lib, or name the file "+
		"(%s)", ErrUnavailable, strings.Join(tried, "; "))
}

// setEnvironment tells the library what it reads only from the environment, at its initialisation.
func (c Config) setEnvironment() error {
	set := map[string]string{"NEURON_PROCESS_TAG": "basalt"}
	if c.Cores != "" {
		set["NEURON_RT_VISIBLE_CORES"] = c.Cores
	}
	if c.LNC != 0 {
		set["NEURON_LOGICAL_NC_CONFIG"] = strconv.Itoa(c.LNC)
	}
	if c.ExecTimeout != 0 {
		set["NEURON_RT_EXEC_TIMEOUT"] = strconv.Itoa(int(max(c.ExecTimeout/time.Second, 1)))
	}
	if c.RootComm != "" {
		set["NEURON_RT_ROOT_COMM_ID"] = c.RootComm
	}
	for name, value := range set {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("cannot set %s: %w", name, err)
		}
	}
	// Releases from 2.32 on refuse to start while this is set.
	return os.Unsetenv("NEURON_RT_ASYNC_EXEC_MAX_INFLIGHT_REQUESTS")
}

func (r *Runtime) release() error {
	for _, f := range r.atEnd {
		f()
	}
	C.bn_close_library(r.lib)
	r.lib = nil
	return nil
}

// Fake says whether this is the fake library of the tests.
func (r *Runtime) Fake() bool { return bool(r.lib.fake) }

// Path is the file that was opened.
func (r *Runtime) Path() string { return r.path }

// Async says whether the library has nrta_execute_schedule in the version that this program knows.
func (r *Runtime) Async() bool { return r.lib.execute_schedule != nil }

// Batched says whether several tensors are written, and read, in one call.
func (r *Runtime) Batched() bool {
	return r.lib.nrt_tensor_write_batch != nil && r.lib.nrt_tensor_read_batch != nil
}

// Symbol finds a symbol of the library, nil when it has none of that name.
func (r *Runtime) Symbol(name string) unsafe.Pointer {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return C.bn_symbol(r.lib, text)
}

// TotalCores is the number of logical cores of the machine, VisibleCores that of this process.
func (r *Runtime) TotalCores() int { return r.total }

// VisibleCores is the number of logical cores that this process may use.
func (r *Runtime) VisibleCores() int { return r.count }

// Version asks the library.
func (r *Runtime) Version() (Version, error) {
	var v C.bn_version
	if err := check("nrt_get_version", "the library",
		uint32(C.bn_version_of(r.lib, &v))); err != nil {
		return Version{}, err
	}
	return Version{
		uint64(v.rt_major), uint64(v.rt_minor), uint64(v.rt_patch), uint64(v.rt_maintenance),
		C.GoString(&v.rt_detail[0]),
	}, nil
}

// Instance asks the library what machine this is.
func (r *Runtime) Instance() (Instance, error) {
	var i C.bn_instance_info
	if err := check("nrt_get_instance_info", "the library",
		uint32(C.bn_instance(r.lib, &i))); err != nil {
		return Instance{}, err
	}
	return Instance{
		int(i.family), C.GoString(&i.arch_name[0]),
		C.GoString(&i.device_revision[0]),
	}, nil
}

// Close closes the library. Cores that are still open are an error, and are named; the library is
// left open then, because they may be in use.
func (r *Runtime) Close() error {
	if r.lib == nil {
		return nil
	}
	for _, c := range r.cores {
		if !c.closed {
			return fmt.Errorf("%w: the runtime is closed while core %d is open", ErrOrder, c.index)
		}
	}
	C.bn_shut(r.lib)
	return r.release()
}

// AtEnd has f called once, after the library was closed and before it is taken out of memory.
func (r *Runtime) AtEnd(f func()) { r.atEnd = append(r.atEnd, f) }
