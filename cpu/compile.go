package cpu

/*
#include "exec.h"
*/
import "C"

import (
	"context"
	"fmt"
	"slices"
	"unsafe"

	goruntime "runtime"

	"basalt/runtime"
)

// compiler turns one program into an executable.
type compiler struct {
	dev   *Device
	prog  *runtime.Program // after fusion
	nodes []node
	opt   runtime.CompileOptions
	w     *weights
	mem   *arena
	e     *C.exec
	ops   []C.op

	values []*C.value // by Reg
	packs  map[runtime.Reg]bool
	ropes  []runtime.RoPEAttr
	cRopes []C.rope
}

// Compile implements runtime.Device. The checkpoint must stay open as long as the executable, which
// reads the embedding table where it lies.
func (d *Device) Compile(ctx context.Context, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) (runtime.Executable, error) {
	x, err := d.compile(ctx, p, c, o)
	if err != nil {
		return nil, fmt.Errorf("cannot compile %q for the CPU: %w", p.Name, err)
	}
	return x, nil
}

func (d *Device) compile(ctx context.Context, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) (*executable, error) {
	if err := runtime.CheckWeights(p, c); err != nil {
		return nil, err
	}
	blocks, err := checkOptions(p, o)
	if err != nil {
		return nil, err
	}
	x := &executable{dev: d, prog: p, opt: o, blocks: blocks, pins: new(goruntime.Pinner)}
	k := &compiler{dev: d, opt: o, mem: &x.mem, packs: make(map[runtime.Reg]bool)}
	k.nodes, k.prog = fuse(p)
	k.w = newWeights(ctx, d, p, c, o, &x.mem, x.pins)
	if err := k.run(x); err != nil {
		_ = x.Close()
		return nil, err
	}
	return x, nil
}

func checkOptions(p *runtime.Program, o runtime.CompileOptions) (blocks int, err error) {
	if o.KVDType != runtime.F32 && o.KVDType != runtime.BF16 && o.KVDType != runtime.INT8 {
		return 0, fmt.Errorf("the cache cannot be %s: choose F32, BF16 or INT8", o.KVDType)
	}
	if o.Quantize != 0 && o.Quantize != runtime.Q8_0 && o.Quantize != runtime.Q4_0 {
		return 0, fmt.Errorf("weights cannot be quantised to %s: choose Q8_0 or Q4_0", o.Quantize)
	}
	limit := func(name string, value, most int) {
		if err == nil && (value < 1 || value > most) {
			err = fmt.Errorf("%s is %d; it must be 1 to %d", name, value, most)
		}
	}
	limit("the block size", o.BlockSize, 1<<12)
	limit("the greatest number of tokens of a step", o.MaxTokens, 1<<20)
	limit("the greatest number of sequences", o.MaxSeqs, 1<<16)
	limit("the greatest context", o.MaxContext, 1<<26)
	if err != nil {
		return 0, err
	}
	return runtime.NumKVBlocks(p, o)
}

func (k *compiler) run(x *executable) error {
	k.e = &array[C.exec](k.mem, 1)[0]
	k.ops = array[C.op](k.mem, 2*len(k.nodes)+2)[:0]
	k.cRopes = array[C.rope](k.mem, len(k.nodes)+1)
	x.e = k.e
	k.e.pool, k.e.k = k.dev.pool, k.dev.kern
	k.e.vocab = C.int32_t(k.prog.Vocab)
	end := k.opt.Begin("KV cache")
	k.layoutCache(x.blocks)
	end()
	if err := k.layoutValues(); err != nil {
		return err
	}
	defer k.opt.Begin("pack weights")()
	for i := range k.nodes {
		if err := k.node(&k.nodes[i]); err != nil {
			k.w.end()
			return fmt.Errorf("operation %d (%s): %w", i, k.nodes[i].op.Kind, err)
		}
	}
	k.ops = append(k.ops, C.op{kind: C.DO_SAMPLE})
	k.e.ops, k.e.num_ops = first(k.ops), C.int32_t(len(k.ops))
	k.e.ropes, k.e.num_ropes = first(k.cRopes), C.int32_t(len(k.ropes))
	k.layoutBatch()
	k.layoutScratch()
	x.bind()
	if err := k.w.finish(); err != nil {
		return err
	}
	return k.mem.err
}

// node appends the operations of one node.
func (k *compiler) node(n *node) error {
	var err error
	o := C.op{layer: C.int32_t(n.op.Layer), rope: -1}
	if len(n.op.In) > 0 {
		o.x = k.values[n.op.In[0]]
	}
	if len(n.op.Out) > 0 {
		o.out = k.values[n.op.Out[0]]
	}
	switch n.op.Kind {
	case runtime.OpEmbed:
		o.kind = C.DO_EMBED
		var bytes int64
		o.table, o.format, bytes = k.w.table(n.op.Weights[0].Name)
		o.row_bytes = C.int64_t(bytes)
	case runtime.OpRMSNorm, runtime.OpAddRMSNorm:
		k.norm(n, &o)
	case runtime.OpLinear, runtime.OpLogits:
		err = k.linear(n, &o)
	case runtime.OpQKNorm, runtime.OpRoPE:
		k.heads(n, &o)
	case runtime.OpAttention:
		k.attention(n, &o)
	case runtime.OpSwiGLU:
		o.kind = C.DO_SWIGLU
	case runtime.OpMoE:
		err = k.moe(n, &o)
	case runtime.OpSampleRows:
		o.kind = C.DO_GATHER
	default:
		err = fmt.Errorf("this device has no %s", n.op.Kind)
	}
	k.ops = append(k.ops, o)
	if k.packs[n.op.Out[0]] {
		k.ops = append(k.ops, C.op{kind: C.DO_PACK, out: o.out})
	}
	return err
}

func (k *compiler) norm(n *node, o *C.op) {
	o.kind = C.DO_NORM
	o.eps = C.float(n.op.Attr.(runtime.NormAttr).Eps)
	o.weight = k.w.vector(n.op.Weights[0].Name)
	if n.op.Kind == runtime.OpAddRMSNorm {
		o.residual, o.sum = k.values[n.op.In[1]], k.values[n.op.Out[1]]
	}
}

// projection fills p with the matrix and bias of w; the output begins at column at.
func (k *compiler) projection(p *C.projection, part string, bias *runtime.Weight, at int,
	keep bool,
) error {
	m, err := k.w.matrix(part, keep)
	if err != nil {
		return err
	}
	p.w, p.at = *m, C.int32_t(at)
	if bias != nil {
		p.bias = k.w.vector(bias.Name)
	}
	return nil
}

func (k *compiler) linear(n *node, o *C.op) error {
	o.kind = C.DO_LINEAR
	ps := array[C.projection](k.mem, len(n.op.Weights))
	at := 0
	for i, w := range n.op.Weights {
		var bias *runtime.Weight
		if n.op.Biases != nil {
			bias = n.op.Biases[i]
		}
		if err := k.projection(&ps[i], w.Name, bias, at, false); err != nil {
			return err
		}
		at += w.Shape[0]
	}
	o.projections, o.num_projections = first(ps), C.int32_t(len(ps))
	if n.gated {
		o.swiglu = 1
	}
	return nil
}

func (k *compiler) setHeads(o *C.op, h runtime.Heads) {
	o.heads, o.kv_heads, o.dim = C.int32_t(h.Query), C.int32_t(h.KV), C.int32_t(h.Dim)
}

func (k *compiler) setQKNorm(o *C.op, op *runtime.Op) {
	o.q_norm, o.k_norm = k.w.vector(op.Weights[0].Name), k.w.vector(op.Weights[1].Name)
	o.head_eps = C.float(op.Attr.(runtime.QKNormAttr).Eps)
}

func (k *compiler) heads(n *node, o *C.op) {
	o.kind = C.DO_HEADS
	switch a := n.op.Attr.(type) {
	case runtime.QKNormAttr:
		k.setHeads(o, a.Heads)
		k.setQKNorm(o, &n.op)
	case runtime.RoPEAttr:
		k.setHeads(o, a.Heads)
		o.rope = k.rope(a)
	}
}

func (k *compiler) attention(n *node, o *C.op) {
	a := n.op.Attr.(runtime.AttentionAttr)
	o.kind = C.DO_ATTENTION
	k.setHeads(o, a.Heads)
	o.cache, o.window, o.scale = C.int32_t(a.Layer), C.int32_t(a.Window), C.float(a.Scale)
	if n.qkNorm != nil {
		k.setQKNorm(o, n.qkNorm)
	}
	if n.rope != nil {
		o.rope = k.rope(n.rope.Attr.(runtime.RoPEAttr))
	}
	group := C.int32_t(a.Heads.Query / a.Heads.KV)
	runs := (group + C.SPLIT_ROWS - 1) / C.SPLIT_ROWS
	k.e.max_group = max(k.e.max_group, min(group, C.SPLIT_ROWS))
	k.e.units = max(k.e.units, o.kv_heads*runs)
}

// rope finds or adds a kind of rotary embedding.
func (k *compiler) rope(a runtime.RoPEAttr) C.int32_t {
	for i, b := range k.ropes {
		if b.Scale == a.Scale && b.Interleaved == a.Interleaved && sameNTK(b.NTK, a.NTK) &&
			slices.Equal(b.InvFreq, a.InvFreq) {
			return C.int32_t(i)
		}
	}
	r := &k.cRopes[len(k.ropes)]
	k.ropes = append(k.ropes, a)
	freq := array[float64](k.mem, len(a.InvFreq))
	copy(freq, a.InvFreq)
	r.inv_freq, r.half = (*C.double)(unsafe.Pointer(first(freq))), C.int32_t(len(freq))
	r.scale = C.float(a.Scale)
	if a.Interleaved {
		r.interleaved = 1
	}
	if a.NTK != nil {
		r.ntk_base, r.ntk_factor = C.double(a.NTK.Base), C.double(a.NTK.Factor)
		r.ntk_position = C.int32_t(a.NTK.MaxPosition)
	}
	r.angles = first(array[C.float](k.mem, 2*len(freq)*k.opt.MaxTokens))
	return C.int32_t(len(k.ropes) - 1)
}

func sameNTK(a, b *runtime.DynamicNTK) bool {
	return a == b || a != nil && b != nil && *a == *b
}
