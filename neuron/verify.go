package neuron

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"basalt/neuron/export"
	"basalt/neuron/lower"
	"basalt/neuron/simulate"
	"basalt/runtime"
)

// NewEvaluator compiles a program for the evaluator, with the graphs of an export: what a device of
// this export computes, without a device.
func NewEvaluator(m *export.Manifest, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) (runtime.Executable, error) {
	b, err := m.Match(p)
	if err != nil {
		return nil, err
	}
	machine, err := simulate.New(b, c)
	if err != nil {
		return nil, err
	}
	x, err := newExecutable(p, o, b, machine)
	if err != nil {
		return nil, errors.Join(err, machine.Close())
	}
	return x, nil
}

// Agreement compares the scores of one bucket's runs on two devices.
type Agreement struct {
	Bucket lower.Bucket
	Rows   int
	// Norm is the greatest norm of a row's difference relative to the row, Cosine the least cosine
	// between two rows, Most the greatest difference of two numbers.
	Norm, Cosine, Most float64
	Top1               int // rows whose best token is the same
	// Margin is the greatest lead of the reference's best token over the device's among the other
	// rows, as a part of the row's root mean square.
	Margin float64
}

// Verification runs the same batches on an export's device and on another one.
type Verification struct {
	Got, Want runtime.Executable
	Buckets   []lower.Bucket
	Options   runtime.CompileOptions
	Vocab     int
	Prompt    []int32 // tokens to feed, again and again; nil: random ones

	next int
	rng  *rand.Rand
}

// Run compares bucket by bucket. Both executables must have a cache for the longest bucket.
func (v *Verification) Run() ([]Agreement, error) {
	v.rng = rand.New(rand.NewPCG(1, 2))
	var list []Agreement
	for _, b := range v.Buckets {
		past, ok := v.past(b)
		if !ok {
			continue
		}
		a, err := v.bucket(b, past)
		if err != nil {
			return list, fmt.Errorf("bucket %s: %w", b, err)
		}
		list = append(list, a)
	}
	return list, nil
}

// past is how many positions come before a run that takes just this bucket: those of the next
// smaller context, and the whole blocks of the cache. False when the run would be too long.
func (v *Verification) past(b lower.Bucket) (int, bool) {
	least, news := 0, 1
	if b.Kind == lower.Prefill {
		news = b.Tokens
	}
	for _, other := range v.Buckets {
		if other.Kind == b.Kind && other.Context < b.Context {
			least = max(least, other.Context)
		}
	}
	past := max(least+1-news, 0)
	if b.Kind == lower.Decode {
		past = max(least, v.Options.BlockSize)
	}
	blocks := (past + news + v.Options.BlockSize - 1) / v.Options.BlockSize
	if b.Kind == lower.Decode {
		blocks += b.Tokens - 1
	}
	fits := blocks <= min(v.Got.NumBlocks(), v.Want.NumBlocks())
	return past, fits && past+news <= min(v.Options.MaxContext, b.Context)
}

// token gives the next token to feed.
func (v *Verification) token() int32 {
	if len(v.Prompt) == 0 {
		return v.rng.Int32N(int32(v.Vocab))
	}
	v.next++
	return v.Prompt[(v.next-1)%len(v.Prompt)]
}

// bucket fills the cache before the run, then compares the scores of the run.
func (v *Verification) bucket(b lower.Bucket, past int) (Agreement, error) {
	a := Agreement{Bucket: b, Cosine: 1}
	for at := 0; at < past; {
		n := min(past-at, v.Options.MaxTokens)
		if _, _, err := v.step(v.chunk(at, n, 0)); err != nil {
			return a, err
		}
		at += n
	}
	batch := v.chunk(past, b.Tokens, b.Rows)
	if b.Kind == lower.Decode {
		batch = v.decode(past, b.Tokens)
	}
	got, want, err := v.step(batch)
	if err != nil {
		return a, err
	}
	for i := 0; i < len(want); i += v.Vocab {
		a.row(got[i:i+v.Vocab], want[i:i+v.Vocab])
	}
	return a, nil
}

func (v *Verification) step(b *runtime.Batch) (got, want []float32, err error) {
	for i, x := range []runtime.Executable{v.Got, v.Want} {
		p, err := x.Step(b)
		if err != nil {
			return nil, nil, err
		}
		out, err := p.Wait()
		if err != nil {
			return nil, nil, err
		}
		if i == 0 {
			got = slices.Clone(out.Logits)
		} else {
			want = out.Logits
		}
	}
	return got, want, nil
}

// chunk is n tokens of one sequence behind past positions; its last rows are sampled, one at least.
func (v *Verification) chunk(past, n, rows int) *runtime.Batch {
	b := v.newBatch()
	table := v.table((past + n + v.Options.BlockSize - 1) / v.Options.BlockSize)
	v.sequence(b, table, past, n)
	for i := max(rows, 1); i > 0; i-- {
		v.sample(b, n-i)
	}
	return b
}

// decode is one token of each of n sequences. They share the blocks of their past, which ends with
// a block; each has a block of its own for its token.
func (v *Verification) decode(past, n int) *runtime.Batch {
	b := v.newBatch()
	shared := past / v.Options.BlockSize
	for i := range n {
		table := append(v.table(shared), int32(shared+i))
		v.sequence(b, table, past, 1)
		v.sample(b, i)
	}
	return b
}

func (v *Verification) newBatch() *runtime.Batch {
	b := &runtime.Batch{}
	b.Reset()
	b.WantLogits = true
	return b
}

func (v *Verification) table(blocks int) []int32 {
	table := make([]int32, blocks)
	for i := range table {
		table[i] = int32(i)
	}
	return table
}

func (v *Verification) sequence(b *runtime.Batch, table []int32, past, n int) {
	size := v.Options.BlockSize
	for pos := past; pos < past+n; pos++ {
		b.TokenIDs = append(b.TokenIDs, v.token())
		b.Positions = append(b.Positions, int32(pos))
		b.SlotMapping = append(b.SlotMapping, table[pos/size]*int32(size)+int32(pos%size))
	}
	b.QueryStart = append(b.QueryStart, int32(len(b.TokenIDs)))
	b.SeqLens = append(b.SeqLens, int32(past+n))
	b.BlockTables, b.MaxBlocks = append(b.BlockTables, table...), len(table)
}

func (v *Verification) sample(b *runtime.Batch, row int) {
	p := runtime.DefaultSampling()
	p.Temperature = 0
	b.SampleRows = append(b.SampleRows, int32(row))
	b.Sampling = append(b.Sampling, p.Row(int(b.Positions[row])+1))
}

// row adds one row of scores.
func (a *Agreement) row(got, want []float32) {
	var diff, dot, g2, w2 float64
	for i, w := range want {
		g, w := float64(got[i]), float64(w)
		d := math.Abs(g - w)
		diff, dot, g2, w2 = diff+d*d, dot+g*w, g2+g*g, w2+w*w
		if !(d <= a.Most) {
			a.Most = d
		}
	}
	a.Rows++
	norm, cosine := math.Sqrt(diff/max(w2, 1e-30)), dot/math.Sqrt(max(g2*w2, 1e-30))
	if !(norm <= a.Norm) {
		a.Norm = norm
	}
	if !(cosine >= a.Cosine) {
		a.Cosine = cosine
	}
	mine, its := best(got), best(want)
	if mine == its {
		a.Top1++
	} else {
		rms := math.Sqrt(w2 / float64(len(want)))
		a.Margin = max(a.Margin, float64(want[its]-want[mine])/max(rms, 1e-30))
	}
}

// best is the place of the greatest number, the first among equals.
func best(xs []float32) int {
	at := 0
	for i, x := range xs {
		if x > xs[at] {
			at = i
		}
	}
	return at
}

// Good says whether the scores agree within what the type of the matrix products allows: relative
// norms of 1e-4 in f32 and 2e-2 in bf16, and the same best token wherever it leads by more than 8
// such norms.
func (a *Agreement) Good(compute string) bool {
	bound := 1e-4
	if compute != "f32" {
		bound = 2e-2
	}
	return a.Norm <= bound && a.Margin <= 8*bound
}
