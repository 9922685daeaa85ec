package models

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"

	"basalt/internal/half"
	"basalt/runtime"
)

// DummySpec asks for random weights, which are the same for the same seed, whatever the threads.
type DummySpec struct {
	Seed  uint64
	DType runtime.DType // of the matrices; 0 is BF16
	// OnDevice gives matrices as runtime.Pieces, for a device that makes them itself.
	OnDevice bool
}

func loadDummy(name string, d DummySpec) (*Model, error) {
	c, ok := shapes()[name]
	if !ok {
		return nil, fmt.Errorf("no shape is called %q; known are %s", name,
			strings.Join(slices.Sorted(maps.Keys(shapes())), ", "))
	}
	m := &Model{Config: c}
	p, err := Program(name, c)
	if err != nil {
		return nil, err
	}
	m.Checkpoint = newDummyCheckpoint(p, d)
	return m, m.finish(name)
}

// Sizes of the work of making a checkpoint, in values: of the pool of random numbers, of the pieces
// that are copied from anywhere in it, and of what one goroutine makes at a time. All are multiples
// of every block size.
const (
	poolValues  = 1 << 21
	pieceValues = 1 << 12
	sliceValues = 1 << 24
	dummySpread = 0.02 // standard deviation of matrices, as of freshly initialised models
)

// newDummyCheckpoint makes matrices of N(0, 0.02), norms of one and biases of zero. Matrices are
// put together from pieces of one pool, which is as fast as memory can be written.
func newDummyCheckpoint(p *runtime.Program, d DummySpec) tensorSet {
	if d.DType == 0 {
		d.DType = runtime.BF16
	}
	c, pools := tensorSet{}, map[runtime.DType][]byte{}
	var work []func()
	for _, w := range p.Weights {
		for _, part := range w.Parts {
			t := runtime.Tensor{DType: d.DType, Shape: w.PartShape()}
			if len(t.Shape) == 1 {
				c[part] = constant(part, t.Shape)
				continue
			}
			if t.Shape[1]%t.DType.BlockSize() != 0 || t.DType == runtime.F8_E4M3 && atEnds(part) {
				t.DType = runtime.BF16
			}
			if t.DType == runtime.F8_E4M3 {
				t.Scales = f8Scale(t.Shape)
			}
			if pools[t.DType] == nil {
				pools[t.DType] = newPool(t.DType, d.Seed)
			}
			t.Pieces = piecesOf(t.DType, pools[t.DType], d.Seed^hashName(part))
			if !d.OnDevice {
				t.Data = make([]byte, t.DataBytes())
				work = append(work, fill(t.Data, t.Pieces)...)
				t.Pieces = nil
			}
			c[part] = t
		}
	}
	parallel(work)
	return c
}

// atEnds says that a matrix is the first or the last, which published FP8 checkpoints keep in BF16.
func atEnds(part string) bool {
	return strings.HasPrefix(part, "lm_head.") || strings.Contains(part, "embed_tokens.")
}

// f8Spread puts N(0, 1) where FP8 has its normal numbers.
const f8Spread = 16

// f8Scale is one scale for a matrix.
func f8Scale(shape []int) *runtime.Scales {
	return &runtime.Scales{
		DType: runtime.F32, Rows: shape[0], Cols: shape[1], Factor: 1,
		Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(dummySpread/f8Spread)),
	}
}

// constant is a norm of ones or a bias of zeros.
func constant(name string, shape []int) runtime.Tensor {
	t := runtime.Tensor{DType: runtime.F32, Shape: shape, Data: make([]byte, 4*shape[0])}
	if strings.HasSuffix(name, ".bias") {
		return t
	}
	for i := range shape[0] {
		binary.LittleEndian.PutUint32(t.Data[4*i:], math.Float32bits(1))
	}
	return t
}

func newPool(d runtime.DType, seed uint64) []byte {
	rng, pool := rand.New(rand.NewPCG(seed, 0)), make([]byte, d.RowBytes(poolValues))
	if f, ok := d.Quant(); ok {
		f.Random(pool, dummySpread, rng)
		return pool
	}
	size := d.BlockBytes()
	for at := 0; at < len(pool); at += size {
		x := float32(rng.NormFloat64() * dummySpread)
		switch d {
		case runtime.F32:
			binary.LittleEndian.PutUint32(pool[at:], math.Float32bits(x))
		case runtime.F16:
			binary.LittleEndian.PutUint16(pool[at:], half.ToF16(x))
		case runtime.BF16:
			binary.LittleEndian.PutUint16(pool[at:], half.ToBF16(x))
		case runtime.F8_E4M3:
			pool[at] = half.ToE4M3(x / dummySpread * f8Spread)
		default:
			panic(fmt.Sprintf("BUG: no random %s", d))
		}
	}
	return pool
}

// piecesOf says which bytes a tensor has. Pieces begin at multiples of 512 values: whole blocks of
// every format, and whole words.
func piecesOf(d runtime.DType, pool []byte, key uint64) *runtime.Pieces {
	return &runtime.Pieces{
		Pool: pool, Key: key, Piece: d.RowBytes(pieceValues), Place: d.RowBytes(512),
	}
}

// fill gives the work of making a tensor in slices.
func fill(data []byte, p *runtime.Pieces) []func() {
	var work []func()
	step := sliceValues / pieceValues * p.Piece
	for at := 0; at < len(data); at += step {
		work = append(work, func() { p.Fill(data[at:min(at+step, len(data))], at) })
	}
	return work
}

func hashName(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}

// parallel runs work on all processors.
func parallel(work []func()) {
	var wg sync.WaitGroup
	next := make(chan func())
	for range goruntime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range next {
				f()
			}
		})
	}
	for _, f := range work {
		next <- f
	}
	close(next)
	wg.Wait()
}
