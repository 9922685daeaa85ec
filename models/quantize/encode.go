package quantize

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	goruntime "runtime"
	"sync"
	"sync/atomic"

	"basalt/internal/half"
	"basalt/runtime"
)

// Work is cut into chunks of about chunkValues, which is what a processor takes at a time; slabs of
// chunksPerSlab are kept in memory and then written.
const (
	chunkValues   = 1 << 16
	chunksPerSlab = 64
)

// loss sums what encoding has changed.
type loss struct{ squares, change float64 }

func (l *loss) add(o loss) { l.squares, l.change = l.squares+o.squares, l.change+o.change }

// relative is the root of the mean squared change over that of the values.
func (l *loss) relative() float64 {
	if l.squares == 0 {
		return 0
	}
	return math.Sqrt(l.change / l.squares)
}

// chunk is a run of rows of a tensor with the memory to encode it.
type chunk struct {
	values, back []float32
	loss         loss
	err          error
}

// write encodes a tensor and writes it in slabs. It gives what was lost, which is 0 where the
// format has stayed the same.
func (t *tensor) write(ctx context.Context, w io.Writer) (loss, error) {
	columns := t.columns()
	rows := int(t.Bytes()) / t.DType.RowBytes(columns)
	step := max(1, chunkValues/columns)
	slab := make([]byte, min(rows, step*chunksPerSlab)*t.DType.RowBytes(columns))
	var sum loss
	for first := 0; first < rows; first += step * chunksPerSlab {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		n := min(rows-first, step*chunksPerSlab)
		part := slab[:n*t.DType.RowBytes(columns)]
		l, err := t.encodeRows(part, first, n, step)
		if err != nil {
			return sum, err
		}
		sum.add(l)
		if _, err := w.Write(part); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// encodeRows fills dst with the rows [first, first+n), step at a time on all processors. The losses
// are summed in the order of the rows, so that the figures do not depend on the threads.
func (t *tensor) encodeRows(dst []byte, first, n, step int) (loss, error) {
	columns := t.columns()
	chunks := make([]chunk, (n+step-1)/step)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(goruntime.GOMAXPROCS(0), len(chunks)) {
		wg.Go(func() {
			values := make([]float32, step*columns)
			back := make([]float32, step*columns)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(chunks) {
					return
				}
				c, at := &chunks[i], i*step
				rows := min(step, n-at)
				c.values, c.back = values[:rows*columns], back[:rows*columns]
				t.encode(c, dst[at*t.DType.RowBytes(columns):], first+at, rows)
			}
		})
	}
	wg.Wait()
	var sum loss
	for i := range chunks {
		if chunks[i].err != nil {
			return sum, chunks[i].err
		}
		sum.add(chunks[i].loss)
	}
	return sum, nil
}

// encode does one chunk. Rows that keep their format are copied.
func (t *tensor) encode(c *chunk, dst []byte, first, rows int) {
	columns := t.columns()
	size := t.DType.RowBytes(columns)
	for r := range rows {
		part, at := t.row(first + r)
		if part.DType == t.DType {
			copy(dst[r*size:(r+1)*size], part.Data[at*size:])
			continue
		}
		values := c.values[r*columns : (r+1)*columns]
		part.Decode(values, at*columns)
		encodeValues(t.DType, dst[r*size:(r+1)*size], values, t.search)
	}
	if t.parts[0].DType != t.DType {
		t.DType.Decode(c.back, dst[:rows*size])
		c.measure(t.DType)
	}
}

// measure sums the loss and refuses what the format cannot hold.
func (c *chunk) measure(d runtime.DType) {
	for i, v := range c.values {
		diff := float64(c.back[i]) - float64(v)
		c.loss.squares += float64(v) * float64(v)
		c.loss.change += diff * diff
	}
	if x := c.loss.change + c.loss.squares; math.IsNaN(x) || math.IsInf(x, 0) {
		c.err = fmt.Errorf("it has a value that is no finite number, or too great for %s", d)
	}
}

// columns is the length of a row. The values of a vector that are reordered are rows themselves.
func (t *tensor) columns() int {
	if len(t.Shape) == 1 && t.pairs > 0 {
		return 1
	}
	return t.Shape[len(t.Shape)-1]
}

// row finds row i of the file's tensor: its part, and its index there.
func (t *tensor) row(i int) (*runtime.Tensor, int) {
	part, columns := &t.parts[0], t.columns()
	if len(t.parts) > 1 {
		rows := part.NumValues() / columns
		part, i = &t.parts[i/rows], i%rows
	}
	if t.pairs > 0 {
		i = i/t.pairs*t.pairs + neighbour(i%t.pairs, t.pairs)
	}
	return part, i
}

// neighbour is the place, in a head whose halves rotate together, of what lies at place i of a head
// whose neighbours do: GGUF's llama has pair p at 2p and 2p+1, Hugging Face at p and p+dim/2.
func neighbour(i, dim int) int { return i%2*(dim/2) + i/2 }

func encodeValues(d runtime.DType, dst []byte, src []float32, search bool) {
	if f, ok := d.Quant(); ok {
		if search {
			f.EncodeBest(dst, src)
		} else {
			f.Encode(dst, src)
		}
		return
	}
	for i, v := range src {
		switch d {
		case runtime.F32:
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		case runtime.F16:
			binary.LittleEndian.PutUint16(dst[2*i:], half.ToF16(v))
		case runtime.BF16:
			binary.LittleEndian.PutUint16(dst[2*i:], half.ToBF16(v))
		default:
			panic(fmt.Sprintf("BUG: cannot encode %s", d))
		}
	}
}
