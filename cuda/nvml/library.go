//go:build cuda

package nvml

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "nvml.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// Library is the file name under which NVIDIA's driver installs NVML.
const Library = "libnvidia-ml.so.1"

// ErrAbsent is wrapped when NVML cannot be used; the GPU itself may well be.
var ErrAbsent = errors.New("no NVML")

// GPU is a GPU that NVML knows. Only Open makes one, after the library has started.
type GPU struct{ handle unsafe.Pointer }

// Open starts the library and finds a GPU by its PCI address, such as "0000:3b:00.0". One GPU is
// open at a time in a process.
func Open(path, address string) (*GPU, error) {
	name, at := C.CString(path), C.CString(address)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(at))
	reason := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(reason))
	if code := C.bs_nvml_open(name, reason, 512); code != 0 {
		return nil, fmt.Errorf("%w: %s (%d)", ErrAbsent, C.GoString(reason), int(code))
	}
	g := &GPU{}
	if code := C.bs_nvml_gpu(at, &g.handle); code != 0 {
		err := fmt.Errorf("%w of GPU %s: %s (%d)", ErrAbsent, address,
			C.GoString(C.bs_nvml_error(code)), int(code))
		C.bs_nvml_close()
		return nil, err
	}
	return g, nil
}

// Close ends the library. Watchers must have been closed.
func (g *GPU) Close() { C.bs_nvml_close() }

// Number is a figure that the GPU or its driver may not have.
type Number struct {
	Known bool
	Value float64
}

// Reading is a GPU's state at a moment.
type Reading struct {
	MemoryTotal, MemoryUsed uint64 // bytes
	Power, Energy           Number // W; J since the driver was loaded
	Temperature             Number // degrees Celsius
	GPUBusy, MemoryBusy     Number // shares of time, 0 to 1
	ClockReasons            Number // bits of why clocks are low
	UncorrectedECC          Number // errors since the driver was loaded
	RemappedRows            Number
	RemapPending            Number // 1: a reset will remap rows
	RemapFailed             Number // 1: rows could not be remapped
	RecoveryAction          Number // 0 none, 1 reset, 2 reboot, 3 drain P2P, 4 drain and reset
}

func number(n C.bs_number, scale float64) Number {
	return Number{n.known != 0, float64(n.value) * scale}
}

// Read asks for everything; what is not known stays so.
func (g *GPU) Read() Reading {
	var r C.bs_reading
	C.bs_nvml_read(g.handle, &r)
	return Reading{
		MemoryTotal: uint64(r.memory.total), MemoryUsed: uint64(r.memory.used),
		Power: number(r.power_mw, 1e-3), Energy: number(r.energy_mj, 1e-3),
		Temperature: number(r.temperature, 1), GPUBusy: number(r.gpu_busy, 0.01),
		MemoryBusy: number(r.memory_busy, 0.01), ClockReasons: number(r.clock_reasons, 1),
		UncorrectedECC: number(r.uncorrected, 1), RemappedRows: number(r.remapped, 1),
		RemapPending: number(r.remap_pending, 1), RemapFailed: number(r.remap_failed, 1),
		RecoveryAction: number(r.recovery_action, 1),
	}
}

// Watcher waits for a GPU's events.
type Watcher struct{ set unsafe.Pointer }

// Watch registers for the critical events that the GPU supports.
func (g *GPU) Watch() (*Watcher, error) {
	w := &Watcher{}
	if code := C.bs_nvml_watch(g.handle, &w.set); code != 0 {
		return nil, fmt.Errorf("cannot watch the GPU's events: %s (%d)",
			C.GoString(C.bs_nvml_error(code)), int(code))
	}
	return w, nil
}

// Wait waits for an event; ok is false when there was none in that time.
func (w *Watcher) Wait(limit time.Duration) (e Event, ok bool, err error) {
	var kind, data C.ulonglong
	code := C.bs_nvml_wait(w.set, C.uint(limit.Milliseconds()), &kind, &data)
	if code == C.BS_NVML_TIMEOUT {
		return Event{}, false, nil
	}
	if code != 0 {
		return Event{}, false, fmt.Errorf("cannot wait for the GPU's events: %s (%d)",
			C.GoString(C.bs_nvml_error(code)), int(code))
	}
	return Event{Kind: uint64(kind), Data: uint64(data)}, true, nil
}

// Close ends the registration; Wait must have returned.
func (w *Watcher) Close() { C.bs_nvml_unwatch(w.set) }
