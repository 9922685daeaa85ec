//go:build cuda

package nvml

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "table.h"
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Library is the file name under which NVIDIA's driver installs NVML.
const Library = "libnvidia-ml.so.1"

// ErrAbsent is wrapped when NVML cannot be used; the GPU itself may well be.
var ErrAbsent = errors.New("no NVML")

// GPU is a GPU that NVML knows. Only Open makes one, after the library has started, so that no
// call comes before that. It may be used from any goroutine.
type GPU struct {
	lib nvml.Interface
	dev nvml.Device
	gpm *gpm // nil where the GPU has none
}

// text is what the library calls an answer. The library's own memory may go with it.
func text(code nvml.Return) string {
	return fmt.Sprintf("%s (%d)", strings.Clone(code.Error()), int(code))
}

// Open starts the library and finds a GPU by its PCI address, such as "0000:3b:00.0". One GPU is
// open at a time in a process.
func Open(path, address string) (*GPU, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	reason := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(reason))
	if C.bs_nvml_bind(name, reason, 512) != 0 {
		return nil, fmt.Errorf("%w: %s", ErrAbsent, C.GoString(reason))
	}
	g := &GPU{lib: nvml.New(nvml.WithLibraryPath(path))}
	if code := g.lib.Init(); code != nvml.SUCCESS {
		err := fmt.Errorf("%w: %s", ErrAbsent, text(code))
		C.bs_nvml_unbind()
		return nil, err
	}
	var code nvml.Return
	if g.dev, code = g.lib.DeviceGetHandleByPciBusId(address); code != nvml.SUCCESS {
		err := fmt.Errorf("%w of GPU %s: %s", ErrAbsent, address, text(code))
		g.Close()
		return nil, err
	}
	g.gpm = newGPM(g.lib, g.dev)
	return g, nil
}

// Close ends the library. Watchers must have been closed.
func (g *GPU) Close() {
	g.gpm.close()
	_ = g.lib.Shutdown()
	C.bs_nvml_unbind()
}

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
	Bandwidth               Number // of memory, a share of the greatest, since the last reading
	ClockReasons            Number // bits of why clocks are low
	UncorrectedECC          Number // errors since the driver was loaded
	RemappedRows            Number
	RemapPending            Number // 1: a reset will remap rows
	RemapFailed             Number // 1: rows could not be remapped
	RecoveryAction          Number // 0 none, 1 reset, 2 reboot, 3 drain P2P, 4 drain and reset
}

// number takes a function's answer, whose value counts in units of scale.
func number[T uint32 | uint64 | int32](scale float64) func(v T, code nvml.Return) Number {
	return func(v T, code nvml.Return) Number {
		return Number{code == nvml.SUCCESS, float64(v) * scale}
	}
}

// Read asks for everything; what is not known stays so.
func (g *GPU) Read() Reading {
	var r Reading
	if m, code := g.dev.GetMemoryInfo(); code == nvml.SUCCESS {
		r.MemoryTotal, r.MemoryUsed = m.Total, m.Used
	}
	g.readFields(&r)
	if !r.Power.Known {
		r.Power = number[uint32](1e-3)(g.dev.GetPowerUsage())
	}
	r.Energy = number[uint64](1e-3)(g.dev.GetTotalEnergyConsumption())
	r.ClockReasons = number[uint64](1)(g.dev.GetCurrentClocksEventReasons())
	r.Temperature = g.temperature()
	if u, code := g.dev.GetUtilizationRates(); code == nvml.SUCCESS {
		r.GPUBusy = Number{true, float64(u.Gpu) / 100}
		r.MemoryBusy = Number{true, float64(u.Memory) / 100}
	}
	r.Bandwidth = g.gpm.bandwidth()
	r.UncorrectedECC = number[uint64](1)(g.dev.GetTotalEccErrors(
		nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC))
	g.readRemapped(&r)
	return r
}

// temperature asks by the function of drivers from 2025 on, else by the older one.
func (g *GPU) temperature() Number {
	if t, code := g.dev.GetTemperatureV().V1(); code == nvml.SUCCESS {
		return Number{true, float64(t.Temperature)}
	}
	return number[uint32](1)(g.dev.GetTemperature(nvml.TEMPERATURE_GPU))
}

// readFields asks for what has no function of its own.
func (g *GPU) readFields(r *Reading) {
	fields := []nvml.FieldValue{
		{FieldId: nvml.FI_DEV_POWER_INSTANT}, {FieldId: nvml.FI_DEV_GET_GPU_RECOVERY_ACTION},
	}
	if g.dev.GetFieldValues(fields) != nvml.SUCCESS {
		return
	}
	value := func(i int, scale float64) Number {
		return number[uint32](scale)(binary.NativeEndian.Uint32(fields[i].Value[:]),
			nvml.Return(fields[i].NvmlReturn))
	}
	r.Power, r.RecoveryAction = value(0, 1e-3), value(1, 1)
}

func (g *GPU) readRemapped(r *Reading) {
	corrected, uncorrected, pending, failed, code := g.dev.GetRemappedRows()
	if code != nvml.SUCCESS {
		return
	}
	flag := func(on bool) Number {
		n := Number{Known: true}
		if on {
			n.Value = 1
		}
		return n
	}
	r.RemappedRows = Number{true, float64(corrected + uncorrected)}
	r.RemapPending, r.RemapFailed = flag(pending), flag(failed)
}

// Watcher waits for a GPU's events.
type Watcher struct{ set nvml.EventSet }

// watched are the kinds of events that say something of health.
const watched = DoubleBitECC | CriticalXid | GPUUnavailable | RecoveryChanged

// Watch registers for the critical events that the GPU supports.
func (g *GPU) Watch() (*Watcher, error) {
	failed := func(code nvml.Return) (*Watcher, error) {
		return nil, fmt.Errorf("cannot watch the GPU's events: %s", text(code))
	}
	kinds, code := g.dev.GetSupportedEventTypes()
	if code == nvml.SUCCESS && kinds&watched == 0 {
		code = nvml.ERROR_NOT_SUPPORTED
	}
	if code != nvml.SUCCESS {
		return failed(code)
	}
	set, code := g.lib.EventSetCreate()
	if code != nvml.SUCCESS {
		return failed(code)
	}
	if code := g.dev.RegisterEvents(kinds&watched, set); code != nvml.SUCCESS {
		_ = set.Free()
		return failed(code)
	}
	return &Watcher{set}, nil
}

// Wait waits for an event; ok is false when there was none in that time.
func (w *Watcher) Wait(limit time.Duration) (e Event, ok bool, err error) {
	data, code := w.set.Wait(uint32(limit.Milliseconds()))
	switch code {
	case nvml.SUCCESS:
		return Event{Kind: data.EventType, Data: data.EventData}, true, nil
	case nvml.ERROR_TIMEOUT:
		return Event{}, false, nil
	}
	return Event{}, false, fmt.Errorf("cannot wait for the GPU's events: %s", text(code))
}

// Close ends the registration; Wait must have returned.
func (w *Watcher) Close() { _ = w.set.Free() }
