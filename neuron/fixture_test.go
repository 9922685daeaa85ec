package neuron

import (
	"math"
	"math/rand/v2"
	"testing"

	"basalt/internal/testmodel"
	"basalt/neuron/hlo"
	"basalt/neuron/lower"
	"basalt/neuron/simulate"
	"basalt/runtime"
)

const blockSize = 16

var testOptions = runtime.CompileOptions{
	KVBytes: 64 << 20, KVDType: runtime.F32, BlockSize: blockSize, MaxTokens: 64, MaxSeqs: 6,
	MaxContext: 96,
}

func lowerOptions() lower.Options {
	return lower.Options{
		Compute: hlo.F32, Weights: hlo.F32, KV: hlo.F32, Blocks: 36, BlockSize: blockSize,
		MaxContext: 96, TP: 1, Scope: lower.ModelScope, TopK: 40,
	}
}

func testBuckets() []lower.Bucket {
	return []lower.Bucket{
		{Kind: lower.Prefill, Tokens: 8, Rows: 2, Context: 32},
		{Kind: lower.Prefill, Tokens: 24, Rows: 24, Context: 96},
		{Kind: lower.Decode, Tokens: 2, Rows: 2, Context: 32},
		{Kind: lower.Decode, Tokens: 4, Rows: 4, Context: 96},
	}
}

func newModel(t testing.TB, family, size string, d runtime.DType) (*runtime.Program,
	runtime.Checkpoint,
) {
	t.Helper()
	p, c, err := testmodel.NewSize(family, size, 5, d)
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

// simulated compiles for the evaluator.
func simulated(t testing.TB, p *runtime.Program, c runtime.Checkpoint, o lower.Options,
	co runtime.CompileOptions,
) *executable {
	t.Helper()
	b, err := lower.Program(p, o, testBuckets())
	if err != nil {
		t.Fatal(err)
	}
	m, err := simulate.New(b, c)
	if err != nil {
		t.Fatal(err)
	}
	x, err := newExecutable(p, co, b, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

func reference(t testing.TB, p *runtime.Program, c runtime.Checkpoint, o runtime.CompileOptions,
) runtime.Executable {
	t.Helper()
	e, err := runtime.NewReference().Compile(t.Context(), p, c, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// batcher lays out sequences for tests: it hands out cache blocks in no order and remembers
// lengths.
type batcher struct {
	b      runtime.Batch
	o      runtime.CompileOptions
	blocks []int32
	tables map[int][]int32
	lens   map[int]int
	params runtime.SamplingParams
}

func newBatcher(o runtime.CompileOptions) *batcher {
	x := &batcher{o: o, tables: map[int][]int32{}, lens: map[int]int{}}
	x.blocks = shuffled(36)
	x.params = runtime.DefaultSampling()
	x.params.Temperature = 0
	x.b.Reset()
	return x
}

func shuffled(n int) []int32 {
	var list []int32
	for _, i := range rand.New(rand.NewPCG(9, 9)).Perm(n) {
		list = append(list, int32(i))
	}
	return list
}

// add gives sequence seq new tokens; all rows are sampled when every is set, else the last one.
func (x *batcher) add(seq int, ids []int32, every bool) {
	b, past, size := &x.b, x.lens[seq], x.o.BlockSize
	if x.tables[seq] == nil {
		n := (x.o.MaxContext + size - 1) / size
		x.tables[seq], x.blocks = x.blocks[:n:n], x.blocks[n:]
	}
	table := x.tables[seq]
	for i, id := range ids {
		pos := past + i
		b.TokenIDs = append(b.TokenIDs, id)
		b.Positions = append(b.Positions, int32(pos))
		b.SlotMapping = append(b.SlotMapping, table[pos/size]*int32(size)+int32(pos%size))
		if every || i == len(ids)-1 {
			b.SampleRows = append(b.SampleRows, int32(len(b.TokenIDs)-1))
			b.Sampling = append(b.Sampling, x.params.Row(pos+1))
		}
	}
	x.lens[seq] = past + len(ids)
	b.QueryStart = append(b.QueryStart, int32(len(b.TokenIDs)))
	b.SeqLens = append(b.SeqLens, int32(x.lens[seq]))
	b.MaxBlocks = len(table)
	b.BlockTables = append(b.BlockTables, table...)
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
	return out
}

func randomIDs(rng *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = rng.Int32N(int32(vocab))
	}
	return ids
}

// rows runs prefills in chunks, mixed steps and decode steps of several sequences, and gives the
// logits of every token.
func rows(t testing.TB, e runtime.Executable, vocab int, o runtime.CompileOptions) []float32 {
	t.Helper()
	x, rng := newBatcher(o), rand.New(rand.NewPCG(3, 3))
	var all []float32
	for _, lens := range [][]int{
		{37, 5}, {3, 21, 1}, {1, 1, 1, 2}, {1, 1, 1, 1, 9}, {1, 1, 1, 1, 1},
	} {
		x.b.WantLogits = true
		for seq, n := range lens {
			x.add(seq, randomIDs(rng, n, vocab), true)
		}
		all = append(all, x.step(t, e).Logits...)
	}
	return all
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

// checkRows compares row by row.
func checkRows(t testing.TB, name string, got, want []float32, vocab int, most float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", name, len(got), len(want))
	}
	worst := 0.0
	for i := 0; i < len(want); i += vocab {
		worst = max(worst, distance(got[i:i+vocab], want[i:i+vocab]))
	}
	if !(worst <= most) {
		t.Errorf("%s: off by %.2g, allowed are %.2g", name, worst, most)
	}
	t.Logf("%s: off by %.2g", name, worst)
}
