//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"basalt/cuda/blas"
	"basalt/cuda/driver"
	"basalt/internal/half"
	"basalt/runtime"
)

// In the default mode a row has the same bits in every batch, so cuBLASLt multiplies by a matrix
// only where one algorithm of its own gives the bits of our kernels for few rows and for many. Our
// kernels add eight runs of K, each in ascending order; a library that adds otherwise is refused by
// the first rows that are tried.

const (
	trialLimit   = 1500 * time.Millisecond // of the trials of a program
	trialChoices = 8                       // algorithms of a shape
	trialMemory  = 4 << 30
)

// trialRows are the numbers of rows of a trial: of one tile, of several, and of parts of one.
func trialRows() []int { return []int{1, 2, 7, 16, 17, 64, 65, 513, 4096} }

// libraryShape is what an algorithm is chosen for, but for the rows of x.
type libraryShape struct {
	kind         string // bf16, f16
	n, k, stride int
}

func (p *product) shape() libraryShape {
	return libraryShape{p.w.kind, p.w.n, p.w.k, p.stride}
}

func (s *libraryShape) format() blas.Type {
	if s.kind == "f16" {
		return blas.F16
	}
	return blas.BF16
}

// tryLibrary finds by which matrices of the program the library may multiply in the default mode.
// An error has ended the context.
func (k *compiler) tryLibrary() error {
	l := k.dev.library
	if l == nil || k.dev.cfg.AnyOrder {
		return nil
	}
	free, _, err := k.dev.gpu.FreeMemory()
	if err != nil {
		return err
	}
	deadline, room := time.Now().Add(l.limit), free/4
	for i := range k.nodes {
		at := 0
		for _, w := range k.nodes[i].op.Weights {
			s, ok := k.libraryShape(&k.nodes[i].op, w, at)
			at += w.Shape[0]
			if !ok || k.w.proved[w.Name] {
				continue
			}
			if err := l.try(k.dev, s, deadline, min(free/2, trialMemory)); err != nil {
				return fmt.Errorf("cuBLASLt %s (%s) failed in its trial; BASALT_LIBCUBLASLT=none "+
					"leaves it out: %w", l.lt.Version, l.lt.Path, err)
			}
			if size := 2 * int64(s.n) * int64(s.k); l.trials[s] != nil && size <= room {
				k.w.proved[w.Name], room = true, room-size
			}
		}
	}
	l.report()
	return nil
}

// libraryShape is the shape of an operation's product by a weight whose outputs begin at a column;
// false where the library never multiplies: in experts, and where only few rows are asked for.
func (k *compiler) libraryShape(op *runtime.Op, w *runtime.Weight, at int) (libraryShape, bool) {
	if op.Kind != runtime.OpLinear || k.sampled(op.Out[0]) || op.Biases != nil || at%4 != 0 {
		return libraryShape{}, false
	}
	t := k.w.tensor(w.Parts[0])
	kind, _ := kindOf(&t)
	s := libraryShape{kind, w.Shape[0], w.Shape[1], k.width(op.Out[0])}
	return s, k.dev.library.takes(w, &t) && s.stride%4 == 0
}

// try looks for an algorithm of a shape that adds in our order, unless that is known, or there is
// no time, or not so much memory, for it.
func (l *library) try(d *Device, s libraryShape, deadline time.Time, memory int64) error {
	if _, tried := l.trials[s]; tried || time.Now().After(deadline) {
		return nil
	}
	t := &trial{
		checker: checker{d: d, rng: rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))},
		l:       l, s: s, rows: slices.Max(l.rows), deadline: deadline,
	}
	if t.bytes() > memory {
		return nil
	}
	defer t.close()
	choice, err := t.run()
	switch {
	case err == nil:
		l.trials[s] = choice
	case fatal(err):
		return err
	case !errors.Is(err, errLate):
		l.trials[s] = nil
		if !l.failed[err.Error()] {
			l.failed[err.Error()] = true
			fmt.Fprintf(os.Stderr, "basalt: warning: our own kernels multiply: %v\n", err)
		}
	}
	return nil
}

// report says what the trials have shown.
func (l *library) report() {
	served := 0
	for _, c := range l.trials {
		if c != nil {
			served++
		}
	}
	l.served.Store(int32(served))
	l.refused.Store(int32(len(l.trials) - served))
	if len(l.trials) > 0 {
		fmt.Fprintf(os.Stderr, "basalt: cuBLASLt adds in our order for %d of %d shapes of "+
			"matrices; our own kernels multiply by the others\n", served, len(l.trials))
	}
}

func (l *library) writeMetrics(w io.Writer, gpu string) error {
	if l == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "# HELP basalt_gpu_library_shapes Shapes of matrices that cuBLASLt "+
		"was tried for at load: it serves where it adds in our order.\n"+
		"# TYPE basalt_gpu_library_shapes gauge\n"+
		"basalt_gpu_library_shapes{gpu=%q,trial=\"served\"} %d\n"+
		"basalt_gpu_library_shapes{gpu=%q,trial=\"refused\"} %d\n",
		gpu, l.served.Load(), gpu, l.refused.Load())
	return err
}

// trial multiplies random rows by a random matrix, by the library and by our kernel.
type trial struct {
	checker
	l        *library
	s        libraryShape
	rows     int // at most
	deadline time.Time

	x, narrow, plain, packed, want, got, workspace, found driver.Ptr
	floats, halves                                        driver.Ptr // pools of random numbers
}

// errLate says that the time for trials is over.
var errLate = errors.New("no time is left for trials of cuBLASLt")

const trialPool = 1 << 18 // random numbers that operands are put together from

// buffers lists what a trial works in.
func (t *trial) buffers() []buffer {
	rows, n, k := int64(t.rows), int64(t.s.n), int64(t.s.k)
	packed, _ := layoutOf(t.s.kind, 0, t.s.n, t.s.k)
	return []buffer{
		{&t.x, 4 * rows * k}, {&t.narrow, 2 * rows * k}, {&t.plain, 2*n*k + 4}, {&t.packed, packed},
		{&t.want, 4 * rows * int64(t.s.stride)}, {&t.got, 4 * rows * int64(t.s.stride)},
		{&t.workspace, libraryWorkspace}, {&t.found, 4},
	}
}

func (t *trial) bytes() int64 {
	sum := int64(6 * trialPool)
	for _, b := range t.buffers() {
		sum += b.bytes
	}
	return sum
}

// run gives the first algorithm that has our bits for every number of rows; nil where none has.
func (t *trial) run() (*blas.Choice, error) {
	if err := t.prepare(); err != nil {
		return nil, err
	}
	p, err := t.l.lt.NewProduct(t.s.format(), t.rows, t.s.n, t.s.k, t.s.stride)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	choices, err := p.Choices(libraryWorkspace, trialChoices)
	for i := range choices {
		same, err := t.same(&choices[i])
		if err != nil {
			return nil, err
		}
		if same {
			return &choices[i], nil
		}
	}
	return nil, err
}

// prepare makes the operands, and our own product of all rows.
func (t *trial) prepare() error {
	var err error
	if t.stream, err = t.d.gpu.NewStream(); err != nil {
		return err
	}
	if t.pinned, err = t.d.gpu.AllocPinned(4 * trialPool); err != nil {
		return err
	}
	for _, b := range t.buffers() {
		if *b.to, err = t.alloc(int(b.bytes)); err != nil {
			return err
		}
	}
	s, f16, to, dtype := &t.s, t.s.kind == "f16", half.ToBF16, runtime.BF16
	if f16 {
		to, dtype = half.ToF16, runtime.F16
	}
	if t.floats, err = t.upload(bytesOf(t.random(trialPool))); err != nil {
		return err
	}
	if t.halves, err = t.upload(bytesOf(t.random16(trialPool, to))); err != nil {
		return err
	}
	none, tiles := driver.Ptr(0), blocks(s.n, 16)
	return errors.Join(
		t.fill(t.x, t.floats, t.rows*s.k, trialPool),
		t.fill(t.plain, t.halves, (s.n*s.k+1)/2, trialPool/2),
		t.checker.run("bs_narrow", [3]uint32{blocks(s.k, 256), uint32(t.rows), 1}, t.narrow, t.x,
			s.k, f16),
		t.checker.run("bs_pack_16", [3]uint32{blocks((s.k+63)/64*128, 256), tiles, 1}, t.packed,
			t.plain, format(dtype), s.n, s.k, 2*s.k, f16),
		t.checker.run("bs_linear_"+s.kind+"_64", [3]uint32{blocks(s.n, 32), blocks(t.rows, 64), 1},
			t.want, t.x, t.packed, none, none, t.x, none, none, t.rows, s.n, s.k, s.stride, 0, 0,
			0))
}

// fill writes random words from a pool of that many.
func (t *trial) fill(to, pool driver.Ptr, words, size int) error {
	const piece, place = 1 << 10, 1 << 4
	return t.checker.run("bs_fill_pieces", [3]uint32{blocks(words, 256), 1, 1}, to, pool,
		int(int32(t.rng.Uint32())), int(int32(t.rng.Uint32())), 0, 0, words,
		(size-piece)/place+1, piece, place)
}

// same says whether an algorithm has our bits for every number of rows.
func (t *trial) same(c *blas.Choice) (bool, error) {
	for _, rows := range t.l.rows {
		if time.Now().After(t.deadline) {
			return false, errLate
		}
		same, err := t.sameOf(c, rows)
		if !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (t *trial) sameOf(c *blas.Choice, rows int) (bool, error) {
	s := &t.s
	p, err := t.l.lt.NewProduct(s.format(), rows, s.n, s.k, s.stride)
	if err != nil {
		return false, err
	}
	defer p.Close()
	if p.Takes(c, libraryWorkspace) != nil {
		return false, nil
	}
	clear(t.pinned.Bytes[:4])
	err = errors.Join(
		t.fill(t.got, t.floats, rows*s.stride, trialPool), // what it does not write differs
		t.stream.Upload(t.found, t.pinned, 0, 4),
		p.Run(c, uint64(t.got), uint64(t.narrow), uint64(t.plain), uint64(t.workspace),
			libraryWorkspace, t.stream.Handle()),
		t.checker.run("bs_differ", [3]uint32{blocks(s.n, 256), uint32(rows), 1}, t.found, t.got,
			t.want, s.n, s.stride),
		t.stream.Download(t.pinned, 0, t.found, 4),
		t.stream.Wait())
	return view[int32](t.pinned, 0, 1)[0] == 0, err
}
