//go:build cuda

package blas

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "lt.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Library is a cuBLASLt that was found. It belongs to one goroutine.
type Library struct {
	Path    string
	Version string
	lt      *C.bs_lt
}

// ErrAbsent is wrapped when there is no cuBLASLt; our own kernels do without.
var ErrAbsent = errors.New("no cuBLASLt")

// names are those under which toolkits install it, the newest first.
var names = [...]string{"libcublasLt.so.13", "libcublasLt.so.12"}

// Open loads the library from a file; "" finds it by its names. It does not touch a GPU.
func Open(path string) (*Library, error) {
	if path != "" {
		return openFile(path)
	}
	var all error
	for _, name := range names {
		l, err := openFile(name)
		if err == nil {
			return l, nil
		}
		all = errors.Join(all, err)
	}
	return nil, all
}

func openFile(path string) (*Library, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	reason := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(reason))
	lt := C.bs_lt_open(name, reason, 512)
	if lt == nil {
		return nil, fmt.Errorf("%w: %s: %s", ErrAbsent, path, C.GoString(reason))
	}
	// 10000 major + 100 minor + patch; before 12 the major counted thousands.
	v := int(C.bs_lt_version(lt))
	return &Library{path, fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100), lt}, nil
}

// Start makes the library ready in the current context.
func (l *Library) Start() error { return l.check("start", C.bs_lt_start(l.lt)) }

// Close unloads the library; its products must have been closed.
func (l *Library) Close() { C.bs_lt_close(l.lt) }

func (l *Library) check(what string, status C.int) error {
	if status == 0 {
		return nil
	}
	return fmt.Errorf("cuBLASLt cannot %s: %s (%d)", what, C.GoString(C.bs_lt_text(l.lt, status)),
		int(status))
}

// FindNCCL says which NCCL is there; "" finds it by its name.
func FindNCCL(path string) (version string, err error) {
	if path == "" {
		path = "libnccl.so.2"
	}
	name, function := C.CString(path), C.CString("ncclGetVersion")
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(function))
	reason := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(reason))
	var v C.int
	if C.bs_version_of(name, function, &v, reason, 512) != 0 {
		return "", fmt.Errorf("no NCCL: %s: %s", path, C.GoString(reason))
	}
	return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100), nil
}
