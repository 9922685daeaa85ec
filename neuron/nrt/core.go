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
	"strings"
	"unsafe"

	goruntime "runtime"
)

// Core is one logical core. All calls for it are made by its own locked thread, one at a time; its
// methods, and those of what belongs to it, are for one goroutine.
type Core struct {
	rt     *Runtime
	index  int
	jobs   chan func() error
	ended  chan error
	closed bool

	tensors map[*Tensor]bool
	sets    map[*Set]bool
	models  map[*Model]bool
	runs    map[*Run]bool
	memory  []unsafe.Pointer
}

// OpenCore starts the thread of a core; the number counts the visible ones. A core is opened once.
func (r *Runtime) OpenCore(index int) (*Core, error) {
	if index < 0 || index >= r.count {
		return nil, fmt.Errorf("cannot open core %d: this process sees %d cores "+
			"(NEURON_RT_VISIBLE_CORES)", index, r.count)
	}
	for _, c := range r.cores {
		if c.index == index && !c.closed {
			return nil, fmt.Errorf("%w: core %d is open already", ErrOrder, index)
		}
	}
	c := &Core{
		rt: r, index: index, jobs: make(chan func() error), ended: make(chan error),
		tensors: map[*Tensor]bool{}, sets: map[*Set]bool{}, models: map[*Model]bool{},
		runs: map[*Run]bool{},
	}
	r.cores = append(r.cores, c)
	go c.work()
	return c, nil
}

// OpenCores is the number of cores that are open.
func (r *Runtime) OpenCores() int {
	n := 0
	for _, c := range r.cores {
		if !c.closed {
			n++
		}
	}
	return n
}

func (c *Core) work() {
	goruntime.LockOSThread()
	for job := range c.jobs {
		c.ended <- guarded(job)
	}
}

// guarded runs a job; a panic becomes its error.
func guarded(job func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("BUG: %v", cause)
		}
	}()
	return job()
}

// Index is the number of the core.
func (c *Core) Index() int { return c.index }

// do runs a job on the core's thread.
func (c *Core) do(job func() error) error {
	if c.closed {
		return fmt.Errorf("%w: core %d is closed", ErrOrder, c.index)
	}
	c.jobs <- job
	return <-c.ended
}

// Memory asks how many bytes of the core's memory are in use, and how many there are; 0 and 0 where
// the library cannot tell.
func (c *Core) Memory() (used, limit int64, err error) {
	err = c.do(func() error {
		var s C.bn_memory_stats
		status := C.bn_memory(c.rt.lib, C.uint32_t(c.index), &s)
		used, limit = int64(s.bytes_used), int64(s.bytes_limit)
		return check("nrt_get_vnc_memory_stats", fmt.Sprintf("core %d", c.index), uint32(status))
	})
	return used, limit, err
}

// HostMemory gives zeroed memory for transfers of runs. It is valid until the core is closed.
func (c *Core) HostMemory(size int) ([]byte, error) {
	p := C.calloc(1, C.size_t(max(size, 1)))
	if p == nil {
		return nil, fmt.Errorf("cannot allocate %d bytes of host memory", size)
	}
	c.memory = append(c.memory, p)
	return unsafe.Slice((*byte)(p), size), nil
}

// Close ends the thread. What is left on the core is an error that names it; the core stays open.
func (c *Core) Close() error {
	if c.closed {
		return nil
	}
	var left []string
	for t := range c.tensors {
		left = append(left, "tensor "+t.name)
	}
	for range c.sets {
		left = append(left, "a tensor set")
	}
	for m := range c.models {
		left = append(left, "graph "+m.name)
	}
	for range c.runs {
		left = append(left, "a run")
	}
	if len(left) > 0 {
		return fmt.Errorf("%w: core %d is closed with %d objects on it: %s", ErrOrder, c.index,
			len(left), strings.Join(left[:min(len(left), 5)], ", "))
	}
	c.closed = true
	close(c.jobs)
	for _, p := range c.memory {
		C.free(p)
	}
	c.memory = nil
	return nil
}

// Release frees everything on the core in the right order, then closes it.
func (c *Core) Release() error {
	if c.closed {
		return nil
	}
	var errs []error
	for r := range c.runs {
		errs = append(errs, r.Free())
	}
	for m := range c.models {
		errs = append(errs, m.Unload())
	}
	for s := range c.sets {
		errs = append(errs, s.Free())
	}
	for t := range c.tensors {
		errs = append(errs, t.Free())
	}
	return errors.Join(append(errs, c.Close())...)
}
