package cpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"basalt/runtime"
)

// codesOf reads what the cache of layer 0 holds of a head: the codes of its key or value, and the
// scale, by the layout that kern.h gives.
func codesOf(x *executable, values bool, slot, group int) (codes []int8, scale float32) {
	e, size := x.e, x.opt.BlockSize
	start := e.keys
	if values {
		start = e.values
	}
	bytes := slice[byte](start, int(e.layer_bytes))
	bytes = bytes[slot/size*int(e.block_bytes)+group*int(e.head_bytes):][:e.head_bytes]
	at, dim, block := slot%size, int(e.padded_dim), int(e.padded_block)
	for d := range int(e.dim) {
		i := at/16*dim*16 + d/2*32 + at%16*2 + d%2
		if values {
			i = d/16*block*16 + at/2*32 + d%16*2 + at%2
		}
		codes = append(codes, int8(bytes[i]))
	}
	scales := bytes[block*dim:]
	return codes, math.Float32frombits(binary.LittleEndian.Uint32(scales[4*at:]))
}

// headKinds draw heads that are hard to keep in bytes.
var headKinds = map[string]func(rng *rand.Rand, x []float32){
	"normal": func(rng *rand.Rand, x []float32) { fillNormal(rng, x, 1) },
	"tiny":   func(rng *rand.Rand, x []float32) { fillNormal(rng, x, 1e-25) },
	"huge":   func(rng *rand.Rand, x []float32) { fillNormal(rng, x, 1e36) },
	"zero":   func(*rand.Rand, []float32) {},
	"negative zero": func(_ *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(math.Copysign(0, -1))
		}
	},
	"below the least scale": func(rng *rand.Rand, x []float32) { fillNormal(rng, x, 1e-38) },
	"one outlier": func(rng *rand.Rand, x []float32) {
		fillNormal(rng, x, 1e-3)
		x[rng.IntN(len(x))] = -1000
	},
	"the greatest": func(rng *rand.Rand, x []float32) {
		for i := range x {
			x[i] = math.MaxFloat32 * float32(1-2*rng.IntN(2))
		}
	},
	"halves of a step": func(rng *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(rng.IntN(254)-127) + 0.5
		}
		x[0] = 127
	},
}

func fillNormal(rng *rand.Rand, x []float32, deviation float64) {
	for i := range x {
		x[i] = float32(rng.NormFloat64() * deviation)
	}
}

// checkHead: the scale is the greatest magnitude / 127, and every number is within half a step. The
// division by the scale is a product with its inverse: two roundings of 24 bits at 127 steps, less
// than 1e-4 of a step. Heads without a number of 1e-30 are zero.
func checkHead(t *testing.T, name string, x []float32, codes []int8, scale float32) {
	t.Helper()
	var most float32
	for _, v := range x {
		most = max(most, v, -v)
	}
	want := most / 127
	if most < 1e-30 {
		want = 0
	}
	if scale != want {
		t.Errorf("%s: the scale is %g, not %g", name, scale, want)
	}
	for i, v := range x {
		exact, code := float64(v), float64(codes[i])
		switch {
		case codes[i] == -128:
			t.Errorf("%s: number %d has code -128, which is no magnitude's", name, i)
		case want == 0 && code != 0:
			t.Errorf("%s: number %d is %g with code %g", name, i, v, code)
		case want != 0 && math.Abs(exact/float64(scale)-code) > 0.5+1e-4:
			t.Errorf("%s: number %d is %g, more than half a step from %g x %g", name, i, v, code,
				scale)
		case want != 0 && (v == most || v == -most) && math.Abs(code) != 127:
			t.Errorf("%s: the greatest number has code %g", name, code)
		}
	}
}

// TestBytesAreWithinHalfAStep: every head of every position has a scale of its own, and each number
// is the nearest multiple of it, whatever its neighbours are.
func TestBytesAreWithinHalfAStep(t *testing.T) {
	h := runtime.Heads{Query: 3, KV: 3, Dim: 37}
	rng := rand.New(rand.NewPCG(12, 12))
	var names []string
	for name := range headKinds {
		names = append(names, name)
	}
	const rows = 120
	a := newAttending(t, h, 0, rows, func() float32 { return 0 })
	kinds := make([]string, rows*2*h.KV)
	for i := range kinds {
		kinds[i] = names[rng.IntN(len(names))]
		headKinds[kinds[i]](rng, a.part(i/(2*h.KV), h.Query+i%(2*h.KV)))
	}
	a.c.(tensors)["table"] = floats(a.table, a.prog.Vocab, h.Width())
	for isa, dev := range openAll(t) {
		for _, size := range []int{16, 17, 4} {
			o := byteOptions
			o.BlockSize = size
			e := compile(t, dev, a.prog, a.c, o).(*executable)
			x := newBatcher(o)
			x.next = 3 // blocks
			for _, n := range []int{50, 1, 1, rows - 52} {
				x.add(0, counting(x.lens[0], x.lens[0]+n), false)
				x.step(t, e)
			}
			for i, kind := range kinds {
				row, head := i/(2*h.KV), i%(2*h.KV)
				codes, scale := codesOf(e, head >= h.KV, 3*size+row, head%h.KV)
				checkHead(t, isa+", "+kind, a.part(row, h.Query+head), codes, scale)
			}
		}
	}
}

// TestNoNumbersInTheCache: a head with a NaN or an infinity is kept as no number at all. Every row
// that sees it is none; rows before it, other sequences, and whoever gets its block next keep their
// bits.
func TestNoNumbersInTheCache(t *testing.T) {
	const n = 300
	h := runtime.Heads{Query: 4, KV: 2, Dim: 64}
	clean := newAttending(t, h, 0, n, normal(5))
	f := func(name string, dev *Device, want []float32, poison float32, at int, values bool) {
		t.Helper()
		name = fmt.Sprintf("%s, %g at position %d", name, poison, at)
		a := newAttending(t, h, 0, n, normal(5))
		if values {
			a.value(at, 1)[63] = poison
		} else {
			a.key(at, 1)[0] = poison
		}
		a.c.(tensors)["table"] = floats(a.table, a.prog.Vocab, h.Width())
		e, x := compile(t, dev, a.prog, a.c, byteOptions), newBatcher(byteOptions)
		x.add(0, counting(0, n), true)
		x.add(1, counting(0, at), true)
		logits, _ := x.step(t, e)
		for i, v := range a.attended(logits) {
			row, w := i/(h.Query*h.Dim), want[i%len(want)]
			seen := row >= at && row < n
			if seen && !math.IsNaN(float64(v)) || !seen && v != w {
				t.Fatalf("%s: row %d has %g, without it %g", name, row, v, w)
			}
		}
		x.lens[0] = 0 // again, where the block of the bad position is the first
		table, rows := x.tables[0], 1+(at+blockSize-1)%blockSize
		table[0], table[at/blockSize] = table[at/blockSize], table[0]
		x.add(0, counting(0, rows), true)
		logits, _ = x.step(t, e)
		sameBits(t, name+": the block's next owner", a.attended(logits),
			want[:rows*h.Query*h.Dim])
	}
	for isa, dev := range openAll(t) {
		e := compile(t, dev, clean.prog, clean.c, byteOptions)
		want := clean.attended(whole(t, e, counting(0, n), byteOptions))
		for _, poison := range []float32{
			float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)),
		} {
			for _, at := range []int{256, 261} { // the first of a split and of a block, and another
				f(isa, dev, want, poison, at, false)
				f(isa, dev, want, poison, at, true)
			}
		}
	}
}

// TestThePoolTakesItsBytes: the device maps for its blocks what NumKVBlocks counts for them, so
// that a cache of bytes has its 1.88 or 1.94 times the blocks of BF16 in the same memory.
func TestThePoolTakesItsBytes(t *testing.T) {
	dev := open(t, Config{Threads: 1})
	f := func(dim int, want float64) {
		t.Helper()
		a := newAttending(t, runtime.Heads{Query: 2, KV: 2, Dim: dim}, 0, 4, normal(1))
		blocks := map[runtime.DType]int{}
		for _, kv := range []runtime.DType{runtime.F32, runtime.BF16, runtime.INT8} {
			o := byteOptions
			o.KVBytes, o.KVDType, o.MaxSeqs, o.MaxContext = 1<<22, kv, 64, 1<<10
			e := compile(t, dev, a.prog, a.c, o).(*executable)
			blocks[kv] = e.NumBlocks()
			mapped := 2 * int(e.e.layer_bytes) * a.prog.KV.Layers
			counted := blocks[kv] * o.BlockSize * a.prog.KV.BytesPerToken(kv)
			if mapped != counted || mapped > 1<<22 {
				t.Errorf("%d blocks of %s with heads of %d take %d bytes, not %d", blocks[kv], kv,
					dim, mapped, counted)
			}
		}
		if got := float64(blocks[runtime.INT8]) / float64(blocks[runtime.BF16]); got < want {
			t.Errorf("heads of %d: %.3f times the blocks of BF16, want %.2f", dim, got, want)
		}
	}
	f(64, 1.88)
	f(128, 1.93)
}
