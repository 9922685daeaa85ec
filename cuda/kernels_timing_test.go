//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"basalt/cuda/driver"
	"basalt/cuda/fake"
	"basalt/internal/half"
	"basalt/runtime"
)

// timed opens a GPU for a measurement. Nothing is measured on the fake: there, a measurement that
// can be gone through at a tiny shape is, where that is asked for.
func timed(t *testing.T, tiny bool, cfg Config) *checker {
	t.Helper()
	needMeasurable(t, tiny)
	d, _ := openFake(t, fake.Healthy(), cfg)
	t.Logf("%s, %s", d.gpu.Name, d.Info().Features)
	return newChecker(t, d)
}

func needMeasurable(t *testing.T, tiny bool) {
	t.Helper()
	switch {
	case os.Getenv(realGPU) != "":
	case simulated() && tiny:
		t.Log("simulated: these are no measurements")
	default:
		t.Skip("a measurement needs a GPU: make gpu-bundle, then gpu-test bench there")
	}
}

// best gives the shortest time of a launch out of five runs of many.
func (c *checker) best(l driver.Launch) (time.Duration, error) {
	reps := 50
	if simulated() {
		reps = 1
	}
	list := make([]driver.Launch, reps)
	for i := range list {
		list[i] = l
	}
	least := time.Hour
	for range 5 {
		start := time.Now()
		if err := errors.Join(c.stream.Launch(list), c.stream.Wait()); err != nil {
			return 0, err
		}
		least = min(least, time.Since(start)/time.Duration(reps))
	}
	return least, nil
}

func (c *checker) launch(name string, grid [3]uint32, args ...any) driver.Launch {
	k := c.d.kernel(name)
	l := driver.Launch{
		Fn: k.fn, Grid: grid, Threads: uint32(k.threads), Shared: uint32(k.shared),
		NumArgs: uint32(len(args)),
	}
	copy(l.Args[:], k.cells(args))
	return l
}

// TestTimeOfProducts prints GB/s of decode's products, beside that of reading memory (a product
// of 32 Ki outputs and one row), and TFLOP/s of prefill's, for an 8B model's widest matrix.
func TestTimeOfProducts(t *testing.T) {
	c := timed(t, false, Config{})
	const n, k, most = 14336, 4096, 4096
	x, err1 := c.upload(bytesOf(c.random(most * k / 4)))
	more, err2 := c.alloc(4 * most * k)
	y, err3 := c.alloc(4 * most * n)
	tiled, err4 := c.alloc(2 * most * k)
	w, err5 := c.alloc(2 * n * k)
	s, err6 := c.upload(bytesOf(c.random16(n*k/16, half.ToF16)))
	if err := errors.Join(err1, err2, err3, err4, err5, err6, c.d.gpu.Zero(w, 2*n*k),
		c.d.gpu.Zero(more, 4*most*k)); err != nil {
		t.Fatal(err)
	}
	none := driver.Ptr(0)
	report := func(what string, amount float64, unit string, l driver.Launch) {
		took, err := c.best(l)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s, %.0f %s", what, took, amount/took.Seconds(), unit)
	}
	for _, kind := range []string{"bf16", "f16", "q8", "q4", "f8", "f8b", "mx4", "nv4"} {
		shift := 5
		if kind == "f8b" {
			shift = 7
		}
		data, scales := layoutOf(kind, shift, n, k)
		for _, m := range []int{1, 8, 16} {
			cols := 8 * ((m + 7) / 8)
			report(fmt.Sprintf("%s, %d rows", kind, m), float64(data+scales)/1e9, "GB/s",
				c.launch(fmt.Sprintf("bs_linear_%s_%d", kind, cols),
					[3]uint32{blocks(n, 16), 1, 1}, y, x, w, s, none, x, none, none, m, n, k, n,
					0, 0, shift))
		}
		const flops = 2.0 * most * n * k / 1e12
		report(kind+", 4096 rows, 64 at a time", flops, "TFLOP/s", c.launch("bs_linear_"+kind+"_64",
			[3]uint32{blocks(n, 32), most / 64, 1}, y, more, w, s, none, x, none, none, most, n,
			k, n, 0, 0, shift))
		for _, name := range slices.Compact([]string{
			"bs_linear_" + kind + "_128", c.d.tileKernel(kind),
		}) {
			report(kind+", 4096 rows, "+name, flops, "TFLOP/s", c.launch(name,
				[3]uint32{blocks(n, 128), most / 128, 1}, y, tiled, w, s, none, x, most, n, k, n,
				shift))
		}
	}
}

// TestTimeOfAttention prints a prefill of 4,096 tokens by each kernel.
func TestTimeOfAttention(t *testing.T) {
	c := timed(t, false, Config{})
	const heads, kv, dim, n, block = 32, 8, 128, 4096, 16
	per := perToken(runtime.Heads{Query: heads, KV: kv, Dim: dim}, runtime.BF16)
	q, err1 := c.alloc(4 * n * heads * dim)
	keys, err2 := c.alloc(2 * n * kv * dim)
	values, err3 := c.alloc(2 * n * kv * dim)
	out, err4 := c.alloc(4 * n * heads * dim)
	narrow, numNarrow, err5 := c.tilesOf(0, n, 16/per, block)
	wide, numWide, err6 := c.tilesOf(0, n, wideRows/per, block)
	if err := errors.Join(err1, err2, err3, err4, err5, err6,
		c.d.gpu.Zero(q, 4*n*heads*dim), c.d.gpu.Zero(keys, 2*n*kv*dim),
		c.d.gpu.Zero(values, 2*n*kv*dim)); err != nil {
		t.Fatal(err)
	}
	flops, units := 2.0*heads*dim*n*n, uint32(heads/per)
	report := func(name string, l driver.Launch) {
		took, err := c.best(l)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s, %.0f TFLOP/s", name, took, flops/took.Seconds()/1e12)
	}
	report("bs_attention_bf16", c.launch("bs_attention_bf16",
		[3]uint32{uint32(numNarrow), units, 1}, out, driver.Ptr(0), q, keys, values, narrow, heads,
		kv, dim, per, block, 0, float32(0.1)))
	for _, name := range slices.Compact([]string{
		fmt.Sprintf("bs_attention_%d_tile", dim), c.d.prefillKernel(dim),
	}) {
		report(name, c.launch(name, [3]uint32{uint32(numWide), units, 1}, out, q, keys, values,
			wide, heads, kv, per, block, 0, float32(0.1)))
	}
}

// TestTimeOfLaunches prints what a kernel costs beside its work: in a list and in a graph.
func TestTimeOfLaunches(t *testing.T) {
	c := timed(t, false, Config{})
	x, err := c.upload(bytesOf(c.random(64)))
	if err != nil {
		t.Fatal(err)
	}
	l := c.launch("bs_widen", [3]uint32{1, 1, 1}, x, x, 0, 64)
	took, err := c.best(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a launch: %s", took)
	list := make([]driver.Launch, 320)
	for i := range list {
		list[i] = l
	}
	g, err := c.stream.Capture(list)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	least := time.Hour
	for range 20 {
		start := time.Now()
		if err := errors.Join(c.stream.Replay(g), c.stream.Wait()); err != nil {
			t.Fatal(err)
		}
		least = min(least, time.Since(start))
	}
	t.Logf("a graph of %d kernels: %s", len(list), least)
}
