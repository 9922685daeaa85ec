//go:build cuda

package cuda

import (
	"encoding/binary"
	"fmt"
	"math"

	"basalt/cuda/driver"
	"basalt/runtime"
)

// stageBytes is the size of each of the two pinned buffers that weights pass through.
const stageBytes = 16 << 20

// matrix is a weight as the products read it: all its parts, one after the other.
type matrix struct {
	kind                  string // of kernel: f32, f16, bf16, q8, q4, f8, f8b, mx4, nv4
	n, k, shift           int
	plain                 driver.Ptr // row after row, for a library; 0 where none multiplies by it
	data, scales          driver.Ptr
	dataUnits, scaleUnits int // of a part, in 16 bytes
}

// weights uploads what the program needs, each once.
type weights struct {
	k        *compiler
	ckpt     runtime.Checkpoint
	matrices map[string]*matrix
	vectors  map[string]driver.Ptr
	tables   map[string]driver.Ptr

	stage       [2]*driver.Pinned
	device      [2]driver.Ptr
	free        [2]*driver.Event
	used        [2]bool
	turn        int
	done, total int64
	counted     map[string]bool
	pools       map[*byte]driver.Ptr // of random weights, by their first byte
	proved      map[string]bool      // of the matrices that cuBLASLt sums by in our order
}

func newWeights(k *compiler, p *runtime.Program, c runtime.Checkpoint) *weights {
	w := &weights{
		k: k, ckpt: c, matrices: make(map[string]*matrix), vectors: make(map[string]driver.Ptr),
		tables: make(map[string]driver.Ptr), counted: make(map[string]bool),
		pools: make(map[*byte]driver.Ptr), proved: make(map[string]bool),
	}
	for _, weight := range p.Weights {
		for _, part := range weight.Parts {
			t := w.tensor(part)
			w.total += int64(t.DataBytes())
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

// open takes the buffers that weights pass through.
func (w *weights) open() error {
	gpu := w.k.dev.gpu
	for i := range w.stage {
		var err error
		if w.stage[i], err = gpu.AllocPinned(stageBytes); err != nil {
			return err
		}
		if w.device[i], err = gpu.Alloc(stageBytes); err != nil {
			return err
		}
		if w.free[i], err = gpu.NewEvent(); err != nil {
			return err
		}
	}
	return nil
}

// close gives the buffers back.
func (w *weights) close() {
	for i := range w.stage {
		w.stage[i].Free()
		w.stage[i] = nil
		if w.device[i] != 0 {
			_ = w.k.dev.gpu.Free(w.device[i])
			w.device[i] = 0
		}
		if w.free[i] != nil {
			_ = w.free[i].Close()
			w.free[i] = nil
		}
	}
	for _, p := range w.pools {
		_ = w.k.dev.gpu.Free(p)
	}
	clear(w.pools)
}

// finish waits for the uploads.
func (w *weights) finish() error { return w.k.x.stream.Wait() }

// send copies n bytes of a tensor, from an offset, to the device through the next buffer and gives
// where they lie there; then gives the launches that read them, which end before the buffer is
// filled again. Random weights are made in the buffer instead.
func (w *weights) send(t *runtime.Tensor, at, n int, then func(driver.Ptr) []driver.Launch) error {
	i, s := w.turn, w.k.x.stream
	w.turn = 1 - i
	for w.used[i] {
		done, err := w.free[i].Done()
		if err != nil {
			return err
		}
		w.used[i] = !done
	}
	if t.Pieces != nil {
		if err := w.fill(t.Pieces, w.device[i], at, n); err != nil {
			return err
		}
	} else {
		copy(w.stage[i].Bytes, t.Data[at:at+n])
		if err := s.Upload(w.device[i], w.stage[i], 0, n); err != nil {
			return err
		}
	}
	if err := s.Launch(then(w.device[i])); err != nil {
		return err
	}
	w.used[i] = true
	return w.free[i].Record(s)
}

func (w *weights) launch(grid [3]uint32, name string, args ...any) driver.Launch {
	k := w.k.dev.kernel(name)
	l := driver.Launch{
		Fn: k.fn, Grid: grid, Threads: uint32(k.threads), NumArgs: uint32(len(args)),
	}
	copy(l.Args[:], k.cells(args))
	return l
}

// loaded counts a part as ready.
func (w *weights) loaded(part string) {
	if w.counted[part] {
		return
	}
	w.counted[part] = true
	t := w.tensor(part)
	w.done += int64(t.DataBytes())
	if w.k.opt.Progress != nil {
		w.k.opt.Progress(w.done, w.total)
	}
}

// format is a data type's number in the kernels.
func format(d runtime.DType) int { return int(d - runtime.F32) }

// kindOf is the kind of product for a matrix, and the log2 of the values that share a scale; "" for
// scales that no kernel reads.
func kindOf(t *runtime.Tensor) (kind string, shift int) {
	switch t.DType {
	case runtime.F32:
		return "f32", 0
	case runtime.F16:
		return "f16", 0
	case runtime.BF16:
		return "bf16", 0
	case runtime.Q4_0, runtime.Q4_K:
		return "q4", 5
	case runtime.Q6_K:
		return "q8", 4
	case runtime.MXFP4:
		return "mx4", 5
	case runtime.F8_E4M3, runtime.F8_E8M0, runtime.F4_E2M1:
		return scaledKind(t)
	}
	return "q8", 5
}

// layoutOf gives the sizes of one part [n, k].
func layoutOf(kind string, shift, n, k int) (data, scales int64) {
	if kind == "f32" {
		return int64(n) * int64(k) * 4, 0
	}
	values := int64(n+15) / 16 * 16 * (int64(k+63) / 64 * 64)
	switch kind {
	case "q8":
		return values, values >> shift * 4
	case "q4":
		return values / 2, values >> shift * 4
	case "f8", "f8b":
		return values, scaleBytes(kind, shift, n, k)
	case "mx4", "nv4":
		return values / 2, scaleBytes(kind, shift, n, k)
	}
	return 2 * values, 0
}

// matrix gives the packed matrix of a weight.
func (w *weights) matrix(weight *runtime.Weight) (*matrix, error) {
	if m, ok := w.matrices[weight.Name]; ok {
		return m, nil
	}
	t := fit(w.tensor(weight.Parts[0]))
	m := &matrix{n: t.Shape[0], k: t.Shape[1]}
	m.kind, m.shift = kindOf(&t)
	data, scales := layoutOf(m.kind, m.shift, m.n, m.k)
	m.dataUnits, m.scaleUnits = int((data+15)/16), int((scales+15)/16)
	var err error
	if m.data, err = w.k.x.alloc(int64(m.dataUnits) * 16 * int64(len(weight.Parts))); err != nil {
		return nil, err
	}
	if scales > 0 {
		m.scales, err = w.k.x.alloc(int64(m.scaleUnits) * 16 * int64(len(weight.Parts)))
		if err != nil {
			return nil, err
		}
	}
	for i, part := range weight.Parts {
		got := fit(w.load(part))
		if kind, shift := kindOf(&got); got.DType != t.DType || kind != m.kind || shift != m.shift {
			return nil, fmt.Errorf("tensor %q is %s, %q is %s: experts must share a format and "+
				"the size of its blocks", weight.Parts[0], t.DType, part, got.DType)
		}
		if err := w.pack(m, &got, i); err != nil {
			return nil, fmt.Errorf("cannot upload tensor %q: %w", part, err)
		}
		w.loaded(part)
	}
	w.matrices[weight.Name] = m
	return m, w.plain(m, weight, &t)
}

// pack uploads a part, some tiles of 16 rows at a time.
func (w *weights) pack(m *matrix, t *runtime.Tensor, index int) error {
	rowBytes := t.DType.RowBytes(m.k)
	rows := stageBytes / rowBytes / 16 * 16
	if rows == 0 {
		return fmt.Errorf("rows of %d bytes; at most %d are supported", rowBytes, stageBytes/16)
	}
	data, scales := layoutOf(m.kind, m.shift, 16, m.k)
	for at := 0; at < m.n; at += rows {
		n := min(rows, m.n-at)
		to := m.data + driver.Ptr(int64(index)*int64(m.dataUnits)*16+int64(at/16)*data)
		scale := m.scales + driver.Ptr(int64(index)*int64(m.scaleUnits)*16+int64(at/16)*scales)
		err := w.send(t, at*rowBytes, n*rowBytes, func(from driver.Ptr) []driver.Launch {
			return w.packing(m, t.DType, to, scale, from, n, rowBytes)
		})
		if err != nil {
			return err
		}
	}
	if !m.smallFloats() {
		return nil
	}
	return w.raw(m.scales+driver.Ptr(int64(index)*int64(m.scaleUnits)*16), m.scalesOf(t))
}

// smallFloats says that the kind is one of kernels/linear/small.h.
func (m *matrix) smallFloats() bool {
	switch m.kind {
	case "f8", "f8b", "mx4", "nv4":
		return true
	}
	return false
}

// packing are the launches that put n rows into the products' order.
func (w *weights) packing(m *matrix, d runtime.DType, to, scale, from driver.Ptr, n, rowBytes int,
) []driver.Launch {
	tiles, groups := uint32((n+15)/16), (m.k+63)/64
	grid := [3]uint32{blocks(groups*128, 256), tiles, 1}
	switch m.kind {
	case "f32":
		return []driver.Launch{w.launch([3]uint32{blocks(n*m.k, 256), 1, 1}, "bs_widen", to, from,
			format(d), n*m.k)}
	case "f16", "bf16":
		return []driver.Launch{w.launch(grid, "bs_pack_16", to, from, format(d), n, m.k, rowBytes,
			m.kind == "f16")}
	case "f8", "f8b", "mx4", "nv4":
		return []driver.Launch{w.launch(grid, "bs_pack_codes", to, from, format(d), n, m.k,
			rowBytes)}
	}
	bits := 8
	if m.kind == "q4" {
		bits = 4
	}
	scaleGrid := [3]uint32{blocks(groups*64>>m.shift*16, 256), tiles, 1}
	return []driver.Launch{
		w.launch(grid, "bs_pack_q", to, from, format(d), n, m.k, rowBytes, bits),
		w.launch(scaleGrid, "bs_pack_scales", scale, from, format(d), n, m.k, rowBytes, m.shift),
	}
}

// vector gives a part as floats.
func (w *weights) vector(part string) (driver.Ptr, error) {
	if p, ok := w.vectors[part]; ok {
		return p, nil
	}
	t := w.tensor(part).Widen()
	n := t.NumValues()
	if len(t.Data) > stageBytes {
		return 0, fmt.Errorf("vector %q has %d bytes; at most %d are supported", part,
			len(t.Data), stageBytes)
	}
	p, err := w.k.x.alloc(int64(4 * n))
	if err != nil {
		return 0, err
	}
	w.vectors[part] = p
	w.loaded(part)
	return p, w.send(&t, 0, len(t.Data), func(from driver.Ptr) []driver.Launch {
		return []driver.Launch{w.launch([3]uint32{blocks(n, 256), 1, 1}, "bs_widen", p, from,
			format(t.DType), n)}
	})
}

// table gives a part as it lies in the checkpoint, or widened.
func (w *weights) table(part string) (p driver.Ptr, kind, rowBytes int, err error) {
	t := w.load(part).Widen()
	rowBytes = t.DType.RowBytes(t.Shape[1])
	if p, ok := w.tables[part]; ok {
		return p, format(t.DType), rowBytes, nil
	}
	if p, err = w.k.x.alloc(int64(t.DataBytes()+3) &^ 3); err != nil {
		return 0, 0, 0, err
	}
	w.tables[part] = p
	err = w.whole(p, &t)
	w.loaded(part)
	return p, format(t.DType), rowBytes, err
}

// raw uploads bytes as they are, after what is on its way through the buffer.
func (w *weights) raw(to driver.Ptr, data []byte) error {
	if err := w.k.x.stream.Wait(); err != nil {
		return err
	}
	for at := 0; at < len(data); at += stageBytes {
		n := min(stageBytes, len(data)-at)
		copy(w.stage[0].Bytes, data[at:at+n])
		if err := w.k.x.stream.Upload(to+driver.Ptr(at), w.stage[0], 0, n); err != nil {
			return err
		}
		if err := w.k.x.stream.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// numbers uploads doubles.
func (w *weights) numbers(v []float64) (driver.Ptr, error) {
	data := make([]byte, 8*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(data[8*i:], math.Float64bits(x))
	}
	p, err := w.k.x.alloc(int64(len(data)))
	if err != nil {
		return 0, err
	}
	return p, w.raw(p, data)
}

// intBits is an int in the low half of eight bytes.
func intBits(n int) float64 { return math.Float64frombits(uint64(uint32(int32(n)))) }
