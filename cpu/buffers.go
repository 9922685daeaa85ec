package cpu

/*
#include "exec.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"basalt/runtime"
)

// forms is a set of the forms in which a register's rows are kept.
type forms uint8

const (
	formF32  forms = C.FORM_F32
	formI8   forms = C.FORM_I8
	formBF16 forms = C.FORM_BF16
	formI16  forms = C.FORM_I16
)

// matrixForms are the forms that products with the parts of a weight read.
func (k *compiler) matrixForms(w *runtime.Weight, keep bool) forms {
	var f forms
	for _, part := range w.Parts {
		format := cFormat(k.w.format(k.w.tensor(part), keep))
		f |= forms(k.dev.kern.row_form[format])
	}
	return f
}

// wanted gives for each register the forms that its readers ask for.
func (k *compiler) wanted() []forms {
	want := make([]forms, len(k.prog.Values))
	for i := range k.nodes {
		op := &k.nodes[i].op
		for _, r := range op.In {
			switch op.Kind {
			case runtime.OpLinear, runtime.OpLogits:
				for _, w := range op.Weights {
					want[r] |= k.matrixForms(w, false)
				}
			case runtime.OpMoE:
				want[r] |= k.matrixForms(op.Weights[0], true) |
					k.matrixForms(op.Weights[1], false) | k.matrixForms(op.Weights[2], false)
			default:
				want[r] |= formF32
			}
		}
	}
	return want
}

// emits says whether an operation writes its first output in every form itself; the others write
// floats, and a packing operation follows where more is wanted.
func emits(n *node) bool {
	switch n.op.Kind {
	case runtime.OpLinear, runtime.OpLogits:
		return n.gated
	case runtime.OpQKNorm, runtime.OpRoPE:
		return false
	case runtime.OpAttention:
		h := n.op.Attr.(runtime.AttentionAttr).Heads
		group := h.Query / h.KV
		return min(group, C.SPLIT_ROWS)*h.Dim%C.BLOCK == 0 && group%min(group, C.SPLIT_ROWS) == 0
	}
	return true
}

// layoutValues gives every register its memory: those that share a buffer of the plan share each of
// its forms.
func (k *compiler) layoutValues() error {
	want := k.wanted()
	for i := range k.nodes {
		n := &k.nodes[i]
		if len(n.op.Out) == 2 {
			want[n.op.Out[1]] |= formF32
		}
		if out := n.op.Out[0]; !emits(n) {
			k.packs[out] = want[out]&^formF32 != 0
			want[out] |= formF32
		}
	}
	plan := runtime.PlanBuffers(k.prog)
	buffers := make([]C.value, len(plan.Buffers))
	bufferForms := make([]forms, len(plan.Buffers))
	for r, buf := range plan.Buffer {
		bufferForms[buf] |= want[r]
	}
	for i, v := range plan.Buffers {
		buffers[i] = k.newValue(v, k.opt.MaxTokens, bufferForms[i])
	}
	values := array[C.value](k.mem, len(plan.Buffer))
	k.values = make([]*C.value, len(values))
	for r, v := range k.prog.Values {
		if want[r]&(formI8|formI16) != 0 && v.Width%C.BLOCK != 0 {
			return fmt.Errorf("rows of %d numbers cannot be cut into blocks of %d", v.Width,
				C.BLOCK)
		}
		values[r] = view(buffers[plan.Buffer[r]], v, want[r])
		k.values[r] = &values[r]
	}
	k.useLogits()
	return k.mem.err
}

// newValue allocates rows of the given forms.
func (k *compiler) newValue(v runtime.Value, rows int, f forms) C.value {
	n := int64(rows) * int64(stride(v.Width))
	b := C.value{width: C.int32_t(v.Width), stride: C.int64_t(stride(v.Width))}
	if v.Rows == runtime.SampleRows {
		b.sample_rows = 1
	}
	if f&formF32 != 0 {
		b.f32 = (*C.float)(k.mem.take(4*n, false))
	}
	if f&formI8 != 0 {
		blocks := int64(rows) * int64((v.Width+C.BLOCK-1)/C.BLOCK)
		b.i8 = (*C.act_block)(k.mem.take(blocks*C.sizeof_act_block, false))
	}
	if f&formI16 != 0 {
		blocks := int64(rows) * int64((v.Width+C.BLOCK-1)/C.BLOCK)
		b.i16 = (*C.wide_block)(k.mem.take(blocks*C.sizeof_wide_block, false))
	}
	if f&formBF16 != 0 {
		b.bf16 = (*C.uint16_t)(k.mem.take(2*n, false))
	}
	return b
}

// view is a register in a buffer that is at least as wide.
func view(buffer C.value, v runtime.Value, f forms) C.value {
	buffer.width, buffer.stride = C.int32_t(v.Width), C.int64_t(stride(v.Width))
	if f&formF32 == 0 {
		buffer.f32 = nil
	}
	if f&formI8 == 0 {
		buffer.i8 = nil
	}
	if f&formI16 == 0 {
		buffer.i16 = nil
	}
	if f&formBF16 == 0 {
		buffer.bf16 = nil
	}
	return buffer
}

// stride is the distance between rows of width numbers: a whole number of cache lines.
func stride(width int) int { return (width + C.TILE - 1) / C.TILE * C.TILE }

// useLogits makes the rows of the logits contiguous, as the output gives them.
func (k *compiler) useLogits() {
	last := k.prog.Ops[len(k.prog.Ops)-1].Out[0]
	v := k.values[last]
	v.stride = C.int64_t(k.prog.Vocab)
	k.e.out.logits = v.f32
}

func cKVFormat(d runtime.DType) C.int32_t {
	if d == runtime.INT8 {
		return C.INT8
	}
	return cFormat(d)
}

// layoutCache maps the keys and values; their pages are touched when they are first written.
func (k *compiler) layoutCache(blocks int) {
	e, kv := k.e, k.prog.KV
	e.kv, e.kv_heads, e.dim = cKVFormat(k.opt.KVDType), C.int32_t(kv.KVHeads), C.int32_t(kv.Dim)
	e.padded_dim = C.int32_t(stride(kv.Dim))
	e.block_size, e.padded_block = C.int32_t(k.opt.BlockSize), C.int32_t(stride(k.opt.BlockSize))
	e.head_bytes = C.int64_t(k.opt.KVDType.CacheBytes(int(e.padded_dim)))
	e.head_bytes *= C.int64_t(e.padded_block)
	e.block_bytes = e.head_bytes * C.int64_t(kv.KVHeads)
	e.layer_bytes = e.block_bytes * C.int64_t(blocks)
	bytes := int64(e.layer_bytes) * int64(kv.Layers)
	e.keys = (*C.uint8_t)(k.mem.take(bytes, true))
	e.values = (*C.uint8_t)(k.mem.take(bytes, true))
}

// Splits of attention have about splitPositions positions, in whole blocks.
const splitPositions = 256

// layoutBatch allocates the arrays that a step fills.
func (k *compiler) layoutBatch() {
	e, o, b := k.e, k.opt, &k.e.batch
	e.max_tokens, e.max_slots = C.int32_t(o.MaxTokens), C.int32_t(o.MaxSeqs)
	e.max_blocks = C.int32_t((o.MaxContext + o.BlockSize - 1) / o.BlockSize)
	ints := func(n int) *C.int32_t { return first(array[C.int32_t](k.mem, n)) }
	b.token_ids, b.positions, b.slots = ints(o.MaxTokens), ints(o.MaxTokens), ints(o.MaxTokens)
	b.query_start, b.seq_lens = ints(o.MaxSeqs+1), ints(o.MaxSeqs)
	b.block_tables = ints(o.MaxSeqs * int(e.max_blocks))
	b.sample_rows = ints(o.MaxTokens)
	b.sampling = first(array[C.sampling_row](k.mem, o.MaxTokens))
	e.out.ids, e.out.top_start = ints(o.MaxTokens), ints(o.MaxTokens+1)
	e.out.logprobs = first(array[C.float](k.mem, o.MaxTokens))
	e.out.top_ids = ints(o.MaxTokens * runtime.MaxLogprobs)
	e.out.top_logprobs = first(array[C.float](k.mem, o.MaxTokens*runtime.MaxLogprobs))
	e.counts = first(array[*C.uint32_t](k.mem, o.MaxSeqs))

	e.split_blocks = max(1, C.int32_t(k.dev.split)/e.padded_block)
	e.lanes = e.split_blocks * e.padded_block
	e.max_group, e.units = max(e.max_group, 1), max(e.units, 1)
	splits := (int(e.max_blocks) + int(e.split_blocks) - 1) / int(e.split_blocks)
	partials := 16 * k.dev.info.Threads * splits
	e.max_partials = C.int32_t(partials)
	e.tiles = first(array[C.query_tile](k.mem, o.MaxTokens))
	e.tasks = first(array[C.query_task](k.mem, o.MaxTokens+partials))
	e.partials = first(array[C.float](k.mem, partials*int(e.max_group*(2+e.padded_dim))))
}

func (k *compiler) layoutScratch() {
	width := int(k.e.padded_dim) * C.SPLIT_ROWS
	for _, v := range k.prog.Values {
		width = max(width, v.Width)
	}
	lanes, dim := C.MAX_ROWS*int(k.e.lanes), C.SPLIT_ROWS*int(k.e.padded_dim)
	blocks := k.prog.Vocab/C.SAMPLE_BLOCK + 1
	floats := func(n int) *C.float { return first(array[C.float](k.mem, n)) }
	scratch := array[C.scratch](k.mem, k.dev.info.Threads)
	for i := range scratch {
		scratch[i] = C.scratch{
			row: floats(width), queries: floats(dim), scores: floats(lanes),
			total: floats(dim), part: floats(dim),
			narrow_queries: first(array[C.uint16_t](k.mem, dim)),
			probs:          first(array[C.uint16_t](k.mem, lanes)),
			maxima:         floats(2 * C.SPLIT_ROWS), sums: floats(2 * C.SPLIT_ROWS),
			logits: floats(k.prog.Vocab), chances: floats(k.prog.Vocab),
			ids:        (*C.int32_t)(unsafe.Pointer(floats(k.prog.Vocab))),
			block_max:  floats(blocks),
			block_sums: first(array[C.double](k.mem, blocks)),
		}
	}
	k.e.scratch = first(scratch)
}
