package cpu

import (
	"fmt"
	"math/rand/v2"
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

// publishedModel compiles the 1B shape as a file of the data type has it: those of 4 bits keep the
// output matrix in Q6_K.
func publishedModel(b *testing.B, dtype runtime.DType, o runtime.CompileOptions) (
	*models.Model, *executable,
) {
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
		m.Checkpoint = tiedHead{m.Checkpoint, load(runtime.Q6_K).Checkpoint,
			last.Weights[0].Parts[0]}
	}
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
