//go:build linux

package nrt

/*
#include <stdlib.h>
#include "library.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// Transfer pairs a whole tensor with host memory of the same size, from Core.HostMemory.
type Transfer struct {
	Tensor *Tensor
	Buffer []byte
}

// GraphCall is one graph with its inputs and outputs.
type GraphCall struct {
	Model           *Model
	Inputs, Outputs *Set
}

// Run is a prebuilt sequence on one core: transfers to it, graphs in order, transfers from it.
type Run struct {
	core   *Core
	calls  []GraphCall
	all    []Transfer
	write  C.bn_transfers
	reads  []C.bn_transfers
	c      *C.bn_graph_call
	rets   *C.bn_status
	owned  []unsafe.Pointer
	jobs   []func() error // by read, the last without one
	async  time.Duration  // deadline of asynchronous runs, 0 for synchronous ones
	at     C.bn_failure
	closed bool
}

// NewRun builds a run. reads are the alternatives of Start; async, when not 0, queues the graphs
// with nrta_execute_schedule and bounds how long they take.
func (c *Core) NewRun(writes []Transfer, calls []GraphCall, reads [][]Transfer, async time.Duration,
) (*Run, error) {
	r := &Run{core: c, calls: calls, async: async}
	if async != 0 && !c.rt.Async() {
		return nil, errors.New("cannot run asynchronously: the library has no " +
			C.BN_ASYNC_NAME + " of version " + C.BN_ASYNC_VERSION)
	}
	if err := r.check(writes, reads); err != nil {
		return nil, err
	}
	r.write = r.transfers(writes)
	for _, list := range reads {
		r.reads = append(r.reads, r.transfers(list))
	}
	r.c = (*C.bn_graph_call)(r.array(len(calls), unsafe.Sizeof(C.bn_graph_call{})))
	to := unsafe.Slice(r.c, len(calls))
	for i, call := range calls {
		to[i].model, to[i].inputs, to[i].outputs = call.Model.p, call.Inputs.p, call.Outputs.p
	}
	r.rets = (*C.bn_status)(r.array(len(calls), unsafe.Sizeof(C.bn_status(0))))
	for i := range len(reads) + 1 {
		r.jobs = append(r.jobs, func() error { return r.run(i) })
	}
	r.hold(1)
	c.runs[r] = true
	return r, nil
}

// check wants live objects of this core.
func (r *Run) check(writes []Transfer, reads [][]Transfer) error {
	r.all = append(r.all, writes...)
	for _, list := range reads {
		r.all = append(r.all, list...)
	}
	for _, t := range r.all {
		if t.Tensor.core != r.core || len(t.Buffer) != t.Tensor.size || t.Tensor.p == nil {
			return fmt.Errorf("%w: a run transfers %d bytes for tensor %q of %d on core %d",
				ErrOrder, len(t.Buffer), t.Tensor.name, t.Tensor.size, t.Tensor.core.index)
		}
	}
	for _, call := range r.calls {
		if call.Model.core != r.core || call.Inputs.core != r.core ||
			call.Outputs.core != r.core || call.Model.p == nil || call.Inputs.p == nil ||
			call.Outputs.p == nil {
			return fmt.Errorf("%w: a run of core %d has a released graph or set, or another "+
				"core's", ErrOrder, r.core.index)
		}
	}
	return nil
}

// hold counts the run's claim on what it uses.
func (r *Run) hold(n int) {
	for _, t := range r.all {
		t.Tensor.sets += n
	}
	for _, call := range r.calls {
		call.Model.runs += n
		call.Inputs.runs += n
		call.Outputs.runs += n
	}
}

// array takes zeroed memory of C for n elements.
func (r *Run) array(n int, size uintptr) unsafe.Pointer {
	p := C.calloc(C.size_t(max(n, 1)), C.size_t(size))
	if p == nil {
		panic("BUG: no memory for a few pointers")
	}
	r.owned = append(r.owned, p)
	return p
}

func (r *Run) transfers(list []Transfer) C.bn_transfers {
	batches := unsafe.Slice((*C.bn_batch)(r.array(len(list), unsafe.Sizeof(C.bn_batch{}))),
		max(len(list), 1))
	ops := unsafe.Slice((*C.bn_batch_op)(r.array(len(list), unsafe.Sizeof(C.bn_batch_op{}))),
		max(len(list), 1))
	for i, t := range list {
		ops[i].size = C.uint64_t(len(t.Buffer))
		ops[i].buffer = unsafe.Pointer(unsafe.SliceData(t.Buffer))
		batches[i].tensor, batches[i].ops, batches[i].num_ops = t.Tensor.p, &ops[i], 1
	}
	return C.bn_transfers{batches: &batches[0], count: C.uint64_t(len(list))}
}

// Start begins the run on the core's thread; read chooses which results are read, -1 for none. Wait
// must follow. Neither allocates.
func (r *Run) Start(read int) {
	if read < 0 {
		read = len(r.reads)
	}
	r.core.jobs <- r.jobs[read]
}

// Wait gives the outcome of the run that Start began.
func (r *Run) Wait() error { return <-r.core.ended }

// run is the job, on the core's thread.
func (r *Run) run(read int) error {
	lib := r.core.rt.lib
	if r.write.count > 0 {
		if s := C.bn_write_all(lib, &r.write, &r.at); s != 0 {
			return r.failed(s)
		}
	}
	var s C.bn_status
	n := C.uint64_t(len(r.calls))
	if r.async != 0 {
		s = C.bn_schedule_all(lib, r.c, n, r.rets, C.uint64_t(r.async.Nanoseconds()), &r.at)
	} else {
		s = C.bn_execute_all(lib, r.c, n, &r.at)
	}
	if s == 0 && read < len(r.reads) {
		s = C.bn_read_all(lib, &r.reads[read], &r.at)
	}
	if s != 0 {
		return r.failed(s)
	}
	return nil
}

func (r *Run) failed(s C.bn_status) error {
	function, i := C.GoString(r.at.function), int(r.at.index)
	what := fmt.Sprintf("transfer %d on core %d", i, r.core.index)
	if function == "nrt_execute" || function == C.BN_ASYNC_NAME {
		what = fmt.Sprintf("graph %q on core %d", r.calls[i].Model.name, r.core.index)
	}
	return check(function, what, uint32(s))
}

// Free releases the run, not what it uses. After a run that did not end in time its memory is kept:
// the library may still write to it.
func (r *Run) Free() error {
	if r.closed {
		return fmt.Errorf("%w: a run is released twice", ErrOrder)
	}
	r.closed = true
	delete(r.core.runs, r)
	r.hold(-1)
	for _, ret := range unsafe.Slice(r.rets, len(r.calls)) {
		if ret == pending {
			return nil
		}
	}
	for _, p := range r.owned {
		C.free(p)
	}
	return nil
}

// pending is what a status slot holds until its request has ended.
const pending = 0xffffffff
