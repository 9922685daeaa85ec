package runtime

import (
	"encoding/binary"
	"fmt"
	"sync"

	goruntime "runtime"

	"basalt/internal/half"
	"basalt/internal/quant"
)

// Scales are the factors of a matrix whose format keeps them apart from its numbers: FP8 with one
// for the tensor, for each row or for blocks of 128 x 128; MXFP4 with one for 32 numbers of a row,
// NVFP4 for 16. A value is number * (scale * Factor), in float32.
type Scales struct {
	DType      DType // of Data: F32, BF16, F16, F8_E4M3 or F8_E8M0
	Data       []byte
	Rows, Cols int     // of the block that shares a scale; blocks at the edges may be cut
	Factor     float32 // of all values
}

// grid is the number of blocks along each axis of a matrix [n, k].
func (s *Scales) grid(n, k int) (rows, cols int) {
	return (n + s.Rows - 1) / s.Rows, (k + s.Cols - 1) / s.Cols
}

// Check compares the scales with their matrix.
func (s *Scales) Check(t *Tensor) error {
	if len(t.Shape) != 2 || s.Rows < 1 || s.Cols < 1 {
		return fmt.Errorf("scales of %d x %d values for a tensor of shape %v", s.Rows, s.Cols,
			t.Shape)
	}
	rows, cols := s.grid(t.Shape[0], t.Shape[1])
	if want := s.DType.RowBytes(rows * cols); len(s.Data) != want {
		return fmt.Errorf("its scales have %d bytes; %d x %d of %s are %d", len(s.Data), rows, cols,
			s.DType, want)
	}
	return nil
}

// At widens the scale of a value, times Factor; k is the length of the matrix's rows.
func (s *Scales) At(row, col, k int) float32 {
	_, cols := s.grid(1, k)
	var v [1]float32
	at := s.DType.RowBytes(row/s.Rows*cols + col/s.Cols)
	s.DType.Decode(v[:], s.Data[at:])
	return v[0] * s.Factor
}

// Decode widens len(dst) values from the at-th on, with their scales; both are multiples of the
// block size.
func (t *Tensor) Decode(dst []float32, at int) {
	t.DType.Decode(dst, t.Data[t.DType.RowBytes(at):])
	if t.Scales == nil {
		return
	}
	k := t.Shape[len(t.Shape)-1]
	for len(dst) > 0 {
		row, col := at/k, at%k
		n := min(len(dst), k-col, t.Scales.Cols-col%t.Scales.Cols)
		scale := t.Scales.At(row, col, k)
		for i := range dst[:n] {
			dst[i] *= scale
		}
		dst, at = dst[n:], at+n
	}
}

// DataBytes is the size of the numbers, without scales beside them.
func (t *Tensor) DataBytes() int {
	if t.Pieces != nil {
		return t.DType.RowBytes(t.NumValues())
	}
	return len(t.Data)
}

// Bytes is what a tensor takes in its file.
func (t *Tensor) Bytes() int {
	if t.Scales != nil {
		return t.DataBytes() + len(t.Scales.Data)
	}
	return t.DataBytes()
}

// Widened is the format that Widen gives: MXFP4 becomes Q8_0, which holds it exactly, where rows
// have whole blocks and scales are in the range of halves; other formats that a device may lack
// become BF16, which rounds a value to 8 bits of fraction. The rest stays what it is.
func (t *Tensor) Widened() DType {
	switch {
	case t.DType < MXFP4:
		return t.DType
	case t.inQ8():
		return Q8_0
	}
	return BF16
}

// Widen gives a tensor whose format a device lacks in one that every device has, or the tensor
// itself.
func (t Tensor) Widen() Tensor {
	w := Tensor{DType: t.Widened(), Shape: t.Shape}
	if w.DType == t.DType {
		return t
	}
	n := t.NumValues()
	w.Data = make([]byte, w.DType.RowBytes(n))
	inParts(n, func(from, to int) {
		if w.DType == Q8_0 {
			t.putQ8(w.Data, from/32, to/32)
			return
		}
		t.putBF16(w.Data, from, to)
	})
	return w
}

func (t *Tensor) putBF16(data []byte, from, to int) {
	values := make([]float32, min(to-from, 1<<12))
	for at := from; at < to; at += len(values) {
		values = values[:min(len(values), to-at)]
		t.Decode(values, at)
		for i, v := range values {
			binary.LittleEndian.PutUint16(data[2*(at+i):], half.ToBF16(v))
		}
	}
}

// powers are the scales in E8M0 of a tensor of four-bit numbers, one for each 32 along its rows:
// the first, and how far the next one lies. Nil where it has others.
func (t *Tensor) powers() (scales []byte, step int) {
	s := t.Scales
	switch {
	case t.Shape[len(t.Shape)-1]%32 != 0:
	case t.DType == MXFP4:
		return t.Data, quant.MXFP4.BlockBytes()
	case t.DType == F4_E2M1 && s != nil && s.DType == F8_E8M0 && s.Rows == 1 && s.Cols == 32 &&
		s.Factor == 1:
		return s.Data, 1
	}
	return nil, 0
}

// inQ8 says whether Q8_0 holds the tensor: twice a four-bit value is an integer, so half of each
// scale must be a half.
func (t *Tensor) inQ8() bool {
	const least, greatest = 127 + 1 - 24, 127 + 1 + 15
	scales, step := t.powers()
	for i := 0; i < len(scales); i += step {
		if scales[i] < least || scales[i] > greatest {
			return false
		}
	}
	return scales != nil
}

// putQ8 writes the blocks of 32 values of a tensor that Q8_0 holds.
func (t *Tensor) putQ8(data []byte, from, to int) {
	scales, step := t.powers()
	size := quant.Q8_0.BlockBytes()
	var values [32]float32
	for i := from; i < to; i++ {
		d := half.FromE8M0(scales[i*step]) / 2
		t.Decode(values[:], 32*i)
		block := data[i*size : (i+1)*size]
		binary.LittleEndian.PutUint16(block, half.ToF16(d))
		for j, v := range values {
			block[2+j] = byte(int8(v / d))
		}
	}
}

// inParts does n values on all processors, in runs of whole blocks.
func inParts(n int, do func(from, to int)) {
	const block = 1 << 12
	var wg sync.WaitGroup
	step := (n/goruntime.GOMAXPROCS(0) + block) / block * block
	for from := 0; from < n; from += step {
		wg.Go(func() { do(from, min(from+step, n)) })
	}
	wg.Wait()
}
