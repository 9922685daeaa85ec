//go:build linux

package fake

/*
#include <stdlib.h>
#include <string.h>
#include "executor.h"
uint32_t basaltFakeLoad(uintptr_t context, void *graph, size_t size, fake_placement place,
                        fake_graph *out);
uint32_t basaltFakeExecute(uint64_t handle, void **data);
void basaltFakeUnload(uint64_t handle);
static uint32_t load(uintptr_t context, const void *graph, size_t size, fake_placement place,
                     fake_graph *out) {
    return basaltFakeLoad(context, (void *)graph, size, place, out);
}
static fake_executor *enlist(void *function, uintptr_t context) {
    fake_executor *e = calloc(1, sizeof *e);
    *e = (fake_executor){context, load, basaltFakeExecute, basaltFakeUnload};
    ((fake_nrt_executor_fn)function)(e);
    return e;
}
static void detach(void *function, fake_executor *e) {
    ((fake_nrt_executor_fn)function)(NULL);
    free(e);
}
static uint32_t report(void *function, char *text, size_t size) {
    return ((fake_nrt_report_fn)function)(text, size);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime/cgo"
	"strings"
	"sync"
	"time"
	"unsafe"

	"basalt/neuron/hlo"
	"basalt/neuron/hloeval"
)

// Library is the part of an opened library that is needed here.
type Library interface {
	Symbol(name string) unsafe.Pointer
}

// ErrNotFake reports a library without the fake's entrance.
var ErrNotFake = errors.New("this is not the fake Neuron runtime")

// Attach makes the evaluator compute what the fake library runs, until detach is called, which must
// be before the library is closed.
func Attach(l Library) (detach func(), err error) {
	entrance := l.Symbol("fake_nrt_executor")
	if entrance == nil {
		return nil, ErrNotFake
	}
	h := cgo.NewHandle(&world{})
	e := C.enlist(entrance, C.uintptr_t(h))
	return func() {
		C.detach(entrance, e)
		h.Delete()
	}, nil
}

// Complaints gives what the fake library has noticed about its caller, and forgets it.
func Complaints(l Library) ([]string, error) {
	report := l.Symbol("fake_nrt_report")
	if report == nil {
		return nil, ErrNotFake
	}
	var text [4096]C.char
	n := C.report(report, &text[0], C.size_t(len(text)))
	lines := strings.Split(strings.TrimSpace(C.GoString(&text[0])), "\n")
	if n == 0 {
		return nil, nil
	}
	return lines, nil
}

// Statuses of the library that a run ends with.
const (
	success    = 0
	invalid    = 2
	failed     = 1004
	outOfRange = 1006
	collective = 1200
)

// loaded is one graph on one core.
type loaded struct {
	program *hloeval.Program
	comm    *hloeval.Comm
	world   *world // that comm belongs to, nil without collectives
}

// world joins the ranks of an attached library's collective graphs: as many Comms as the first
// graph asks for.
type world struct {
	mu    sync.Mutex
	comms []*hloeval.Comm
	users int
}

// rank gives a rank's end; the group ends with its last graph.
func (w *world) rank(rank, ranks int, timeout time.Duration) (*hloeval.Comm, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users == 0 {
		w.comms = hloeval.NewComms(ranks, timeout)
	}
	if len(w.comms) != ranks {
		return nil, fmt.Errorf("a graph for %d ranks beside others for %d", ranks, len(w.comms))
	}
	w.users++
	return w.comms[rank], nil
}

func (w *world) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.users--
}

//export basaltFakeLoad
func basaltFakeLoad(context C.uintptr_t, graph unsafe.Pointer, size C.size_t,
	place C.fake_placement, out *C.fake_graph,
) C.uint32_t {
	m, err := hlo.Decode(C.GoBytes(graph, C.int(size)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake Neuron runtime: cannot load a graph:", err)
		return invalid
	}
	l := &loaded{program: hloeval.New(m)}
	if hasCollectives(m) {
		out.collective = 1
		l.world = cgo.Handle(context).Value().(*world)
		timeout := time.Duration(place.timeout_seconds) * time.Second
		if l.comm, err = l.world.rank(int(place.rank), int(place.ranks), timeout); err != nil {
			fmt.Fprintln(os.Stderr, "fake Neuron runtime:", err)
			return invalid
		}
	}
	describe(m, out)
	out.handle = C.uint64_t(cgo.NewHandle(l))
	return success
}

func hasCollectives(m *hlo.Module) bool {
	for _, in := range m.Entry.Instrs {
		if in.Op == hlo.OpAllReduce || in.Op == hlo.OpAllGather {
			return true
		}
	}
	return false
}

// describe lists inputs, then outputs, in memory that the library frees.
func describe(m *hlo.Module, out *C.fake_graph) {
	ins, outs := m.Inputs(), m.Outputs()
	n := len(ins) + len(outs)
	size := C.size_t(unsafe.Sizeof(C.fake_tensor_info{}))
	out.count, out.tensors = C.uint32_t(n), (*C.fake_tensor_info)(C.calloc(C.size_t(n), size))
	list := unsafe.Slice(out.tensors, n)
	number := map[string]int{}
	for i, p := range ins {
		port(&list[i], p)
		number[p.Name] = i
	}
	for i, p := range outs {
		to := &list[len(ins)+i]
		port(to, p)
		to.output = 1
		if p.Alias != "" {
			to.alias = C.int32_t(number[p.Alias])
		}
	}
}

func port(to *C.fake_tensor_info, p hlo.Port) {
	for i := range min(len(p.Name), C.FAKE_NAME_MAX-1) {
		to.name[i] = C.char(p.Name[i])
	}
	to.size, to.alias = C.uint64_t(p.Shape.Bytes()), -1
	to.dtype = C.uint32_t(map[hlo.DType]int{
		hlo.Pred: 3, hlo.S32: 8, hlo.U32: 9, hlo.F32: 10, hlo.BF16: 6, hlo.F8E4M3FN: 14,
	}[p.Shape.DType])
	to.ndim = C.uint32_t(min(p.Shape.Rank(), C.FAKE_MAX_RANK))
	for i := range int(to.ndim) {
		to.shape[i] = C.uint32_t(p.Shape.Dims[i])
	}
}

//export basaltFakeExecute
func basaltFakeExecute(handle C.uint64_t, data *unsafe.Pointer) C.uint32_t {
	l := cgo.Handle(handle).Value().(*loaded)
	m := l.program.Module()
	ins, outs := m.Inputs(), m.Outputs()
	memory := unsafe.Slice(data, len(ins)+len(outs))
	args := make([]hloeval.Value, len(ins))
	for i, p := range ins {
		v, err := hloeval.FromBytes(p.Shape, unsafe.Slice((*byte)(memory[i]), p.Shape.Bytes()))
		if err != nil {
			return invalid
		}
		args[i] = v
	}
	results, err := l.program.Run(args, l.comm)
	if err != nil {
		if l.comm != nil {
			l.comm.Break(err)
		}
		fmt.Fprintln(os.Stderr, "fake Neuron runtime:", err)
		return status(err)
	}
	for i, p := range outs {
		results[i].PutBytes(unsafe.Slice((*byte)(memory[len(ins)+i]), p.Shape.Bytes()))
	}
	return success
}

func status(err error) C.uint32_t {
	switch {
	case errors.Is(err, hloeval.ErrCollective):
		return collective
	case errors.Is(err, hloeval.ErrRange):
		return outOfRange
	}
	return failed
}

//export basaltFakeUnload
func basaltFakeUnload(handle C.uint64_t) {
	h := cgo.Handle(handle)
	if l := h.Value().(*loaded); l.world != nil {
		l.world.leave()
	}
	h.Delete()
}
