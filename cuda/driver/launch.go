//go:build cuda

package driver

/*
#include "shim.h"
*/
import "C"

import (
	"unsafe"

	"gorgonia.org/cu"
)

// MaxArgs is the greatest number of a kernel's arguments.
const MaxArgs = C.BS_MAX_ARGS

// Launch is one kernel with its arguments: pointers and 32-bit numbers, a cell each. Its layout is
// shared with C.
type Launch struct {
	Fn      uint64
	Grid    [3]uint32
	Threads uint32
	Shared  uint32 // bytes of dynamic shared memory
	NumArgs uint32
	Args    [MaxArgs]uint64
}

// Module is a loaded image.
type Module struct{ m cu.Module }

// LoadModule loads PTX, which the driver compiles, or machine code.
func (g *GPU) LoadModule(image string) (*Module, error) {
	m, err := cu.LoadData(image)
	return &Module{m}, wrap("cuModuleLoadData", err)
}

// Function finds a kernel.
func (m *Module) Function(name string) (uint64, error) {
	f, err := m.m.Function(name)
	return uint64(uintptr(*(*unsafe.Pointer)(unsafe.Pointer(&f)))), wrap("cuModuleGetFunction", err)
}

// Close unloads the module.
func (m *Module) Close() error { return wrap("cuModuleUnload", m.m.Unload()) }

// AllowShared lets a kernel have more than 48 KiB of dynamic shared memory.
func AllowShared(fn uint64, bytes int) error {
	return check("cuFuncSetAttribute", C.bs_allow_shared(pointer(fn), C.int(bytes)))
}

// pointer makes a C handle of its number; the memory behind it is the driver's.
func pointer(handle uint64) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&handle))
}

func first(list []Launch) *C.bs_launch { return (*C.bs_launch)(unsafe.Pointer(&list[0])) }

// LaunchError is a launch of a list that failed.
type LaunchError struct {
	Index int
	Err   error
}

// Error implements error.
func (e *LaunchError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *LaunchError) Unwrap() error { return e.Err }

// Launch enqueues a list of kernels in one call.
func (s *Stream) Launch(list []Launch) error {
	var at C.int
	code := C.bs_launch_all(first(list), C.int(len(list)), s.handle(), &at)
	if code != 0 {
		return &LaunchError{int(at), check("cuLaunchKernel", code)}
	}
	return nil
}

// Graph is a recorded list of launches.
type Graph struct{ exec unsafe.Pointer }

// Capture records a list of kernels without running it.
func (s *Stream) Capture(list []Launch) (*Graph, error) {
	var at C.int
	g := &Graph{}
	code := C.bs_capture(first(list), C.int(len(list)), s.handle(), &g.exec, &at)
	if code != 0 {
		return nil, &LaunchError{int(at), check("cuStreamEndCapture", code)}
	}
	return g, nil
}

// Replay enqueues the graph.
func (s *Stream) Replay(g *Graph) error {
	return check("cuGraphLaunch", C.bs_graph_launch(g.exec, s.handle()))
}

// Close drops the graph.
func (g *Graph) Close() { C.bs_graph_drop(g.exec) }
