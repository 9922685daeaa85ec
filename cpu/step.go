package cpu

/*
#include <stdlib.h>
#include "exec.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	goruntime "runtime"

	"basalt/runtime"
)

// executable implements runtime.Executable and runtime.Pending.
type executable struct {
	dev    *Device
	prog   *runtime.Program
	opt    runtime.CompileOptions
	blocks int
	e      *C.exec
	mem    arena
	pins   *goruntime.Pinner
	in     inputs
	out    runtime.Output
	prev   int // sample rows of the step before
	busy   bool
}

// inputs are the arrays of the C batch as slices of their full capacity.
type inputs struct {
	tokenIDs, positions, slots, queryStart []int32
	seqLens, blockTables, sampleRows       []int32
	sampling                               []runtime.SamplingRow
	topStart                               []int32
	// Lists without a bound grow when they must.
	bias                       []runtime.LogitBias
	resets, countSlots, counts []int32
}

// slice views n elements of C memory, laid out as U, as a slice of U.
func slice[U, T any](p *T, n int) []U { return unsafe.Slice((*U)(unsafe.Pointer(p)), n) }

// bind views the arrays that the compiler has laid out.
func (x *executable) bind() {
	b, o := &x.e.batch, x.opt
	x.in = inputs{
		tokenIDs:   slice[int32](b.token_ids, o.MaxTokens),
		positions:  slice[int32](b.positions, o.MaxTokens),
		slots:      slice[int32](b.slots, o.MaxTokens),
		queryStart: slice[int32](b.query_start, o.MaxSeqs+1),
		seqLens:    slice[int32](b.seq_lens, o.MaxSeqs),
		sampleRows: slice[int32](b.sample_rows, o.MaxTokens),
		sampling:   slice[runtime.SamplingRow](b.sampling, o.MaxTokens),
		topStart:   slice[int32](x.e.out.top_start, o.MaxTokens+1),
	}
	x.in.blockTables = slice[int32](b.block_tables, o.MaxSeqs*int(x.e.max_blocks))
}

// NumBlocks implements runtime.Executable.
func (x *executable) NumBlocks() int { return x.blocks }

// Close implements runtime.Executable. A step in flight is waited for.
func (x *executable) Close() error {
	if x.busy {
		_, _ = x.Wait()
	}
	if x.e != nil && x.e.counts != nil {
		for _, c := range unsafe.Slice(x.e.counts, x.opt.MaxSeqs) {
			C.free(unsafe.Pointer(c))
		}
	}
	x.e = nil
	x.mem.free()
	x.pins.Unpin()
	return nil
}

// Step implements runtime.Executable.
func (x *executable) Step(b *runtime.Batch) (runtime.Pending, error) {
	if x.busy {
		return nil, runtime.ErrStepInFlight
	}
	if err := x.check(b); err != nil {
		return nil, fmt.Errorf("BUG: inconsistent batch: %w", err)
	}
	x.copyTokens(b)
	x.copySampling(b)
	if err := x.mem.err; err != nil {
		x.mem.err = nil
		return nil, fmt.Errorf("cannot keep the lists of a step: %w", err)
	}
	x.prepareOutput(b)
	C.bs_post(x.e)
	x.busy = true
	return x, nil
}

func (x *executable) check(b *runtime.Batch) error {
	err := b.Check(runtime.Limits{
		NumBlocks: x.blocks, BlockSize: x.opt.BlockSize, Vocab: x.prog.Vocab,
		MaxTokens: x.opt.MaxTokens, MaxSeqs: x.opt.MaxSeqs, MaxSlots: x.opt.MaxSeqs,
		PrevRows: x.prev,
	})
	if err != nil {
		return err
	}
	for s, n := range b.SeqLens {
		if int(n) > x.opt.MaxContext {
			return fmt.Errorf("sequence %d has %d tokens; the context has %d", s, n,
				x.opt.MaxContext)
		}
	}
	return nil
}

func (x *executable) copyTokens(b *runtime.Batch) {
	c, in := &x.e.batch, &x.in
	c.tokens, c.seqs = C.int32_t(b.NumTokens()), C.int32_t(b.NumSeqs())
	copy(in.tokenIDs, b.TokenIDs)
	copy(in.positions, b.Positions)
	copy(in.slots, b.SlotMapping)
	copy(in.queryStart, b.QueryStart)
	copy(in.seqLens, b.SeqLens)
	row := int(x.e.max_blocks)
	for s := range b.NumSeqs() {
		table := b.BlockTables[s*b.MaxBlocks : (s+1)*b.MaxBlocks]
		copy(in.blockTables[s*row:(s+1)*row], table)
	}
}

func (x *executable) copySampling(b *runtime.Batch) {
	c, in := &x.e.batch, &x.in
	c.samples = C.int32_t(len(b.SampleRows))
	copy(in.sampleRows, b.SampleRows)
	copy(in.sampling, b.Sampling)
	c.bias = (*C.logit_bias)(unsafe.Pointer(keep(x, &in.bias, b.Bias)))
	c.resets = (*C.int32_t)(unsafe.Pointer(keep(x, &in.resets, b.ResetCounts)))
	c.count_slots = (*C.int32_t)(unsafe.Pointer(keep(x, &in.countSlots, b.CountSlots)))
	c.count_ids = (*C.int32_t)(unsafe.Pointer(keep(x, &in.counts, b.CountIDs)))
	c.num_resets, c.num_counts = C.int32_t(len(b.ResetCounts)), C.int32_t(len(b.CountIDs))
}

// keep copies a list to memory that C may read, which grows by doubling.
func keep[T any](x *executable, to *[]T, from []T) *T {
	if len(from) > len(*to) {
		*to = array[T](&x.mem, 2*len(from))
	}
	copy(*to, from)
	return first(*to)
}

// prepareOutput views the result arrays; they are filled when Wait returns.
func (x *executable) prepareOutput(b *runtime.Batch) {
	o, s := &x.e.out, len(b.SampleRows)
	top := int32(0)
	x.in.topStart[0] = 0
	for i := range b.Sampling {
		top += max(0, min(b.Sampling[i].Logprobs, int32(x.prog.Vocab)))
		x.in.topStart[i+1] = top
	}
	x.out = runtime.Output{
		IDs: slice[int32](o.ids, s), Logprobs: slice[float32](o.logprobs, s),
		TopStart: x.in.topStart[:s+1], TopIDs: slice[int32](o.top_ids, int(top)),
		TopLogprobs: slice[float32](o.top_logprobs, int(top)),
	}
	if b.WantLogits {
		x.out.Logits = slice[float32](o.logits, s*x.prog.Vocab)
	}
	x.prev = s
}

// errCounts reports that penalties could not be applied.
var errCounts = errors.New("no memory for the penalty counts of a sequence")

// Wait implements runtime.Pending.
func (x *executable) Wait() (*runtime.Output, error) {
	if !x.busy {
		return nil, errors.New("BUG: no step is in flight")
	}
	C.bs_collect(x.e)
	x.busy = false
	if x.e.failed != 0 {
		x.e.failed = 0
		return nil, errCounts
	}
	return &x.out, nil
}
