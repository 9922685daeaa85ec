package cpu

/*
#include "ceilings.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// Ceilings are what all threads together can do at most, measured.
type Ceilings struct {
	ReadGBs    float64 // reading memory, 10^9 bytes a second
	FMAGFLOPs  float64 // float32 fused multiply-adds, 10^9 operations a second
	Int8GOPs   float64 // block products of 4-bit weights and 8-bit activations
	BF16GFLOPs float64 // products of BF16 pairs; 0 where the processor has none
}

// readBytes is the memory that the read test walks: several times the caches.
const readBytes = 256 << 20

// MeasureCeilings measures for about half a second on the given number of threads (0: one for each
// processor) with the best instruction set. The best of several trials counts.
func MeasureCeilings(threads int) (Ceilings, error) {
	d, err := New(Config{Threads: threads})
	if err != nil {
		return Ceilings{}, err
	}
	defer func() { _ = d.Close() }()
	return d.Ceilings()
}

// Ceilings measures the device's own threads; nothing else may run on it.
func (d *Device) Ceilings() (Ceilings, error) {
	var mem arena
	defer mem.free()
	data := mem.take(readBytes, true)
	if data == nil {
		return Ceilings{}, fmt.Errorf("cannot measure the memory: %w", mem.err)
	}
	for i := 0; i < readBytes; i += pageSize {
		*(*byte)(unsafe.Add(data, i)) = 1
	}
	best := func(test C.int, rounds int) float64 {
		rate := 0.0
		for range 4 {
			var seconds C.double
			work := C.bs_ceiling(d.pool, d.kern, test, data, readBytes, C.int64_t(rounds), &seconds)
			rate = max(rate, float64(work)/float64(seconds)/1e9)
		}
		return rate
	}
	return Ceilings{
		ReadGBs:    best(C.CEILING_READ, 2),
		FMAGFLOPs:  best(C.CEILING_FMA, 10_000_000),
		Int8GOPs:   best(C.CEILING_INT8, 1_000_000),
		BF16GFLOPs: best(C.CEILING_BF16, 10_000_000),
	}, nil
}
