package cpu

/*
#cgo CFLAGS: -std=c11 -O3 -Wall
#cgo LDFLAGS: -lm -lpthread
#include <stdlib.h>
#include "exec.h"
*/
import "C"

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	goruntime "runtime"

	"basalt/runtime"
)

// Config says how a device runs.
type Config struct {
	// Threads is the number of worker threads; 0 takes one for each processor.
	Threads int
	// ISA is "avx512", "avx2", "neon" or "portable"; "" takes the best that the processor has.
	// "avx512-bf16" is twice as fast in BF16 where the processor has such products, but rounds
	// activations and attention's probabilities to BF16.
	ISA string
}

// maxThreads bounds Config.Threads.
const maxThreads = 1024

// Device owns the worker threads. Its executables share them: steps of different executables run
// one after the other.
type Device struct {
	kern *C.kernels
	pool *C.pool
	info runtime.DeviceInfo
	// split is splitPositions, but for a benchmark of what that costs.
	split int
}

// New starts the threads.
func New(c Config) (*Device, error) {
	if c.Threads == 0 {
		c.Threads = goruntime.NumCPU()
	}
	if c.Threads < 1 || c.Threads > maxThreads {
		return nil, fmt.Errorf("cannot open the CPU device with %d threads: give 1 to %d",
			c.Threads, maxThreads)
	}
	isa := C.CString(c.ISA)
	defer C.free(unsafe.Pointer(isa))
	kern := C.bs_kernels(isa)
	if kern == nil {
		return nil, fmt.Errorf("cannot open the CPU device with instruction set %q: this "+
			"processor lacks it; leave it out to take the best", c.ISA)
	}
	pool := C.bs_pool_open(C.int(c.Threads))
	if pool == nil {
		return nil, fmt.Errorf("cannot start %d worker threads", c.Threads)
	}
	d := &Device{kern: kern, pool: pool, split: splitPositions}
	d.info = runtime.DeviceInfo{
		Kind: "cpu", Name: processorName(), Threads: c.Threads, Memory: totalMemory(),
		Features: []string{C.GoString(kern.name)},
	}
	return d, nil
}

// Info implements runtime.Device.
func (d *Device) Info() runtime.DeviceInfo { return d.info }

// Close ends the threads. Executables must have been closed before.
func (d *Device) Close() error {
	C.bs_pool_close(d.pool)
	d.pool = nil
	return nil
}

// field finds a line "key : value" of a file below /proc; "" when there is none.
func field(path, key string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, ok := strings.Cut(s.Text(), ":")
		if ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func processorName() string {
	if name := field("/proc/cpuinfo", "model name"); name != "" {
		return name
	}
	return goruntime.GOARCH
}

// totalMemory is the machine's memory in bytes, 0 when unknown.
func totalMemory() int64 {
	kb, _ := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	return kb << 10
}
