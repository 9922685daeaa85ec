//go:build linux

package nrt

/*
#include "library.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Model is a graph loaded on a core.
type Model struct {
	core *Core
	name string
	p    *C.struct_nrt_model // nil after Unload
	runs int                 // runs that need it
	// Tensors are the graph's inputs and outputs as the library reports them.
	Tensors []TensorInfo
}

// TensorInfo is one input or output. The library reports f8 numbers as INT8 and may leave the type
// and the shape of outputs open: size and name are what counts.
type TensorInfo struct {
	Name   string
	Output bool
	Size   int
	DType  int
	Shape  []int // nil when the library gives none
}

// Load places a compiled file on the core, as rank of ranks of a collective graph if there are
// several. The bytes are not needed afterwards.
func (c *Core) Load(name string, neff []byte, rank, ranks int) (*Model, error) {
	if len(neff) == 0 {
		return nil, fmt.Errorf("cannot load graph %q: its file is empty", name)
	}
	m := &Model{core: c, name: name}
	err := c.do(func() error {
		status := C.bn_load(c.rt.lib, unsafe.Pointer(unsafe.SliceData(neff)), C.size_t(len(neff)),
			C.int32_t(c.index), C.uint32_t(rank), C.uint32_t(ranks), &m.p)
		return m.check("nrt_load", status)
	})
	if err != nil {
		return nil, err
	}
	c.models[m] = true
	if err := c.do(m.inspect); err != nil {
		return nil, errors.Join(err, m.Unload())
	}
	return m, nil
}

func (m *Model) check(function string, status C.bn_status) error {
	return check(function, fmt.Sprintf("graph %q", m.name), uint32(status))
}

// inspect runs on the core's thread.
func (m *Model) inspect() error {
	vnc := C.uint32_t(m.core.index)
	if err := m.check("nrt_get_model_info",
		C.bn_model_core(m.core.rt.lib, m.p, &vnc)); err != nil {
		return err
	}
	if int(vnc) != m.core.index {
		return fmt.Errorf("graph %q was placed on core %d instead of %d", m.name, vnc, m.core.index)
	}
	var list *C.bn_tensor_info_array
	if err := m.check("nrt_get_model_tensor_info",
		C.bn_info(m.core.rt.lib, m.p, &list)); err != nil {
		return err
	}
	for i := range uint64(list.tensor_count) {
		m.Tensors = append(m.Tensors, tensorInfo(C.bn_info_at(list, C.uint64_t(i))))
	}
	return m.check("nrt_free_model_tensor_info", C.bn_free_info(m.core.rt.lib, list))
}

func tensorInfo(in *C.bn_tensor_info) TensorInfo {
	name := C.GoBytes(unsafe.Pointer(&in.name[0]), C.BN_NAME_MAX)
	for i, b := range name {
		if b == 0 {
			name = name[:i]
			break
		}
	}
	t := TensorInfo{
		Name: string(name), Output: in.usage == C.BN_USAGE_OUTPUT, Size: int(in.size),
		DType: int(in.dtype),
	}
	if in.shape != nil {
		for _, d := range unsafe.Slice(in.shape, int(in.ndim)) {
			t.Shape = append(t.Shape, int(d))
		}
	}
	return t
}

// Name is the name that the graph was loaded with.
func (m *Model) Name() string { return m.name }

// Unload takes the graph off the core.
func (m *Model) Unload() error {
	if m.p == nil || m.runs > 0 {
		return fmt.Errorf("%w: graph %q is unloaded twice, or while %d runs hold it", ErrOrder,
			m.name, m.runs)
	}
	delete(m.core.models, m)
	p := m.p
	m.p = nil
	return m.core.do(func() error { return m.check("nrt_unload", C.bn_unload(m.core.rt.lib, p)) })
}
