//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
	"unsafe"

	"basalt/cuda/driver"
	"basalt/internal/half"
	"basalt/runtime"
)

// The kernels of one architecture must give the very bits of the portable ones, as decode runs on
// these and prefill on those, on the GPU at hand. What differs is not used.

var (
	errBits  = errors.New("bits differ from the portable kernels', so prefill and decode would")
	errWrong = errors.New("results are wrong")
)

// checkTimeout bounds one check.
const checkTimeout = 10 * time.Second

// checker runs launches on random input.
type checker struct {
	d      *Device
	rng    *rand.Rand
	stream *driver.Stream
	pinned *driver.Pinned
	held   []driver.Ptr
}

// checkArch decides which kernels of the architecture are used. An error has ended the context, or
// the GPU has no memory left.
func (d *Device) checkArch() error {
	if d.arch.name == "" {
		return nil
	}
	c := &checker{d: d, rng: rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))}
	defer c.close()
	var err error
	if c.stream, err = d.gpu.NewStream(); err != nil {
		return err
	}
	if c.pinned, err = d.gpu.AllocPinned(4 << 20); err != nil {
		return err
	}
	for _, check := range []struct {
		what string
		use  *bool
		run  func() error
	}{
		{"products", &d.arch.linear, c.linear},
		{"attention", &d.arch.attention, c.attention},
		{"NVFP4", &d.arch.fp4, c.fp4},
	} {
		err := check.run()
		switch {
		case err == nil:
			*check.use = true
		case errors.Is(err, errAbsent):
		case errors.Is(err, errBits), errors.Is(err, errWrong):
			d.disable(check.what, err)
		default:
			return fmt.Errorf("%s of %s: %w", check.what, d.arch.name, err)
		}
	}
	return nil
}

// errAbsent says that the architecture has no such kernels, or that they are not loaded.
var errAbsent = errors.New("no such kernels")

func (c *checker) close() {
	for _, p := range c.held {
		_ = c.d.gpu.Free(p)
	}
	c.pinned.Free()
	if c.stream != nil {
		_ = c.stream.Close()
	}
}

// upload puts a list on the device.
func (c *checker) upload(data []byte) (driver.Ptr, error) {
	p, err := c.alloc(len(data))
	if err != nil {
		return 0, err
	}
	copy(c.pinned.Bytes, data)
	if err := c.stream.Upload(p, c.pinned, 0, len(data)); err != nil {
		return 0, err
	}
	return p, c.stream.Wait()
}

func (c *checker) alloc(n int) (driver.Ptr, error) {
	p, err := c.d.gpu.Alloc(int64(n))
	if err == nil {
		c.held = append(c.held, p)
	}
	return p, err
}

// run launches a kernel with a grid and waits for it.
func (c *checker) run(name string, grid [3]uint32, args ...any) error {
	k := c.d.kernels[name]
	if k == nil {
		return fmt.Errorf("%w: %s", errAbsent, name)
	}
	l := driver.Launch{
		Fn: k.fn, Grid: grid, Threads: uint32(k.threads), Shared: uint32(k.shared),
		NumArgs: uint32(len(args)),
	}
	copy(l.Args[:], k.cells(args))
	if err := c.stream.Launch([]driver.Launch{l}); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	done, err := c.d.gpu.NewEvent()
	if err != nil {
		return err
	}
	defer func() { _ = done.Close() }()
	if err := done.Record(c.stream); err != nil {
		return err
	}
	for start := time.Now(); ; time.Sleep(20 * time.Microsecond) {
		ended, err := done.Done()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if ended {
			return nil
		}
		if time.Since(start) > checkTimeout {
			return fmt.Errorf("%s: %w", name, &driver.Error{Op: "a check", Code: driver.Timeout})
		}
	}
}

// floats reads n numbers.
func (c *checker) floats(at driver.Ptr, n int) ([]float32, error) {
	if err := c.stream.Download(c.pinned, 0, at, 4*n); err != nil {
		return nil, err
	}
	if err := c.stream.Wait(); err != nil {
		return nil, err
	}
	return append([]float32(nil), view[float32](c.pinned, 0, n)...), nil
}

// compare reads both results: nil when every bit agrees.
func (c *checker) compare(got, want driver.Ptr, n int, bits bool) error {
	a, err := c.floats(got, n)
	if err != nil {
		return err
	}
	b, err := c.floats(want, n)
	if err != nil {
		return err
	}
	same, diff, sum := true, 0.0, 0.0
	for i := range b {
		same = same && math.Float32bits(a[i]) == math.Float32bits(b[i])
		d := float64(a[i]) - float64(b[i])
		diff, sum = diff+d*d, sum+float64(b[i])*float64(b[i])
	}
	switch off := math.Sqrt(diff / (sum + 1e-30)); {
	case !(off < 1e-3):
		return fmt.Errorf("%w: off by %.2g", errWrong, off)
	case bits && !same:
		return fmt.Errorf("%w (off by %.2g)", errBits, off)
	}
	return nil
}

// random gives n numbers in (-1, 1), as floats or in 16 bits.
func (c *checker) random(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 2*c.rng.Float32() - 1
	}
	return v
}

func (c *checker) random16(n int, to func(float32) uint16) []uint16 {
	v := make([]uint16, n)
	for i := range v {
		v[i] = to(2*c.rng.Float32() - 1)
	}
	return v
}

func (c *checker) randomBytes(n int) []byte {
	v := make([]byte, n)
	for i := range v {
		v[i] = byte(c.rng.Uint32())
	}
	return v
}

// linear compares products of every kind of weight, with runs of K that are long, short and empty.
func (c *checker) linear() error {
	const m, n, k = 66, 144, 9*64 - 8
	for _, kind := range []string{"bf16", "f16", "q8", "q4", "f8", "f8b", "mx4", "nv4"} {
		if err := c.product(kind, m, n, k); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) product(kind string, m, n, k int) error {
	shift := 5
	if kind == "f8b" {
		shift = 7
	}
	data, _ := layoutOf(kind, shift, n, k)
	weights := c.randomBytes(int(data))
	switch kind {
	case "bf16":
		weights = bytesOf(c.random16(int(data)/2, half.ToBF16))
	case "f16":
		weights = bytesOf(c.random16(int(data)/2, half.ToF16))
	}
	x, err1 := c.upload(bytesOf(c.random(m * k)))
	w, err2 := c.upload(weights)
	s, err3 := c.upload(c.randomScales(kind, shift, n, k))
	bias, err4 := c.upload(bytesOf(c.random(n)))
	tiled, err5 := c.alloc((m + 127) / 128 * 128 * ((k + 63) / 64 * 64) * 2)
	want, err6 := c.alloc(4 * m * n)
	got, err7 := c.alloc(4 * m * n)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		return err
	}
	none := driver.Ptr(0)
	grid := [3]uint32{blocks(n, 128), blocks(m, tileRows), 1}
	tiles := [3]uint32{blocks(k, 64), grid[1], 1}
	return errors.Join(
		c.run("bs_tile_rows", tiles, tiled, x, x, m, k, kind == "f16"),
		c.run("bs_linear_"+kind+"_"+c.d.arch.name, grid, got, tiled, w, s, bias, x, m, n, k, n,
			shift),
		c.run("bs_linear_"+kind+"_64", [3]uint32{blocks(n, 32), blocks(m, 64), 1}, want, x, w, s,
			bias, x, none, none, m, n, k, n, 0, 0, shift),
		c.compare(got, want, m*n, true))
}

// randomScales are scales as a kind of product reads them.
func (c *checker) randomScales(kind string, shift, n, k int) []byte {
	_, size := layoutOf(kind, shift, n, k)
	switch kind {
	case "f8", "f8b":
		return bytesOf(c.random(int(size) / 4))
	case "mx4", "nv4":
		s := c.randomBytes(int(size))
		for i := range s {
			s[i] = 120 - s[i]%16 // powers of two; or, in E4M3, 72 to 288
		}
		if kind == "nv4" {
			copy(s, bytesOf(c.random((n+15)/16*16)))
		}
		return s
	}
	return bytesOf(c.random16(int(size)/2+8, half.ToF16))
}

// attention compares a chunk that begins in one split and ends in the next, with and without a
// window, for both sizes of heads.
func (c *checker) attention() error {
	for _, dim := range []int{64, 128} {
		for _, window := range []int{0, 100} {
			if err := c.attend(dim, window); err != nil {
				return err
			}
		}
	}
	return nil
}

// tilesOf packs the head of a batch of one sequence whose chunk of n tokens begins at a position.
func (c *checker) tilesOf(first, n, size, blockSize int) (at driver.Ptr, count int, err error) {
	var tiles []tile
	for i := 0; i < n; i += size {
		tiles = append(tiles, tile{int32(i), int32(min(size, n-i)), 0, int32(first + i)})
	}
	table := make([]int32, (first+n+blockSize-1)/blockSize)
	for i, at := range c.rng.Perm(len(table)) {
		table[i] = int32(at)
	}
	buf := make([]byte, 1<<14+16*len(tiles)+4*len(table))
	h := head{tokens: int32(n), tiles: int32(len(tiles)), maxBlocks: int32(len(table))}
	p := packer{buf, int(unsafe.Sizeof(h)+15) &^ 15}
	h.tables, h.queryTiles = p.put(bytesOf(table)), p.put(bytesOf(tiles))
	*(*head)(unsafe.Pointer(&buf[0])) = h
	at, err = c.upload(buf)
	return at, len(tiles), err
}

func (c *checker) attend(dim, window int) error {
	const heads, kv, first, n, block = 8, 2, 250, 40, 16
	per := perToken(runtime.Heads{Query: heads, KV: kv, Dim: dim}, runtime.BF16)
	cache := (first + n + block - 1) / block * block * kv * dim
	seed := c.rng.Uint64()
	list := func(size int) (driver.Ptr, int, error) {
		c.rng = rand.New(rand.NewPCG(7, seed)) // both lists have one table of blocks
		return c.tilesOf(first, n, size, block)
	}
	narrow, numNarrow, err1 := list(16 / per)
	wide, numWide, err2 := list(wideRows / per)
	q, err3 := c.upload(bytesOf(c.random(n * heads * dim)))
	keys, err4 := c.upload(bytesOf(c.random16(cache, half.ToBF16)))
	values, err5 := c.upload(bytesOf(c.random16(cache, half.ToBF16)))
	want, err6 := c.alloc(4 * n * heads * dim)
	got, err7 := c.alloc(4 * n * heads * dim)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		return err
	}
	units, scale := uint32(heads/per), float32(1/math.Sqrt(float64(dim)))
	name := fmt.Sprintf("bs_attention_%d_%s", dim, c.d.arch.name)
	return errors.Join(
		c.run(name, [3]uint32{uint32(numWide), units, 1}, got, q, keys, values, wide, heads, kv,
			per, block, window, scale),
		c.run("bs_attention_bf16", [3]uint32{uint32(numNarrow), units, 1}, want, driver.Ptr(0), q,
			keys, values, narrow, heads, kv, dim, per, block, window, scale),
		c.compare(got, want, n*heads*dim, true))
}

// fp4 compares block-scaled products with the same numbers widened to BF16.
func (c *checker) fp4() error {
	const m, n, k = 70, 80, 9 * 64
	weights, scales := c.randomBytes(n*k/2), c.randomBytes(n*k/16)
	for i := range scales {
		scales[i] = 40 + scales[i]%32
	}
	x, err1 := c.upload(bytesOf(c.random(m * k)))
	w, err2 := c.upload(weights)
	ws, err3 := c.upload(scales)
	one, err4 := c.upload(bytesOf([]float32{0.5}))
	xq, err5 := c.alloc((m + 7) / 8 * 8 * k / 2)
	xs, err6 := c.alloc((m + 7) / 8 * 8 * k / 16)
	rows, err7 := c.alloc(4 * (m + 7))
	want, err8 := c.alloc(4 * m * n)
	got, err9 := c.alloc(4 * m * n)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9); err != nil {
		return err
	}
	grid := [3]uint32{blocks(n, 32), blocks(m, 64), 1}
	return errors.Join(
		c.run("bs_quantize_nvfp4", [3]uint32{(m + 7) / 8 * 8, 1, 1}, xq, xs, rows, x, m, k),
		c.run("bs_linear_nvfp4_"+c.d.arch.name, grid, got, xq, xs, rows, w, ws, one, m, n, k, n),
		c.run("bs_linear_nvfp4", grid, want, xq, xs, rows, w, ws, one, m, n, k, n),
		c.compare(got, want, m*n, false))
}
