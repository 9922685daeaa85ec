//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"basalt/cuda/fake"
	"basalt/internal/testmodel"
	"basalt/runtime"
)

// Environment: the path of the fake driver, or that the tests run on a GPU; that they do so under a
// tool that makes them slow; that measurements are gone through on the fake, at a tiny shape.
const (
	fakePath    = "BASALT_TEST_FAKE_CUDA"
	realGPU     = "BASALT_TEST_GPU"
	smallShapes = "BASALT_TEST_SMALL"
	simulation  = "BASALT_TEST_SIMULATION"
)

// simulated says that a measurement is only gone through.
func simulated() bool { return os.Getenv(realGPU) == "" && os.Getenv(simulation) != "" }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		return runBundle(os.Args[1])
	}
	if os.Getenv(fakePath) != "" || os.Getenv(realGPU) != "" { // a test's own child
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "basalt-fake-cuda")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	lib, err := fake.Build("..", dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = os.Setenv(fakePath, lib)
	return m.Run()
}

// needFake skips a test that makes the driver fail, on a GPU.
func needFake(t testing.TB) {
	t.Helper()
	if os.Getenv(realGPU) != "" {
		t.Skip("it needs the fake driver")
	}
}

// openGPU opens the device on the machine's GPU.
func openGPU(t testing.TB, s fake.State, c Config) *Device {
	t.Helper()
	s.Capability = fake.Healthy().Capability
	if s != fake.Healthy() {
		needFake(t)
	}
	d, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d.(*Device)
}

// openFake opens the device on the fake driver, in a state; at the end no rule may have been
// broken and nothing may still be held. On a GPU it opens that, and there are no controls.
func openFake(t testing.TB, s fake.State, c Config) (*Device, *fake.Driver) {
	t.Helper()
	if os.Getenv(realGPU) != "" {
		return openGPU(t, s, c), nil
	}
	f, err := fake.Open(os.Getenv(fakePath))
	if err != nil {
		t.Fatal(err)
	}
	f.Set(s)
	before := f.Live()
	c.Library = os.Getenv(fakePath)
	d, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if wrong := f.State().Wrong; wrong != "" {
			t.Errorf("a rule of the driver was broken: %s", wrong)
		}
		if n := f.Live() - before; n != 0 && d.(*Device).lost == nil {
			t.Errorf("%d allocations are still held", n)
		}
	})
	return d.(*Device), f
}

var testOptions = runtime.CompileOptions{
	KVBytes: 32 << 20, KVDType: runtime.F32, BlockSize: 16, MaxTokens: 96, MaxSeqs: 8,
	MaxContext: 640,
}

func newModel(t testing.TB, family, size string, dtype runtime.DType) (*runtime.Program,
	runtime.Checkpoint,
) {
	t.Helper()
	p, c, err := testmodel.NewSize(family, size, 5, dtype)
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

func compileFor(t testing.TB, d runtime.Device, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) runtime.Executable {
	t.Helper()
	e, err := d.Compile(t.Context(), p, c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// batcher lays out sequences: it hands out cache blocks and remembers lengths.
type batcher struct {
	b      runtime.Batch
	o      runtime.CompileOptions
	next   int32
	tables map[int][]int32
	lens   map[int]int
}

func newBatcher(o runtime.CompileOptions) *batcher {
	x := &batcher{o: o, tables: map[int][]int32{}, lens: map[int]int{}}
	x.b.Reset()
	x.b.WantLogits = true
	return x
}

// add gives a sequence new tokens; all rows are sampled when every is set, else the last one.
func (x *batcher) add(seq int, ids []int32, every bool, p runtime.SamplingParams) {
	b, past, size := &x.b, x.lens[seq], x.o.BlockSize
	if x.tables[seq] == nil {
		for range (x.o.MaxContext + size - 1) / size {
			x.tables[seq] = append(x.tables[seq], x.next)
			x.next++
		}
	}
	table := x.tables[seq]
	for i, id := range ids {
		pos := past + i
		b.TokenIDs, b.Positions = append(b.TokenIDs, id), append(b.Positions, int32(pos))
		b.SlotMapping = append(b.SlotMapping, table[pos/size]*int32(size)+int32(pos%size))
		if every || i == len(ids)-1 {
			b.SampleRows = append(b.SampleRows, int32(len(b.TokenIDs)-1))
			b.Sampling = append(b.Sampling, p.Row(pos+1))
		}
	}
	x.lens[seq] = past + len(ids)
	b.QueryStart = append(b.QueryStart, int32(len(b.TokenIDs)))
	b.SeqLens = append(b.SeqLens, int32(x.lens[seq]))
	b.MaxBlocks = len(table)
	b.BlockTables = append(b.BlockTables, table...)
}

func greedy() runtime.SamplingParams {
	p := runtime.DefaultSampling()
	p.Temperature = 0
	return p
}

// step runs what was added.
func (x *batcher) step(t testing.TB, e runtime.Executable) *runtime.Output {
	t.Helper()
	p, err := e.Step(&x.b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	x.b.Reset()
	x.b.WantLogits = true
	return &runtime.Output{
		IDs: slices.Clone(out.IDs), Logits: slices.Clone(out.Logits),
		Logprobs: slices.Clone(out.Logprobs), TopIDs: slices.Clone(out.TopIDs),
		TopLogprobs: slices.Clone(out.TopLogprobs), TopStart: slices.Clone(out.TopStart),
	}
}

func randomIDs(rng *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = rng.Int32N(int32(vocab))
	}
	return ids
}

// distance is the norm of a - b relative to that of b.
func distance(a, b []float32) float64 {
	var diff, sum float64
	for i := range b {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		sum += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(diff / (sum + 1e-30))
}
