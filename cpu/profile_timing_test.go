package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"basalt/models"
	"basalt/runtime"
)

// tiedHead is a checkpoint whose output matrix has a data type of its own, as llama-quantize writes
// tied embeddings.
type tiedHead struct {
	runtime.Checkpoint
	head runtime.Checkpoint
	name string
}

func (c tiedHead) Tensor(name string) (runtime.Tensor, bool) {
	if name == c.name {
		return c.head.Tensor(name)
	}
	return c.Checkpoint.Tensor(name)
}

// publishedShape is the 1B shape as a file of the data type has it: those of 4 bits keep the output
// matrix in Q6_K.
func publishedShape(b *testing.B, dtype runtime.DType) *models.Model {
	b.Helper()
	load := func(d runtime.DType) *models.Model {
		m, err := models.Load("llama-3.2-1b", models.LoadOptions{
			Dummy: &models.DummySpec{DType: d},
		})
		if err != nil {
			b.Fatal(err)
		}
		return m
	}
	m := load(dtype)
	if dtype == runtime.Q4_0 || dtype == runtime.Q4_K {
		last := m.Program.Ops[len(m.Program.Ops)-1]
		m.Checkpoint = tiedHead{
			m.Checkpoint, load(runtime.Q6_K).Checkpoint,
			last.Weights[0].Parts[0],
		}
	}
	return m
}

func publishedModel(b *testing.B, dtype runtime.DType, o runtime.CompileOptions) (
	*models.Model, *executable,
) {
	b.Helper()
	m := publishedShape(b, dtype)
	e := compile(b, open(b, Config{}), m.Program, m.Checkpoint, o)
	return m, e.(*executable)
}

// BenchmarkOps tells where a step's time goes: milliseconds of processor time of each operation, of
// all threads together, and multiplications a nanosecond of each product. "elsewhere" is what the
// threads had besides: waiting for each other, for the processor, and for the next step.
func BenchmarkOps(b *testing.B) {
	for _, dtype := range []runtime.DType{runtime.Q4_0, runtime.Q4_K, runtime.Q8_0, runtime.BF16} {
		m, e := publishedModel(b, dtype, benchOptions)
		for _, seqs := range []int{1, 4, 8, 16, 32} {
			b.Run(fmt.Sprintf("decode/1b-%s/%d", dtype, seqs), func(b *testing.B) {
				x := newBatcher(benchOptions)
				for s := range seqs {
					x.lens[s] = 128
					x.add(s, []int32{int32(s)}, false)
				}
				profileSteps(b, e, &x.b)
			})
		}
		b.Run("prefill/1b-"+dtype.String(), func(b *testing.B) {
			x := newBatcher(benchOptions)
			x.add(0, randomIDs(rand.New(rand.NewPCG(1, 1)), 512, m.Program.Vocab), false)
			profileSteps(b, e, &x.b)
		})
	}
}

// profileSteps prints one line for each operation that takes half a percent, at most eight: the
// testing package prints ten of a benchmark.
func profileSteps(b *testing.B, e *executable, batch *runtime.Batch) {
	stepOnce(b, e, batch) // touches the cache's pages
	e.startProfile()
	steps, start := 0.0, time.Now()
	for b.Loop() {
		stepOnce(b, e, batch)
		steps++
	}
	all := time.Since(start).Seconds() * float64(e.dev.info.Threads)
	line := func(name string, seconds float64) string {
		return fmt.Sprintf("\n%-20s %8.2f ms %5.1f %%", name, seconds/steps*1e3, 100*seconds/all)
	}
	elsewhere, table := all, ""
	for i, t := range e.profile() {
		elsewhere -= t.seconds
		if i >= 8 || t.seconds < all/200 {
			continue
		}
		table += line(t.name, t.seconds)
		if t.macs > 0 {
			rows := float64(batch.NumTokens())
			if t.macs == float64(e.prog.Vocab*e.prog.Values[0].Width) {
				rows = float64(len(batch.SampleRows))
			}
			table += fmt.Sprintf(" %6.1f MAC/ns", t.macs*rows*steps/t.seconds/1e9)
		}
	}
	rate := float64(batch.NumTokens()) * steps / time.Since(start).Seconds()
	b.Logf("%.1f tok/s%s%s", rate, table, line("elsewhere", elsewhere))
}

// longOptions leave room for 32k tokens and a chunk of prefill behind 8k.
var longOptions = runtime.CompileOptions{
	KVBytes: 2 << 30, KVDType: runtime.BF16, BlockSize: 16, MaxTokens: 512, MaxSeqs: 1,
	MaxContext: 32<<10 + 16,
}

// fillCache writes small numbers to all of the cache: pages that nobody wrote are read from one.
func fillCache(e *executable) {
	n := int(e.e.layer_bytes) * e.prog.KV.Layers
	for _, b := range [][]byte{slice[byte](e.e.keys, n), slice[byte](e.e.values, n)} {
		for i := range b {
			b[i] = 0x3c
		}
	}
}

// BenchmarkLongContext measures attention alone in steps of the 1B shape behind a long context: of
// one token, by the bytes of keys and values, and of a chunk of 512, by its multiplications and
// additions; as if all threads always worked on it. "near" is a token whose blocks are all the same
// one, which stays in the processor's caches: what memory has no part in.
func BenchmarkLongContext(b *testing.B) {
	for _, kv := range []runtime.DType{runtime.BF16, runtime.INT8} {
		b.Run(kv.String(), func(b *testing.B) { measureLongContext(b, kv) })
	}
}

func measureLongContext(b *testing.B, dtype runtime.DType) {
	o := longOptions
	o.KVDType = dtype
	m, e := publishedModel(b, runtime.Q4_0, o)
	fillCache(e)
	measure := func(name string, context, tokens int, near bool) {
		b.Run(fmt.Sprintf("%s/%dk", name, context>>10), func(b *testing.B) {
			x := newBatcher(longOptions)
			x.lens[0] = context - tokens
			x.add(0, randomIDs(rand.New(rand.NewPCG(1, 1)), tokens, m.Program.Vocab), false)
			if near {
				table, last := x.b.BlockTables, (context-1)/o.BlockSize
				copy(table, slices.Repeat(table[last:last+1], last))
			}
			stepOnce(b, e, &x.b)
			e.startProfile()
			steps := 0.0
			for b.Loop() {
				stepOnce(b, e, &x.b)
				steps++
			}
			seconds := attentionSeconds(e) / float64(e.dev.info.Threads)
			kv := m.Program.KV
			bytes := float64(kv.BytesPerToken(dtype) * context)
			heads := float64(m.Config.Heads.Query * kv.Dim * kv.Layers)
			pairs := float64(tokens) * (float64(context) - float64(tokens-1)/2)
			b.ReportMetric(seconds/steps*1e3, "ms-attention")
			b.ReportMetric(bytes*steps/seconds/1e9, "GB/s")
			b.ReportMetric(4*heads*pairs*steps/seconds/1e9, "GFLOP/s")
		})
	}
	measure("decode", 8<<10, 1, false)
	measure("decode-near", 8<<10, 1, true)
	measure("decode", 32<<10, 1, false)
	measure("prefill", 8<<10, 512, false)
}

// BenchmarkCacheInBytes decodes one sequence of the 1B shape in Q4_0 behind a long context, with
// the cache in BF16 and in bytes in turn. It gives the rate of each by its median, the median of
// the ratios of neighbouring steps, and the milliseconds of attention in a step.
func BenchmarkCacheInBytes(b *testing.B) {
	for _, context := range []int{8 << 10, 32 << 10} {
		b.Run(fmt.Sprintf("%dk", context>>10), func(b *testing.B) { decodeInTurn(b, context) })
	}
}

func decodeInTurn(b *testing.B, context int) {
	names := []runtime.DType{runtime.BF16, runtime.INT8}
	m, dev := publishedShape(b, runtime.Q4_0), open(b, Config{})
	var execs [2]*executable
	var batches [2]*runtime.Batch
	for i, kv := range names {
		o := longOptions
		o.KVBytes, o.KVDType, o.MaxContext = 5<<28, kv, context+16
		execs[i] = compile(b, dev, m.Program, m.Checkpoint, o).(*executable)
		fillCache(execs[i])
		x := newBatcher(o)
		x.lens[0] = context - 1
		x.add(0, []int32{1}, false)
		batches[i] = &x.b
		stepOnce(b, execs[i], &x.b)
		execs[i].startProfile()
	}
	var ratios []float64
	var times [2][]float64
	for b.Loop() {
		for i := range execs {
			start := time.Now()
			stepOnce(b, execs[i], batches[i])
			times[i] = append(times[i], time.Since(start).Seconds())
		}
		n := len(ratios)
		ratios = append(ratios, times[0][n]/times[1][n])
	}
	for i, name := range names {
		busy := attentionSeconds(execs[i]) / float64(dev.info.Threads) / float64(len(ratios))
		slices.Sort(times[i])
		b.ReportMetric(1/times[i][len(ratios)/2], "tok/s-"+name.String())
		b.ReportMetric(busy*1e3, "ms-attention-"+name.String())
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "times")
}

func attentionSeconds(e *executable) float64 {
	for _, t := range e.profile() {
		if t.name == "attention" {
			return t.seconds
		}
	}
	return 0
}

// BenchmarkDeterminism prices what keeps a row's bits the same for every number of threads: a long
// context is cut into splits of 256 positions that are merged in order, instead of one split a
// thread. Both run in turn; the figure is the median of the ratios of neighbouring steps.
func BenchmarkDeterminism(b *testing.B) {
	const context = 8 << 10
	dev := open(b, Config{})
	o := longOptions
	o.KVBytes, o.MaxContext = 1<<30, context+16
	m := publishedShape(b, runtime.Q4_0)
	steps := make([]func(), 2)
	for i, split := range []int{splitPositions, context / dev.info.Threads} {
		dev.split = split
		e := compile(b, dev, m.Program, m.Checkpoint, o).(*executable)
		fillCache(e)
		x := newBatcher(o)
		x.lens[0] = context - 1
		x.add(0, []int32{1}, false)
		steps[i] = func() { stepOnce(b, e, &x.b) }
		steps[i]()
	}
	var ratios []float64
	for b.Loop() {
		start := time.Now()
		steps[0]()
		middle := time.Now()
		steps[1]()
		ratios = append(ratios, float64(middle.Sub(start))/float64(time.Since(middle)))
	}
	slices.Sort(ratios)
	b.ReportMetric(100*(ratios[len(ratios)/2]-1), "%-slower")
}
