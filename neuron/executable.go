package neuron

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	goruntime "runtime"

	"basalt/neuron/lower"
	"basalt/runtime"
)

// executable implements runtime.Executable and runtime.Pending. One goroutine of its own runs
// steps, so that the owner may prepare the next one meanwhile.
type executable struct {
	prog    *runtime.Program
	opt     runtime.CompileOptions
	bundle  *lower.Bundle
	m       machine
	split   *splitter
	stages  []*staging // by routine
	sampler *sampler
	limits  runtime.Limits
	usage   *usage

	batch  runtime.Batch // of the step in flight: the owner's may change
	prev   []int32       // ids of the step before
	out    runtime.Output
	row    []float32 // scores of one row
	values []float32 // selection of one row
	ids    []uint32

	busy, closed bool
	work         chan struct{}
	done         chan error
}

var errBusy = errors.New("BUG: no step is in flight")

// newExecutable takes over the machine.
func newExecutable(p *runtime.Program, o runtime.CompileOptions, b *lower.Bundle, m machine,
) (*executable, error) {
	split, err := newSplitter(b.Routines)
	if err != nil {
		return nil, err
	}
	x := &executable{
		prog: p, opt: o, bundle: b, m: m, split: split, sampler: newSampler(p.Vocab, o.MaxSeqs),
		work: make(chan struct{}), done: make(chan error, 1), row: make([]float32, p.Vocab),
		usage: &usage{},
		limits: runtime.Limits{
			NumBlocks: b.Options.Blocks, BlockSize: o.BlockSize, Vocab: p.Vocab,
			MaxTokens: o.MaxTokens, MaxSeqs: o.MaxSeqs, MaxSlots: o.MaxSeqs,
		},
	}
	k := min(b.Options.TopK, p.Vocab)
	x.values, x.ids = make([]float32, k), make([]uint32, k)
	for i := range b.Routines {
		x.stages = append(x.stages, newStaging(b, i, m))
	}
	go x.loop()
	return x, nil
}

// NumBlocks implements runtime.Executable.
func (x *executable) NumBlocks() int { return x.bundle.Options.Blocks }

// StepShape says what a step of the batcher should be: runs of prompts and of answers follow each
// other on the cores, each prompt is a run, and its chunks are padded up to buckets.
func (x *executable) StepShape() runtime.StepShape {
	s := runtime.StepShape{NoMixedBatch: true, MaxPrefills: 1}
	for i := range x.split.buckets {
		if b := &x.split.buckets[i]; b.Kind == lower.Prefill {
			s.PrefillBuckets = append(s.PrefillBuckets, b.Tokens)
		}
	}
	slices.Sort(s.PrefillBuckets)
	s.PrefillBuckets = slices.Compact(s.PrefillBuckets)
	return s
}

// loop runs steps until the executable is closed. A panic fails the step.
func (x *executable) loop() {
	goruntime.LockOSThread()
	for range x.work {
		x.done <- x.guarded()
	}
}

func (x *executable) guarded() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("BUG: %v", cause)
		}
	}()
	return x.step()
}

// Close implements runtime.Executable. A step in flight is waited for.
func (x *executable) Close() error {
	if x.closed {
		return nil
	}
	if x.busy {
		_, _ = x.Wait()
	}
	x.closed = true
	close(x.work)
	return x.m.Close()
}

// Step implements runtime.Executable.
func (x *executable) Step(b *runtime.Batch) (runtime.Pending, error) {
	if x.busy {
		return nil, runtime.ErrStepInFlight
	}
	x.limits.PrevRows = len(x.prev)
	if err := b.Check(x.limits); err != nil {
		return nil, fmt.Errorf("BUG: inconsistent batch: %w", err)
	}
	for i, n := range b.SeqLens {
		if int(n) > x.opt.MaxContext {
			return nil, fmt.Errorf("BUG: sequence %d has %d tokens; the context has %d", i, n,
				x.opt.MaxContext)
		}
	}
	x.copyBatch(b)
	x.busy = true
	x.work <- struct{}{}
	return x, nil
}

// copyBatch keeps what the step reads; ids of the step before are looked up now.
func (x *executable) copyBatch(b *runtime.Batch) {
	c := &x.batch
	c.Reset()
	c.TokenIDs = append(c.TokenIDs, b.TokenIDs...)
	for i, id := range c.TokenIDs {
		if id < 0 {
			c.TokenIDs[i] = x.prev[-1-id]
		}
	}
	c.Positions = append(c.Positions, b.Positions...)
	c.SlotMapping = append(c.SlotMapping, b.SlotMapping...)
	c.QueryStart = append(c.QueryStart[:0], b.QueryStart...)
	c.SeqLens = append(c.SeqLens, b.SeqLens...)
	c.BlockTables, c.MaxBlocks = append(c.BlockTables, b.BlockTables...), b.MaxBlocks
	c.SampleRows = append(c.SampleRows, b.SampleRows...)
	c.Sampling = append(c.Sampling, b.Sampling...)
	c.Bias = append(c.Bias, b.Bias...)
	c.ResetCounts = append(c.ResetCounts, b.ResetCounts...)
	c.CountSlots = append(c.CountSlots, b.CountSlots...)
	c.CountIDs = append(c.CountIDs, b.CountIDs...)
	c.WantLogits = b.WantLogits
}

// Wait implements runtime.Pending.
func (x *executable) Wait() (*runtime.Output, error) {
	if !x.busy {
		return nil, errBusy
	}
	err := <-x.done
	x.busy = false
	if err != nil {
		x.prev = x.prev[:0]
		return nil, err
	}
	x.prev = append(x.prev[:0], x.out.IDs...)
	return &x.out, nil
}

func (x *executable) step() error {
	b := &x.batch
	x.prepareOutput(b)
	x.sampler.prepare(b)
	runs := x.split.split(b)
	x.usage.step(runs)
	for i := range runs {
		if err := x.run(&runs[i]); err != nil {
			return err
		}
	}
	return nil
}

// prepareOutput gives every sample row its place.
func (x *executable) prepareOutput(b *runtime.Batch) {
	n, o := len(b.SampleRows), &x.out
	o.IDs, o.Logprobs = resize(o.IDs, n), resize(o.Logprobs, n)
	o.TopStart = append(o.TopStart[:0], 0)
	top := int32(0)
	for i := range b.Sampling {
		top += max(0, min(b.Sampling[i].Logprobs, int32(x.prog.Vocab)))
		o.TopStart = append(o.TopStart, top)
	}
	o.TopIDs, o.TopLogprobs = resize(o.TopIDs, int(top)), resize(o.TopLogprobs, int(top))
	o.Logits = o.Logits[:0]
	if b.WantLogits {
		o.Logits = resize(o.Logits, n*x.prog.Vocab)
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// run executes one run: it reads all scores if one of its rows needs them, else the selection, and
// nothing if no row is sampled.
func (x *executable) run(r *run) error {
	s := x.stages[r.routine]
	s.fill(&x.batch, r, x.opt.BlockSize)
	read := x.reads(r)
	start := time.Now()
	err := x.m.Run(r.routine, read)
	x.usage.ran(s.bucket, r.tokens(), time.Since(start), err)
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", s.bucket, err)
	}
	for i, sample := range r.samples {
		row := i // a prefill graph gathers its sampled rows
		if s.bucket.Kind == lower.Decode {
			row = int(r.rows[i])
		}
		x.sample(s, int(sample), row, read == lower.ReadAll)
	}
	return nil
}

func (x *executable) reads(r *run) lower.Read {
	if len(r.samples) == 0 {
		return lower.ReadNone
	}
	for _, i := range r.samples {
		if x.batch.WantLogits || needsAll(&x.batch.Sampling[i], len(x.values)) {
			return lower.ReadAll
		}
	}
	return lower.ReadBest
}

// sample chooses the token of one row and fills in its log-probabilities.
func (x *executable) sample(s *staging, sample, row int, all bool) {
	p, o, v := &x.batch.Sampling[sample], &x.out, x.prog.Vocab
	var norm float64
	var own float32 // the score of the sampled token
	if all {
		floats(x.row, s.results[0][4*v*row:])
		if x.batch.WantLogits {
			copy(o.Logits[sample*v:(sample+1)*v], x.row)
		}
		o.IDs[sample] = x.sampler.fromAll(&x.batch, p, x.row)
		if p.Logprobs < 0 {
			o.Logprobs[sample] = 0
			return
		}
		norm, own = logSum(x.row), x.row[o.IDs[sample]]
		x.sampler.best(x.row, int(p.Logprobs))
	} else {
		k := len(x.values)
		x.readBest(s, row)
		x.sampler.sorted(x.values, x.ids)
		o.IDs[sample] = x.sampler.fromBest(p)
		norm = float64(readFloat(s.results[3], row))
		own = x.values[indexOf(x.ids, o.IDs[sample])]
		x.sampler.sorted(x.values[:k], x.ids) // drawing has reordered it
	}
	o.Logprobs[sample] = 0
	if p.Logprobs >= 0 {
		o.Logprobs[sample] = float32(float64(own) - norm)
	}
	for i := o.TopStart[sample]; i < o.TopStart[sample+1]; i++ {
		c := x.sampler.kept[i-o.TopStart[sample]]
		o.TopIDs[i], o.TopLogprobs[i] = c.id, float32(float64(c.z)-norm)
	}
}

// readBest takes the selection of a row.
func (x *executable) readBest(s *staging, row int) {
	k := len(x.values)
	floats(x.values, s.results[1][4*k*row:])
	for i := range x.ids {
		x.ids[i] = binary.LittleEndian.Uint32(s.results[2][4*(k*row+i):])
	}
}

func indexOf(ids []uint32, id int32) int {
	for i, v := range ids {
		if int32(v) == id {
			return i
		}
	}
	panic(fmt.Sprintf("BUG: token %d is not in the selection", id))
}

func floats(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = readFloat(src, i)
	}
}

func readFloat(src []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
}
