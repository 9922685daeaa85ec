package lower

import (
	"encoding/binary"
	"fmt"
	"math"

	"basalt/internal/half"
	"basalt/neuron/hlo"
	"basalt/runtime"
)

// chunkBytes is about how much of a tensor is made at a time.
const chunkBytes = 32 << 20

// tileRows is how many rows of the checkpoint are transposed together.
const tileRows = 16

// Load makes the contents of a weight, scale or table on one rank and hands them to write in order,
// in chunks that are valid during the call.
func (t *Tensor) Load(c runtime.Checkpoint, rank int, write func(offset int, data []byte) error,
) error {
	if t.Rope != nil {
		return t.loadRope(write)
	}
	if t.Source == nil {
		panic(fmt.Sprintf("BUG: tensor %q has no source", t.Name))
	}
	l := loader{t: t, c: c, rank: rank, write: write}
	for i := range t.Source.Groups {
		if err := l.group(i); err != nil {
			return fmt.Errorf("cannot load %q: %w", t.Name, err)
		}
	}
	return nil
}

// loader makes one tensor.
type loader struct {
	t     *Tensor
	c     runtime.Checkpoint
	rank  int
	write func(offset int, data []byte) error
	at    int // bytes written
	buf   []byte
}

// strip is the part of a piece that this rank holds, inside the checkpoint.
type strip struct {
	tensor     runtime.Tensor
	cols       int // of the checkpoint's rows
	row0, rows int
	have       int // rows that exist; the others are zero
	col0       int
}

func (l *loader) strips(pieces []Piece) ([]strip, error) {
	var list []strip
	for _, p := range pieces {
		tensor, ok := l.c.Tensor(p.Name)
		if !ok {
			return nil, fmt.Errorf("the checkpoint has no tensor %q", p.Name)
		}
		s := strip{tensor: tensor, cols: 1, rows: p.Rows}
		if len(tensor.Shape) > 1 {
			s.cols = tensor.Shape[1]
		}
		s.row0 = p.RowAt + l.rank/max(p.RowRanks, 1)*p.RowStep
		s.col0 = l.rank * p.ColStep
		s.have = min(max(tensor.Shape[0]-s.row0, 0), p.Rows)
		if size := tensor.DType.BlockSize(); s.col0%size != 0 || p.Cols%size != 0 {
			return nil, fmt.Errorf("columns %d to %d of %q cut its %s blocks of %d values", s.col0,
				s.col0+p.Cols, p.Name, tensor.DType, size)
		}
		list = append(list, s)
	}
	return list, nil
}

// read widens cols numbers of row i from column c on.
func (s *strip) read(dst []float32, i, c int) {
	if i >= s.have {
		clear(dst)
		return
	}
	s.tensor.Decode(dst, (s.row0+i)*s.cols+s.col0+c) // a vector's values are rows of one
}

func (l *loader) group(i int) error {
	pieces := l.t.Source.Groups[i]
	strips, err := l.strips(pieces)
	if err != nil {
		return err
	}
	cols, rows := pieces[0].Cols, 0
	for _, s := range strips {
		rows += s.rows
	}
	switch {
	case l.t.Role == Scale:
		return l.put(hlo.F32, rowScales(strips, cols))
	case cols == 1:
		return l.vector(strips)
	case l.t.Source.Transposed:
		return l.transposed(strips, rows, cols)
	}
	return l.straight(strips, cols)
}

// put writes numbers in the given type.
func (l *loader) put(d hlo.DType, xs []float32) error {
	l.buf = grow(l.buf, len(xs)*d.Size())
	hlo.EncodeFloats(l.buf, d, xs)
	err := l.write(l.at, l.buf)
	l.at += len(l.buf)
	return err
}

func grow(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n)
	}
	return buf[:n]
}

func (l *loader) vector(strips []strip) error {
	for _, s := range strips {
		xs := make([]float32, s.rows)
		s.tensor.DType.Decode(xs[:s.have], s.tensor.Data[s.tensor.DType.RowBytes(s.row0):])
		if err := l.put(l.t.Shape.DType, xs); err != nil {
			return err
		}
	}
	return nil
}

// straight keeps the checkpoint's order, [out, in].
func (l *loader) straight(strips []strip, cols int) error {
	chunk := max(chunkBytes/(4*cols), 1)
	xs := make([]float32, chunk*cols)
	for _, s := range strips {
		for row := 0; row < s.rows; row += chunk {
			n := min(chunk, s.rows-row)
			for i := range n {
				s.read(xs[i*cols:(i+1)*cols], row+i, 0)
			}
			if err := l.put(l.t.Shape.DType, xs[:n*cols]); err != nil {
				return err
			}
		}
	}
	return nil
}

// colAlign is a multiple of every block format's size.
const colAlign = 256

// transposed stores [in, out], some of the columns of the checkpoint at a time.
func (l *loader) transposed(strips []strip, rows, cols int) error {
	var scales []float32
	if l.t.Shape.DType == hlo.F8E4M3FN {
		scales = rowScales(strips, cols)
	}
	size := l.t.Shape.DType.Size()
	chunk := max(chunkBytes/(rows*size)/colAlign*colAlign, colAlign)
	tile := make([]float32, tileRows*min(chunk, cols))
	for col := 0; col < cols; col += chunk {
		n := min(chunk, cols-col)
		l.buf = grow(l.buf, n*rows*size)
		out := 0
		for _, s := range strips {
			for row := 0; row < s.rows; row += tileRows {
				m := min(tileRows, s.rows-row)
				for i := range m {
					s.read(tile[i*n:(i+1)*n], row+i, col)
					scaleDown(tile[i*n:(i+1)*n], scales, out+i)
				}
				l.turn(tile, m, n, rows, out)
				out += m
			}
		}
		if err := l.write(l.at, l.buf); err != nil {
			return err
		}
		l.at += len(l.buf)
	}
	return nil
}

// turn puts m rows of n numbers as columns at, at+1, ... of l.buf, whose rows have width numbers.
func (l *loader) turn(tile []float32, m, n, width, at int) {
	for j := range n {
		to := j*width + at
		for i := range m {
			switch v := tile[i*n+j]; l.t.Shape.DType {
			case hlo.F32:
				binary.LittleEndian.PutUint32(l.buf[4*(to+i):], math.Float32bits(v))
			case hlo.BF16:
				binary.LittleEndian.PutUint16(l.buf[2*(to+i):], half.ToBF16(v))
			default:
				l.buf[to+i] = hlo.ToF8(v)
			}
		}
	}
}

// rowScales are the scales of f8 weights: the greatest magnitude of each row over that of the
// format, so that the row's greatest number is represented exactly.
func rowScales(strips []strip, cols int) []float32 {
	var scales []float32
	xs := make([]float32, cols)
	for _, s := range strips {
		for i := range s.rows {
			s.read(xs, i, 0)
			var most float32
			for _, v := range xs {
				most = max(most, float32(math.Abs(float64(v))))
			}
			if most == 0 {
				most = hlo.MaxF8
			}
			scales = append(scales, most/hlo.MaxF8)
		}
	}
	return scales
}

// scaleDown divides a row by its scale; what rounding puts beyond the format's range is cut.
func scaleDown(xs, scales []float32, row int) {
	if scales == nil {
		return
	}
	for i, v := range xs {
		xs[i] = min(max(v/scales[row], -hlo.MaxF8), hlo.MaxF8)
	}
}

// loadRope computes the table in float64, some positions at a time.
func (t *Tensor) loadRope(write func(offset int, data []byte) error) error {
	positions, n := t.Shape.Dims[0], t.Shape.Dims[1]
	chunk := max(chunkBytes/(4*n), 1)
	xs, data := make([]float32, chunk*n), make([]byte, 4*chunk*n)
	freqs := make([]float64, n)
	for first := 0; first < positions; first += chunk {
		m := min(chunk, positions-first)
		for i := range m {
			for j, f := range t.Rope.Attr.FrequenciesAt(first+i, freqs) {
				sin, cos := math.Sincos(float64(first+i) * f)
				xs[i*n+j] = float32(cos) * t.Rope.Attr.Scale
				if t.Rope.Sine {
					xs[i*n+j] = float32(sin) * t.Rope.Attr.Scale
				}
			}
		}
		hlo.EncodeFloats(data, hlo.F32, xs[:m*n])
		if err := write(first*n*4, data[:m*n*4]); err != nil {
			return fmt.Errorf("cannot make %q: %w", t.Name, err)
		}
	}
	return nil
}
