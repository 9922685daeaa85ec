//go:build cuda

package blas

/*
#include "lt.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// Type is a matrix's format, as the library numbers it (library_types.h).
type Type int

// Types of the matrices that are multiplied; results are floats.
const (
	F16  Type = 2
	BF16 Type = 14
)

// Choice is an algorithm of the library's for a product.
type Choice struct{ c C.bs_choice }

// Workspace is what it needs in bytes.
func (c *Choice) Workspace() int { return int(c.c.workspace) }

// Product is Y = X W^T: X [m, k] and W [n, k] lie row after row, Y [m, n] in rows of stride floats.
type Product struct {
	l *Library
	p C.bs_product
}

// NewProduct describes a product.
func (l *Library) NewProduct(t Type, m, n, k, stride int) (*Product, error) {
	p := &Product{l: l}
	status := C.bs_lt_make(l.lt, &p.p, C.int(t), C.int(m), C.int(n), C.int(k), C.int(stride))
	return p, l.check(fmt.Sprintf("multiply [%d, %d] by [%d, %d]", m, k, n, k), status)
}

// Close forgets the product.
func (p *Product) Close() { C.bs_lt_drop(p.l.lt, &p.p) }

// Choices asks the library's heuristic for at most count algorithms that do with so many bytes of
// workspace, the best first.
func (p *Product) Choices(workspace, count int) ([]Choice, error) {
	list := make([]C.bs_choice, count)
	found := C.bs_lt_choose(p.l.lt, &p.p, C.size_t(workspace), &list[0], C.int(count))
	if found < 0 {
		return nil, p.l.check("choose an algorithm", -found)
	}
	var choices []Choice
	for _, c := range list[:found] {
		if c.status == 0 && int(c.workspace) <= workspace {
			choices = append(choices, Choice{c})
		}
	}
	return choices, nil
}

// Takes says whether the library does this product, within so many bytes of workspace, by an
// algorithm that it chose for another number of rows.
func (p *Product) Takes(c *Choice, workspace int) error {
	var needs C.size_t
	err := p.l.check("take the algorithm", C.bs_lt_check(p.l.lt, &p.p, &c.c, &needs))
	if err == nil && int(needs) > workspace {
		err = fmt.Errorf("the algorithm needs %d bytes of workspace; it gets %d", needs, workspace)
	}
	return err
}

// Run enqueues the product on a stream of the driver's. Addresses are the GPU's.
func (p *Product) Run(c *Choice, y, x, w, workspace uint64, size int, stream unsafe.Pointer) error {
	return p.l.check("multiply", C.bs_lt_run(p.l.lt, &p.p, &c.c, C.uint64_t(y), C.uint64_t(x),
		C.uint64_t(w), C.uint64_t(workspace), C.size_t(size), stream))
}
