package cpu

/*
#include "pack.h"
*/
import "C"

import (
	"context"
	"fmt"
	"unsafe"

	goruntime "runtime"

	"basalt/runtime"
)

// releaser is a checkpoint that can give back the memory behind a tensor that was copied.
type releaser interface {
	Release(name string)
}

// weights loads what the program needs: matrices are repacked, vectors decoded, tables used in
// place.
type weights struct {
	ctx      context.Context
	dev      *Device
	ckpt     runtime.Checkpoint
	quantize runtime.DType
	mem      *arena
	pins     *goruntime.Pinner

	matrices map[string]*C.matrix // by part
	vectors  map[string]*C.float
	tables   map[string]bool // parts that stay in use where they lie
	shared   []span

	waiting, running *packGroup

	counted     map[string]bool // parts that progress has been told of
	progress    func(done, total int64)
	done, total int64
}

func newWeights(ctx context.Context, d *Device, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions, mem *arena, pins *goruntime.Pinner,
) *weights {
	w := &weights{
		ctx: ctx, dev: d, ckpt: c, quantize: o.Quantize, mem: mem, pins: pins,
		matrices: make(map[string]*C.matrix), vectors: make(map[string]*C.float),
		tables: make(map[string]bool), shared: sharedMappings(),
		counted: make(map[string]bool), progress: o.Progress, waiting: new(packGroup),
	}
	for _, weight := range p.Weights {
		for _, part := range weight.Parts {
			t, _ := c.Tensor(part)
			w.total += int64(len(t.Data))
		}
	}
	for i := range p.Ops {
		if p.Ops[i].Kind == runtime.OpEmbed {
			w.tables[p.Ops[i].Weights[0].Name] = true
		}
	}
	return w
}

func (w *weights) tensor(part string) runtime.Tensor {
	t, ok := w.ckpt.Tensor(part)
	if !ok {
		panic(fmt.Sprintf("BUG: tensor %q passed CheckWeights and is missing", part))
	}
	return t
}

// loaded counts a part as ready and lets its original go unless it stays in use.
func (w *weights) loaded(part string, t runtime.Tensor) {
	if !w.counted[part] {
		w.counted[part] = true
		w.done += int64(len(t.Data))
		if w.progress != nil {
			w.progress(w.done, w.total)
		}
	}
	giveBack(w.shared, t.Data)
	if r, ok := w.ckpt.(releaser); ok && !w.tables[part] {
		r.Release(part)
	}
}

// format is how a matrix of t is kept: as in the file, or quantised where that was asked for and
// the rows can be cut into blocks. A format without kernels is widened.
func (w *weights) format(t runtime.Tensor, keep bool) runtime.DType {
	d := t.Widened()
	_, block := d.Quant()
	if w.quantize == 0 || keep || block || t.Shape[1]%w.quantize.BlockSize() != 0 {
		return d
	}
	return w.quantize
}

// maxAxis keeps products of axes and small constants within 32 bits.
const maxAxis = 1 << 24

// matrix gives the packed matrix of a part, which is filled by the end of finish. keep leaves its
// format as it is.
func (w *weights) matrix(part string, keep bool) (*C.matrix, error) {
	if m, ok := w.matrices[part]; ok {
		return m, nil
	}
	t := w.tensor(part)
	if max(t.Shape[0], t.Shape[1]) > maxAxis {
		return nil, fmt.Errorf("tensor %q of shape %v is too long: an axis may have %d", part,
			t.Shape, maxAxis)
	}
	m, x := &array[C.matrix](w.mem, 1)[0], t.Widen()
	m.format, m.n, m.k = cFormat(w.format(t, keep)), C.int32_t(t.Shape[0]), C.int32_t(t.Shape[1])
	m.data = (*C.uint8_t)(w.mem.take(int64(C.bs_matrix_layout(m)), true))
	if w.mem.err != nil {
		return nil, fmt.Errorf("cannot keep tensor %q: %w", part, w.mem.err)
	}
	w.matrices[part] = m
	w.waiting.add(part, t, C.packing{
		m: m, source: cFormat(x.DType), data: (*C.uint8_t)(unsafe.Pointer(&x.Data[0])),
	})
	if w.waiting.bytes >= groupBytes(w.dev.info.Threads) {
		return m, w.pack()
	}
	return m, nil
}

// vector gives a part as floats.
func (w *weights) vector(part string) *C.float {
	if v, ok := w.vectors[part]; ok {
		return v
	}
	t := w.tensor(part)
	v := array[float32](w.mem, t.NumValues())
	t.Decode(v, 0)
	w.vectors[part] = (*C.float)(unsafe.Pointer(first(v)))
	w.loaded(part, t)
	return w.vectors[part]
}

// table gives a part where it lies in the checkpoint; it stays pinned as long as the executable.
func (w *weights) table(part string) (data *C.uint8_t, format C.int32_t, rowBytes int64) {
	t := w.tensor(part)
	x := t.Widen()
	w.pins.Pin(&x.Data[0])
	w.loaded(part, t)
	return (*C.uint8_t)(unsafe.Pointer(&x.Data[0])), cFormat(x.DType),
		int64(x.DType.RowBytes(t.Shape[1]))
}

// cFormat is a data type's number in C, where the same order begins at 0.
func cFormat(d runtime.DType) C.int32_t { return C.int32_t(d - runtime.F32) }
