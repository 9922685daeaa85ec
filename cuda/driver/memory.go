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

// Ptr is an address in a GPU's memory; 0 is none.
type Ptr uint64

// FreeMemory gives the bytes that are free now, and the total.
func (g *GPU) FreeMemory() (free, total int64, err error) {
	var f, t C.size_t
	err = check("cuMemGetInfo", C.bs_memory(&f, &t))
	return int64(f), int64(t), err
}

// Alloc takes n bytes, aligned to 256.
func (g *GPU) Alloc(n int64) (Ptr, error) {
	p, err := cu.MemAlloc(max(n, 1))
	return Ptr(p), wrap("cuMemAlloc", err)
}

// Free gives memory back.
func (g *GPU) Free(p Ptr) error { return check("cuMemFree", C.bs_free(C.uint64_t(p))) }

// Zero clears n bytes.
func (g *GPU) Zero(p Ptr, n int64) error {
	return wrap("cuMemsetD8", cu.MemsetD8(cu.DevicePtr(p), 0, n))
}

// Pinned is host memory that the GPU copies from and to by itself.
type Pinned struct {
	p unsafe.Pointer
	// Bytes is the memory.
	Bytes []byte
}

// AllocPinned takes n bytes of pinned memory.
func (g *GPU) AllocPinned(n int) (*Pinned, error) {
	m := &Pinned{}
	if err := check("cuMemHostAlloc", C.bs_host_alloc(&m.p, C.size_t(n))); err != nil {
		return nil, err
	}
	m.Bytes = unsafe.Slice((*byte)(m.p), n)
	return m, nil
}

// Free gives pinned memory back.
func (m *Pinned) Free() {
	if m != nil && m.p != nil {
		C.bs_host_free(m.p)
		m.p, m.Bytes = nil, nil
	}
}

// Stream is a queue of work.
type Stream struct{ s cu.Stream }

// NewStream makes a queue that does not wait for others.
func (g *GPU) NewStream() (*Stream, error) {
	s, err := cu.MakeStream(cu.NonBlocking)
	return &Stream{s}, wrap("cuStreamCreate", err)
}

// Close destroys the queue.
func (s *Stream) Close() error { return wrap("cuStreamDestroy", s.s.Destroy()) }

// Wait blocks until the queue is empty.
func (s *Stream) Wait() error { return wrap("cuStreamSynchronize", s.s.Synchronize()) }

// Handle is the driver's own, for libraries that enqueue work.
func (s *Stream) Handle() unsafe.Pointer { return s.handle() }

func (s *Stream) handle() unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&s.s)) }

// Upload enqueues a copy of the first n bytes of pinned memory, from an offset.
func (s *Stream) Upload(to Ptr, from *Pinned, at, n int) error {
	return wrap("cuMemcpyHtoDAsync", cu.MemcpyHtoDAsync(cu.DevicePtr(to),
		unsafe.Add(from.p, at), int64(n), s.s))
}

// Download enqueues a copy of n bytes to an offset of pinned memory.
func (s *Stream) Download(to *Pinned, at int, from Ptr, n int) error {
	return wrap("cuMemcpyDtoHAsync", cu.MemcpyDtoHAsync(unsafe.Add(to.p, at),
		cu.DevicePtr(from), int64(n), s.s))
}

// Copy enqueues a copy of n bytes within the GPU.
func (s *Stream) Copy(to, from Ptr, n int64) error {
	return wrap("cuMemcpyDtoDAsync", cu.MemcpyDtoDAsync(cu.DevicePtr(to), cu.DevicePtr(from), n,
		s.s))
}

// Event marks a place in a queue.
type Event struct{ e cu.Event }

// NewEvent makes an event without timing.
func (g *GPU) NewEvent() (*Event, error) {
	e, err := cu.MakeEvent(cu.DisableTiming)
	return &Event{e}, wrap("cuEventCreate", err)
}

// Close destroys the event.
func (e *Event) Close() error { return wrap("cuEventDestroy", cu.DestroyEvent(&e.e)) }

// Record puts the event at the end of the queue.
func (e *Event) Record(s *Stream) error { return wrap("cuEventRecord", e.e.Record(s.s)) }

// Done says whether the queue has come past the event.
func (e *Event) Done() (bool, error) {
	code := C.bs_event_query(*(*unsafe.Pointer)(unsafe.Pointer(&e.e)))
	if code == NotReady {
		return false, nil
	}
	return true, check("cuEventQuery", code)
}
