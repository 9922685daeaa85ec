//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"basalt/cuda/blas"
	"basalt/cuda/driver"
	"basalt/runtime"
)

// Products of many rows by cuBLASLt. Its order of summation is its own and may depend on the number
// of rows, so it serves only where a trial shows that it is ours (trial.go), or where
// Config.AnyOrder gives up that a row has the same bits in every batch; and only steps that are not
// replayed from a graph. It reads weights row after row: each matrix that it may multiply by lies
// on the GPU a second time.

// libraryWorkspace is what the library may use beside its operands.
const libraryWorkspace = 32 << 20

// libraryRows is how many rows of x a product has more than, where the library takes it.
const libraryRows = 64

// library is a device's cuBLASLt; nil where our kernels multiply alone.
type library struct {
	lt     *blas.Library
	failed map[string]bool // what was said of products that it does not do
	// trials are the algorithms that were shown to add in our order, nil where none does.
	trials          map[libraryShape]*blas.Choice
	rows            []int         // that a trial multiplies
	limit           time.Duration // of the trials of a program
	served, refused atomic.Int32  // shapes
}

// openLibrary starts the library. Without it the device goes on. That of a machine with a GPU knows
// nothing of the tests' driver.
func (d *Device) openLibrary() {
	if d.cfg.BLAS == "" && !d.cfg.AnyOrder && driver.Has("fake_get") {
		return
	}
	lt, err := blas.Open(d.cfg.BLAS)
	if err == nil {
		if err = lt.Start(); err != nil {
			lt.Close()
		}
	}
	switch {
	case err == nil:
		d.library = &library{
			lt: lt, failed: make(map[string]bool), trials: make(map[libraryShape]*blas.Choice),
			rows: trialRows(), limit: trialLimit,
		}
	case d.cfg.AnyOrder || !errors.Is(err, blas.ErrAbsent):
		fmt.Fprintf(os.Stderr, "basalt: warning: our own kernels multiply: %s\n", firstLine(err))
	}
}

func (l *library) close() {
	if l != nil {
		l.lt.Close()
	}
}

// takes says whether a weight may be the library's: 16 bits, and rows of whole 16 bytes.
func (l *library) takes(w *runtime.Weight, t *runtime.Tensor) bool {
	return l != nil && len(w.Parts) == 1 && len(t.Shape) == 2 && t.Shape[1]%8 == 0 &&
		t.Shape[0]%4 == 0 && (t.DType == runtime.BF16 || t.DType == runtime.F16)
}

// twice says whether a weight lies on the GPU a second time, for the library.
func (w *weights) twice(weight *runtime.Weight, t *runtime.Tensor) bool {
	d := w.k.dev
	return d.library.takes(weight, t) && (d.cfg.AnyOrder || w.proved[weight.Name])
}

// libraryServes says whether the library may multiply in this program.
func (k *compiler) libraryServes() bool {
	return k.dev.library != nil && (k.dev.cfg.AnyOrder || len(k.w.proved) > 0)
}

// narrowBytes is the room for rows of x in 16 bits.
func (k *compiler) narrowBytes() int {
	if !k.libraryServes() {
		return 0
	}
	return k.tiledBytes()
}

func (k *compiler) workspaceBytes() int {
	if !k.libraryServes() {
		return 0
	}
	return libraryWorkspace
}

// libraryProduct is one product, for each number of rows that came.
type libraryProduct struct {
	p     product
	x     *executable
	rows  func(d *dims) int
	plans map[int]*plan
}

// plan is a product of so many rows; its choice is nil where the library has none.
type plan struct {
	product *blas.Product
	choice  *blas.Choice
}

// byLibrary lets the library have a product: our own variants see no rows where it takes it.
func (k *compiler) byLibrary(p *product) bool {
	if p.w.plain == 0 || p.bias != 0 || p.stride%4 != 0 || p.at%4 != 0 ||
		!k.dev.cfg.AnyOrder && k.dev.library.trials[p.shape()] == nil {
		return false
	}
	l := &libraryProduct{p: *p, x: k.x, rows: p.numRows, plans: make(map[int]*plan)}
	k.x.plans = append(k.x.plans, l)
	p.numRows = func(d *dims) int {
		if l.wanted(d) {
			return 0
		}
		return l.rows(d)
	}
	half := p.w.kind == "f16"
	k.put(func(d *dims, to *driver.Launch) bool {
		to.Grid = [3]uint32{blocks(p.w.k, 256), uint32(l.rows(d)), 1}
		return l.wanted(d)
	}, "bs_narrow", k.x.narrow, p.x, p.w.k, half)
	k.x.list = append(k.x.list, launch{library: l})
	return true
}

// wanted says whether the library multiplies in this step.
func (l *libraryProduct) wanted(d *dims) bool {
	return l.x.eager && l.rows(d) > libraryRows && l.plan(l.rows(d)).choice != nil
}

func (l *libraryProduct) plan(rows int) *plan {
	if p := l.plans[rows]; p != nil {
		return p
	}
	p := &plan{}
	l.plans[rows] = p
	lib, s := l.x.dev.library, l.p.shape()
	made, err := lib.lt.NewProduct(s.format(), rows, s.n, s.k, s.stride)
	if err == nil {
		if p.choice, err = lib.choice(made, s, l.x.dev.cfg.AnyOrder); p.choice == nil {
			made.Close()
		} else {
			p.product = made
		}
	}
	if err != nil && !lib.failed[err.Error()] {
		lib.failed[err.Error()] = true
		fmt.Fprintf(os.Stderr, "basalt: warning: our own kernels multiply: %v\n", err)
	}
	return p
}

// choice is the algorithm for a product: that which a trial has pinned, or, in any order, the best.
func (l *library) choice(p *blas.Product, s libraryShape, anyOrder bool) (*blas.Choice, error) {
	if !anyOrder {
		if err := p.Takes(l.trials[s], libraryWorkspace); err != nil {
			return nil, err
		}
		return l.trials[s], nil
	}
	choices, err := p.Choices(libraryWorkspace, 1)
	if err != nil || len(choices) == 0 {
		return nil, err
	}
	return &choices[0], nil
}

func (l *libraryProduct) run(d *dims) error {
	p := l.plan(l.rows(d))
	return p.product.Run(p.choice, uint64(l.p.y)+uint64(4*l.p.at), uint64(l.x.narrow),
		uint64(l.p.w.plain), uint64(l.x.workspace), libraryWorkspace, l.x.stream.Handle())
}

func (l *libraryProduct) close() {
	for _, p := range l.plans {
		if p.product != nil {
			p.product.Close()
		}
	}
}

// plain keeps a matrix row after row for the library.
func (w *weights) plain(m *matrix, weight *runtime.Weight, t *runtime.Tensor) error {
	if !w.twice(weight, t) {
		return nil
	}
	var err error
	if m.plain, err = w.k.x.alloc(int64(t.DataBytes()+3) &^ 3); err != nil {
		return err
	}
	return w.whole(m.plain, t)
}
