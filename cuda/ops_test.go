//go:build cuda

package cuda

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"basalt/cuda/driver"
	"basalt/cuda/fake"
	"basalt/internal/half"
	"basalt/runtime"
)

// newChecker gives launches on random input, and their release.
func newChecker(t testing.TB, d *Device) *checker {
	t.Helper()
	if err := d.gpu.Enter(); err != nil {
		t.Fatal(err)
	}
	c := &checker{d: d, rng: rand.New(rand.NewPCG(rand.Uint64(), 1))}
	t.Cleanup(func() {
		c.close()
		d.gpu.Leave()
	})
	var err1, err2 error
	c.stream, err1 = d.gpu.NewStream()
	c.pinned, err2 = d.gpu.AllocPinned(64 << 20)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return c
}

// packed lays out a BF16 matrix [n, k] in the fragment order of kernels/linear/linear.h.
func packed(w []uint16, n, k int) []uint16 {
	groups := (k + 63) / 64
	out := make([]uint16, (n+15)/16*16*groups*64)
	for row := range n {
		for col := range k {
			lane := row%8*4 + col%8/2
			reg := row%16/8 + col%16/8*2
			at := ((row/16*groups*4+col/16)*32+lane)*8 + reg*2 + col%2
			out[at] = w[row*k+col]
		}
	}
	return out
}

// TestProductsAgainstFloat64 compares each output row of BF16 products with float64 sums of the
// same numbers, for odd and even numbers of rows; a row has the bits it has alone.
func TestProductsAgainstFloat64(t *testing.T) {
	d, _ := openFake(t, fake.Healthy(), Config{})
	c := newChecker(t, d)
	n, k, counts := 40, 200, []int{1, 7, 17, 65}
	if os.Getenv(realGPU) != "" {
		n, k, counts = 1024, 4096, []int{1, 2, 7, 16, 17, 64, 65, 513, 2048}
	}
	m := slices.Max(counts)
	w, x := c.random16(n*k, half.ToBF16), c.random(m*k)
	for i := range x {
		x[i] = half.FromBF16(half.ToBF16(x[i]))
	}
	wp, err1 := c.upload(bytesOf(packed(w, n, k)))
	xp, err2 := c.upload(bytesOf(x))
	y, err3 := c.alloc(4 * m * n)
	tiled, err4 := c.alloc((m + 127) / 128 * 128 * ((k + 63) / 64 * 64) * 2)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	weights := make([]float64, n*k)
	for i := range w {
		weights[i] = float64(half.FromBF16(w[i]))
	}
	var alone []float32
	for _, rows := range counts {
		got, err := c.bf16(y, xp, wp, tiled, rows, n, k)
		if err != nil {
			t.Fatal(err)
		}
		if alone == nil {
			alone = got
		}
		if !slices.Equal(got[:n], alone) {
			t.Errorf("%d rows: the first has other bits than alone", rows)
		}
		for r := range min(rows, 600) {
			if off := offBy(got[r*n:(r+1)*n], x[r*k:(r+1)*k], weights); !(off < 1e-4) {
				t.Errorf("%d rows, row %d: off by %.2g", rows, r, off)
				break
			}
		}
	}
}

// offBy is the distance of a row from float64 sums, relative to their norm.
func offBy(got, x []float32, w []float64) float64 {
	var diff, norm float64
	for o := range got {
		var sum float64
		for i, v := range x {
			sum += float64(v) * w[o*len(x)+i]
		}
		diff += (float64(got[o]) - sum) * (float64(got[o]) - sum)
		norm += sum * sum
	}
	return math.Sqrt(diff / norm)
}

// bf16 runs the kernel that serves so many rows.
func (c *checker) bf16(y, x, w, tiled driver.Ptr, m, n, k int) ([]float32, error) {
	none, err := driver.Ptr(0), error(nil)
	portable := func(name string, outs, rows int) error {
		return c.run(name, [3]uint32{blocks(n, outs), blocks(m, rows), 1}, y, x, w, none, none, x,
			none, none, m, n, k, n, 0, 0, 0)
	}
	switch {
	case m > 64:
		tiles := [3]uint32{blocks(k, 64), blocks(m, tileRows), 1}
		err = errors.Join(c.run("bs_tile_rows", tiles, tiled, x, x, m, k, false),
			c.run(c.d.tileKernel("bf16"), [3]uint32{blocks(n, 128), tiles[1], 1}, y, tiled,
				w, none, none, x, m, n, k, n, 0))
	case m > 16:
		err = portable("bs_linear_bf16_64", 32, 64)
	case m > 8:
		err = portable("bs_linear_bf16_16", 16, 16)
	default:
		err = portable("bs_linear_bf16_8", 16, 8)
	}
	if err != nil {
		return nil, err
	}
	return c.floats(y, m*n)
}

// TestThousandTokensInAnyBatch: greedy tokens of a sequence alone and among 63 others are equal;
// on the fake, some tokens among seven.
func TestThousandTokensInAnyBatch(t *testing.T) {
	tokens, o := 6, testOptions
	if os.Getenv(realGPU) != "" {
		tokens, o.MaxSeqs, o.KVBytes, o.MaxContext = 1000, 64, 1<<30, 1100
	}
	o.KVDType = runtime.BF16
	d, _ := openFake(t, fake.Healthy(), Config{})
	p, ckpt := newModel(t, "qwen3", "many", runtime.BF16)
	e := compileFor(t, d, p, ckpt, o)
	generate := func(seqs int) []int32 {
		x := newBatcher(o)
		x.b.WantLogits = false
		last := make([]int32, seqs)
		for s := range last {
			last[s] = int32(s)
		}
		var ids []int32
		for range tokens {
			for s := range last {
				x.add(s, last[s:s+1], false, greedy())
			}
			copy(last, x.step(t, e).IDs)
			ids = append(ids, last[0])
		}
		return ids
	}
	if !slices.Equal(generate(1), generate(o.MaxSeqs)) {
		t.Error("the tokens differ")
	}
}
