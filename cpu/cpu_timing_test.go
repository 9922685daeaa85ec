package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"basalt/internal/testmodel"
	"basalt/models"
	"basalt/runtime"
)

// BenchmarkCeilings measures what the other figures are to be read against.
func BenchmarkCeilings(b *testing.B) {
	for b.Loop() {
		c, err := MeasureCeilings(0)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(c.ReadGBs, "GB/s")
		b.ReportMetric(c.FMAGFLOPs, "GFLOP/s")
		b.ReportMetric(c.Int8GOPs, "GOP/s-int8")
		b.ReportMetric(c.BF16GFLOPs, "GFLOP/s-bf16")
	}
}

// BenchmarkTile measures each micro-kernel on weights that lie in the cache: one product with a
// matrix of 256 columns and 2048 rows.
func BenchmarkTile(b *testing.B) {
	dev := open(b, Config{Threads: 1})
	for _, dtype := range allDTypes {
		for _, rows := range []int{1, 2, 4, 6, 16} {
			b.Run(fmt.Sprintf("%s/%d", dtype, rows), func(b *testing.B) {
				p := product(b, 256, 2048)
				e := compile(b, dev, p, mixed{
					testmodel.Weights(p, 1, runtime.F32), testmodel.Weights(p, 2, dtype),
				}, testOptions)
				x := newBatcher(testOptions)
				x.add(0, randomIDs(rand.New(rand.NewPCG(1, 1)), rows, 256), true)
				runs := 0
				for b.Loop() {
					stepOnce(b, e, &x.b)
					runs++
				}
				ops := 2 * 256 * 2048 * float64(rows*runs)
				b.ReportMetric(ops/b.Elapsed().Seconds()/1e9, "GOP/s")
			})
		}
	}
}

// benchModel compiles a published shape with random weights.
func benchModel(b *testing.B, shape string, dtype runtime.DType, o runtime.CompileOptions) (
	*models.Model, runtime.Executable,
) {
	b.Helper()
	m, err := models.Load(shape, models.LoadOptions{Dummy: &models.DummySpec{DType: dtype}})
	if err != nil {
		b.Fatal(err)
	}
	return m, compile(b, open(b, Config{}), m.Program, m.Checkpoint, o)
}

var benchOptions = runtime.CompileOptions{
	KVBytes: 2 << 30, KVDType: runtime.BF16, BlockSize: 16, MaxTokens: 512, MaxSeqs: 32,
	MaxContext: 1024,
}

// BenchmarkDecode steps sequences with 128 tokens of context each.
func BenchmarkDecode(b *testing.B) {
	for _, dtype := range []runtime.DType{runtime.Q4_0, runtime.Q4_K, runtime.Q8_0, runtime.BF16} {
		m, e := benchModel(b, "llama-3.2-1b", dtype, benchOptions)
		stats := runtime.ProgramStats(m.Program, m.Checkpoint)
		for _, seqs := range []int{1, 4, 8, 16, 32} {
			b.Run(fmt.Sprintf("1b-%s/%d", dtype, seqs), func(b *testing.B) {
				x := newBatcher(benchOptions)
				for s := range seqs {
					x.lens[s] = 128
					x.add(s, []int32{int32(s)}, false)
				}
				steps := 0
				for b.Loop() {
					stepOnce(b, e, &x.b)
					steps++
				}
				rate := float64(steps) / b.Elapsed().Seconds()
				b.ReportMetric(rate*float64(seqs), "tok/s")
				b.ReportMetric(rate*float64(stats.BytesPerStep)/1e9, "GB/s")
				b.ReportMetric(rate*float64(stats.FLOPs)*float64(seqs)/1e9, "GOP/s")
			})
		}
	}
}

// BenchmarkPrefill runs 512 tokens of one sequence and samples the last.
func BenchmarkPrefill(b *testing.B) {
	for _, dtype := range []runtime.DType{runtime.Q4_0, runtime.Q4_K, runtime.Q8_0, runtime.BF16} {
		m, e := benchModel(b, "llama-3.2-1b", dtype, benchOptions)
		stats := runtime.ProgramStats(m.Program, m.Checkpoint)
		b.Run("1b-"+dtype.String(), func(b *testing.B) {
			x := newBatcher(benchOptions)
			x.add(0, randomIDs(rand.New(rand.NewPCG(1, 1)), 512, m.Program.Vocab), false)
			steps := 0
			for b.Loop() {
				stepOnce(b, e, &x.b)
				steps++
			}
			rate := 512 * float64(steps) / b.Elapsed().Seconds()
			head := 2 * float64(m.Config.Vocab*m.Config.Hidden)
			b.ReportMetric(rate, "tok/s")
			b.ReportMetric(rate*(float64(stats.FLOPs)-head)/1e9, "GOP/s")
		})
	}
}

func stepOnce(b *testing.B, e runtime.Executable, batch *runtime.Batch) {
	p, err := e.Step(batch)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		b.Fatal(err)
	}
}
