//go:build cuda

package driver

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall
#cgo LDFLAGS: -L${SRCDIR}/lib -ldl
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	goruntime "runtime"

	"gorgonia.org/cu"
)

// Library is the file name under which NVIDIA's driver installs itself.
const Library = "libcuda.so.1"

// Codes of the driver that callers tell apart.
const (
	OutOfMemory    = 2
	StubLibrary    = 34
	Unavailable    = 46
	NoDevice       = 100
	NoBinary       = 209
	BadPTX         = 218
	NewerPTX       = 222
	NotReady       = 600
	Timeout        = 702
	FabricNotReady = 802
	Mismatch       = 803
	CompatMismatch = 804
	Unknown        = 999
)

// Error is a failed call of the driver.
type Error struct {
	Op   string
	Code int
	name string // where the driver is no longer there to tell
}

// Error names the call and the driver's own name of the error.
func (e *Error) Error() string {
	if e.name != "" {
		return fmt.Sprintf("%s: %s (%d)", e.Op, e.name, e.Code)
	}
	return fmt.Sprintf("%s: %s (%d)", e.Op, C.GoString(C.bs_error_name(C.int(e.Code))), e.Code)
}

// Fatal says that the context is lost: every later call fails too.
func (e *Error) Fatal() bool { return e.Code >= NotReady+1 && e.Code < 900 || e.Code == 46 }

func check(op string, code C.int) error {
	if code == 0 {
		return nil
	}
	return &Error{Op: op, Code: int(code)}
}

// wrap gives errors of gorgonia.org/cu, whose type has no exported name, ours.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Int {
		return &Error{Op: op, Code: int(v.Int())}
	}
	return fmt.Errorf("%s: %w", op, err)
}

// ErrNoDriver is wrapped when there is no usable driver.
var ErrNoDriver = errors.New("no CUDA driver")

// Load finds and starts the driver; path is Library, or another file in tests. A second call finds
// it started.
func Load(path string) error {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	reason := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(reason))
	code := C.bs_load(name, reason, 512)
	switch {
	case code == 0:
		return nil
	case code > 0:
		err := &Error{Op: "cuInit", Code: int(code), name: C.GoString(reason)}
		return fmt.Errorf("%w: %s: %w", ErrNoDriver, path, err)
	}
	return fmt.Errorf("%w: %s", ErrNoDriver, C.GoString(reason))
}

// Has says whether the loaded driver has a function.
func Has(name string) bool {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.bs_has(s) != 0
}

// Unload forgets the driver; GPUs must have been closed. For tests.
func Unload() { C.bs_unload() }

// Version is the CUDA version that the driver speaks, 1000*major + 10*minor.
func Version() int { return cu.Version() }

// NumGPUs counts the GPUs that this process may use.
func NumGPUs() (int, error) {
	n, err := cu.NumDevices()
	return n, wrap("cuDeviceGetCount", err)
}

// GPU is a device with its primary context. Calls come from one goroutine at a time, between Enter
// and Leave.
type GPU struct {
	Name       string
	Address    string // on the PCI bus, such as "0000:3b:00.0"
	Memory     int64  // bytes
	SMs        int    // multiprocessors
	Capability int    // 10*major + minor
	dev        cu.Device
	ctx        cu.CUContext
}

// OpenGPU retains the primary context of a GPU.
func OpenGPU(ordinal int) (*GPU, error) {
	dev, err := cu.GetDevice(ordinal)
	if err != nil {
		return nil, wrap("cuDeviceGet", err)
	}
	g := &GPU{dev: dev}
	if g.Name, err = dev.Name(); err != nil {
		return nil, wrap("cuDeviceGetName", err)
	}
	var address [32]C.char
	if err := check("cuDeviceGetPCIBusId", C.bs_address(C.int(dev), &address[0], 32)); err != nil {
		return nil, err
	}
	g.Address = C.GoString(&address[0])
	if g.Memory, err = dev.TotalMem(); err != nil {
		return nil, wrap("cuDeviceTotalMem", err)
	}
	major, err1 := dev.Attribute(cu.ComputeCapabilityMajor)
	minor, err2 := dev.Attribute(cu.ComputeCapabilityMinor)
	sms, err3 := dev.Attribute(cu.MultiprocessorCount)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, wrap("cuDeviceGetAttribute", err)
	}
	g.Capability, g.SMs = 10*major+minor, sms
	if g.ctx, err = dev.RetainPrimaryCtx(); err != nil {
		return nil, wrap("cuDevicePrimaryCtxRetain", err)
	}
	return g, nil
}

// Enter makes the context current on this thread, which the goroutine keeps until Leave.
func (g *GPU) Enter() error {
	goruntime.LockOSThread()
	if err := cu.SetCurrentContext(g.ctx); err != nil {
		goruntime.UnlockOSThread()
		return wrap("cuCtxSetCurrent", err)
	}
	return nil
}

// Leave ends what Enter began.
func (g *GPU) Leave() { goruntime.UnlockOSThread() }

// Reset destroys the primary context with all that it holds, and takes a fresh one: what an error
// that Fatal reports leaves to do. The process must have no other use of the GPU.
func (g *GPU) Reset() error {
	if err := g.dev.ResetPrimaryCtx(); err != nil {
		return wrap("cuDevicePrimaryCtxReset", err)
	}
	var err error
	g.ctx, err = g.dev.RetainPrimaryCtx()
	return wrap("cuDevicePrimaryCtxRetain", err)
}

// Close releases the context.
func (g *GPU) Close() error { return wrap("cuDevicePrimaryCtxRelease", g.dev.ReleasePrimaryCtx()) }
