package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"basalt/internal/testmodel"
	"basalt/runtime"
)

const blockSize = 16

// isas are the instruction sets that this processor runs.
func isas(t testing.TB) []string {
	var names []string
	for _, name := range []string{"portable", "avx2", "avx512", "avx512-bf16", "neon"} {
		if d, err := New(Config{Threads: 1, ISA: name}); err == nil {
			names = append(names, name)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return names
}

func open(t testing.TB, c Config) *Device {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// openAll opens a device with two threads for each instruction set that this processor runs.
func openAll(t testing.TB) map[string]*Device {
	devices := map[string]*Device{}
	for _, isa := range isas(t) {
		devices[isa] = open(t, Config{Threads: 2, ISA: isa})
	}
	return devices
}

var testOptions = runtime.CompileOptions{
	KVBytes: 64 << 20, KVDType: runtime.F32, BlockSize: blockSize, MaxTokens: 512, MaxSeqs: 64,
	MaxContext: 512,
}

func compile(t testing.TB, d runtime.Device, p *runtime.Program, c runtime.Checkpoint,
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

func newModel(t testing.TB, family string, dtype runtime.DType) (*runtime.Program,
	runtime.Checkpoint,
) {
	t.Helper()
	p, c, err := testmodel.New(family, 5, dtype)
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

// batcher lays out sequences for tests: it hands out cache blocks and remembers lengths.
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
	return x
}

// add gives sequence seq new tokens; all rows are sampled when every is set, else the last one.
func (x *batcher) add(seq int, ids []int32, every bool) {
	b, past, size := &x.b, x.lens[seq], x.o.BlockSize
	if x.tables[seq] == nil {
		n := (x.o.MaxContext + size - 1) / size
		for range n {
			x.tables[seq] = append(x.tables[seq], x.next)
			x.next++
		}
	}
	table := x.tables[seq]
	for i, id := range ids {
		pos := past + i
		b.TokenIDs = append(b.TokenIDs, id)
		b.Positions = append(b.Positions, int32(pos))
		b.SlotMapping = append(b.SlotMapping, table[pos/size]*int32(size)+int32(pos%size))
		if every || i == len(ids)-1 {
			b.SampleRows = append(b.SampleRows, int32(len(b.TokenIDs)-1))
			p := runtime.DefaultSampling()
			p.Temperature = 0
			b.Sampling = append(b.Sampling, p.Row(pos+1))
		}
	}
	x.lens[seq] = past + len(ids)
	b.QueryStart = append(b.QueryStart, int32(len(b.TokenIDs)))
	b.SeqLens = append(b.SeqLens, int32(x.lens[seq]))
	b.MaxBlocks = len(table)
	b.BlockTables = append(b.BlockTables, table...)
}

// step runs what was added and gives the logits of every sampled row.
func (x *batcher) step(t testing.TB, e runtime.Executable) ([]float32, *runtime.Output) {
	t.Helper()
	x.b.WantLogits = true
	p, err := e.Step(&x.b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	x.b.Reset()
	return slices.Clone(out.Logits), out
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
