//go:build cuda

package cuda

import (
	"basalt/cuda/driver"
	"basalt/runtime"
)

// Random weights (runtime.Pieces) are made on the GPU in the file's format, where a file's would be
// uploaded to, and go from there as those do: the host holds no more of them than the pool.

// load is tensor with its bytes where the host reads them: it lays out the scales within MXFP4's
// blocks.
func (w *weights) load(part string) runtime.Tensor {
	t := w.tensor(part)
	if t.Pieces != nil && t.DType == runtime.MXFP4 {
		t.Data = make([]byte, t.DataBytes())
		t.Pieces.Fill(t.Data, 0)
		t.Pieces = nil
	}
	return t
}

// fill enqueues the writing of n bytes of a tensor, from the at-th on, both multiples of four but
// for the tensor's last bytes, which are rounded up.
func (w *weights) fill(p *runtime.Pieces, to driver.Ptr, at, n int) error {
	pool, err := w.pool(p)
	if err != nil {
		return err
	}
	words := (n + 3) / 4
	return w.k.x.stream.Launch([]driver.Launch{w.launch([3]uint32{blocks(words, 256), 1, 1},
		"bs_fill_pieces", to, pool, int(int32(p.Key)), int(int32(p.Key>>32)), at/p.Piece,
		at%p.Piece/4, words, p.Places(), p.Piece/4, p.Place/4)})
}

// pool uploads the random numbers that pieces are cut from, once.
func (w *weights) pool(p *runtime.Pieces) (driver.Ptr, error) {
	if at, ok := w.pools[&p.Pool[0]]; ok {
		return at, nil
	}
	at, err := w.k.dev.gpu.Alloc(int64(len(p.Pool)))
	if err != nil {
		return 0, err
	}
	w.pools[&p.Pool[0]] = at
	return at, w.raw(at, p.Pool)
}

// whole puts a tensor's bytes, as they lie in its file, into memory of that size, rounded up to
// four.
func (w *weights) whole(to driver.Ptr, t *runtime.Tensor) error {
	if t.Pieces == nil {
		return w.raw(to, t.Data)
	}
	size := t.DataBytes()
	for at := 0; at < size; at += stageBytes {
		n := min(stageBytes, size-at)
		if err := w.fill(t.Pieces, to+driver.Ptr(at), at, n); err != nil {
			return err
		}
	}
	return nil
}
