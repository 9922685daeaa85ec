package cpu

/*
#include "exec.h"
*/
import "C"

import (
	"cmp"
	"fmt"
	"slices"

	"basalt/runtime"
)

// opTime is what the operations of one name took since the profile was started: processor seconds
// of all threads, waiting at barriers between operations left out, and multiplications a row.
type opTime struct {
	name    string
	seconds float64
	macs    float64
}

// startProfile measures each operation of the steps to come, from zero. No step may be in flight.
func (x *executable) startProfile() {
	n := x.dev.info.Threads * int(x.e.num_ops)
	if x.e.spent == nil {
		x.e.spent = first(array[C.int64_t](&x.mem, n))
		return
	}
	clear(slice[int64](x.e.spent, n))
}

// profile gives the times by name, the longest first.
func (x *executable) profile() []opTime {
	n := int(x.e.num_ops)
	spent := slice[int64](x.e.spent, x.dev.info.Threads*n)
	var times []opTime
	for i, o := range slice[C.op](x.e.ops, n) {
		name, macs := describeOp(&o)
		at := slices.IndexFunc(times, func(t opTime) bool { return t.name == name })
		if at < 0 {
			at = len(times)
			times = append(times, opTime{name: name})
		}
		times[at].macs += macs
		for t := range x.dev.info.Threads {
			times[at].seconds += float64(spent[t*n+i]) / 1e9
		}
	}
	slices.SortFunc(times, func(a, b opTime) int { return cmp.Compare(b.seconds, a.seconds) })
	return times
}

// describeOp names an operation; products are told apart by format and shape.
func describeOp(o *C.op) (name string, macs float64) {
	names := map[C.int32_t]string{
		C.DO_EMBED: "embed", C.DO_NORM: "norm", C.DO_HEADS: "heads", C.DO_ATTENTION: "attention",
		C.DO_SWIGLU: "swiglu", C.DO_MOE: "moe", C.DO_GATHER: "gather", C.DO_PACK: "pack",
		C.DO_SAMPLE: "sample",
	}
	if o.kind != C.DO_LINEAR {
		return names[o.kind], 0
	}
	columns := 0
	parts := slice[C.projection](o.projections, int(o.num_projections))
	for _, p := range parts {
		columns += int(p.w.n)
	}
	format := runtime.DType(0)
	for d := runtime.F32; d <= runtime.Q6_K; d++ {
		if cFormat(d) == parts[0].w.format {
			format = d
		}
	}
	k := int(parts[0].w.k)
	return fmt.Sprintf("%s-%dx%d", format, columns, k), float64(columns * k)
}
