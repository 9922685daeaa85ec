//go:build linux

package nrt

/*
#include <stdlib.h>
#include "library.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// MaxTensor is the size that an allocation must stay below: from 4 GiB on its behaviour is not
// defined.
const MaxTensor = 1 << 32

// maxName bounds names, which the library keeps in 256 bytes with the final zero.
const maxName = 255

// Tensor is memory on a core.
type Tensor struct {
	core *Core
	name string
	size int
	p    *C.struct_nrt_tensor // nil after Free
	sets int                  // sets and runs that need it
}

func checkName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsRune(name, 0) {
		return fmt.Errorf("cannot use the name %q: names have 1 to %d bytes", name, maxName)
	}
	return nil
}

// Allocate takes memory of 1 byte to below 4 GiB; its contents are undefined.
func (c *Core) Allocate(name string, size int) (*Tensor, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if size < 1 || size >= MaxTensor {
		return nil, fmt.Errorf("cannot allocate %d bytes for tensor %q: the runtime takes 1 to "+
			"%d bytes; larger weights are split", size, name, int64(MaxTensor)-1)
	}
	t := &Tensor{core: c, name: name, size: size}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	err := c.do(func() error {
		return t.check("nrt_tensor_allocate",
			C.bn_allocate(c.rt.lib, C.int(c.index), C.size_t(size), text, &t.p))
	})
	if err != nil {
		return nil, err
	}
	c.tensors[t] = true
	return t, nil
}

func (t *Tensor) check(function string, status C.bn_status) error {
	return check(function, fmt.Sprintf("tensor %q of %d bytes", t.name, t.size), uint32(status))
}

// Name and Size are what the tensor was allocated with.
func (t *Tensor) Name() string { return t.name }

// Size is the number of bytes.
func (t *Tensor) Size() int { return t.size }

// span checks that a transfer lies in a live tensor.
func (t *Tensor) span(what string, offset, size int) error {
	switch {
	case t.p == nil:
		return fmt.Errorf("%w: %s of tensor %q after its release", ErrOrder, what, t.name)
	case offset < 0 || size < 1 || offset > t.size-size:
		return fmt.Errorf("cannot %s %d bytes at %d of tensor %q, which has %d", what, size,
			offset, t.name, t.size)
	}
	return nil
}

// Write copies data to the tensor.
func (t *Tensor) Write(offset int, data []byte) error {
	if err := t.span("write", offset, len(data)); err != nil {
		return err
	}
	return t.core.do(func() error {
		return t.check("nrt_tensor_write", C.bn_write(t.core.rt.lib, t.p,
			unsafe.Pointer(unsafe.SliceData(data)), C.size_t(offset), C.size_t(len(data))))
	})
}

// Read copies from the tensor.
func (t *Tensor) Read(offset int, data []byte) error {
	if err := t.span("read", offset, len(data)); err != nil {
		return err
	}
	return t.core.do(func() error {
		return t.check("nrt_tensor_read", C.bn_read(t.core.rt.lib, t.p,
			unsafe.Pointer(unsafe.SliceData(data)), C.size_t(offset), C.size_t(len(data))))
	})
}

// Zero clears the whole tensor.
func (t *Tensor) Zero() error {
	if err := t.span("zero", 0, t.size); err != nil {
		return err
	}
	return t.core.do(func() error {
		return t.check("nrt_tensor_memset",
			C.bn_memset(t.core.rt.lib, t.p, 0, 0, C.size_t(t.size)))
	})
}

// Free releases the memory. A tensor that a set or run needs is not released.
func (t *Tensor) Free() error {
	switch {
	case t.p == nil:
		return fmt.Errorf("%w: tensor %q is released twice", ErrOrder, t.name)
	case t.sets > 0:
		return fmt.Errorf("%w: tensor %q is released while %d sets or runs hold it", ErrOrder,
			t.name, t.sets)
	}
	delete(t.core.tensors, t)
	p := t.p
	t.p = nil
	return t.core.do(func() error {
		C.bn_free(t.core.rt.lib, p)
		return nil
	})
}

// Set gives the inputs or outputs of a graph their tensors, by name.
type Set struct {
	core    *Core
	p       unsafe.Pointer // nil after Free
	tensors map[string]*Tensor
	runs    int // runs that need it
}

// NewSet makes an empty set.
func (c *Core) NewSet() (*Set, error) {
	s := &Set{core: c, tensors: map[string]*Tensor{}}
	err := c.do(func() error {
		return check("nrt_allocate_tensor_set", "a set", uint32(C.bn_new_set(c.rt.lib, &s.p)))
	})
	if err != nil {
		return nil, err
	}
	c.sets[s] = true
	return s, nil
}

// Add names a tensor of the same core. A name is added once.
func (s *Set) Add(name string, t *Tensor) error {
	switch {
	case s.p == nil || t.p == nil:
		return fmt.Errorf("%w: tensor %q is added to a set, one of them being released", ErrOrder,
			t.name)
	case s.core != t.core:
		return fmt.Errorf("cannot add tensor %q of core %d to a set of core %d", t.name,
			t.core.index, s.core.index)
	case s.tensors[name] != nil:
		return fmt.Errorf("cannot add tensor %q to a set that has a %q", t.name, name)
	}
	if err := checkName(name); err != nil {
		return err
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	err := s.core.do(func() error {
		return t.check("nrt_add_tensor_to_tensor_set", C.bn_add(s.core.rt.lib, s.p, text, t.p))
	})
	if err == nil {
		s.tensors[name] = t
		t.sets++
	}
	return err
}

// Free releases the set, not its tensors.
func (s *Set) Free() error {
	if s.p == nil || s.runs > 0 {
		return fmt.Errorf("%w: a set is released twice, or while %d runs hold it", ErrOrder, s.runs)
	}
	delete(s.core.sets, s)
	for _, t := range s.tensors {
		t.sets--
	}
	p := s.p
	s.p = nil
	return s.core.do(func() error {
		C.bn_free_set(s.core.rt.lib, p)
		return nil
	})
}
