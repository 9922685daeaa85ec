//go:build cuda

package cuda

import (
	"fmt"
	"os"

	"basalt/cuda/driver"
	"basalt/runtime"
)

// cacheLayer is the cache of one layer.
type cacheLayer struct{ keys, values driver.Ptr }

// moeScratch is what a mixture of experts keeps between its launches.
type moeScratch struct {
	scores, picks, weights, tiles, rows, place, gateUp, hidden, out driver.Ptr
}

const (
	splitPositions = 256      // of attention; SPLIT in attention.h
	maxParts       = 64 << 20 // bytes of partial results of attention
	reserve        = 256 << 20
)

// buffer is one allocation that the layout asks for.
type buffer struct {
	to    *driver.Ptr
	bytes int64
}

// buffers lists what a step works in, the cache not included.
func (k *compiler) buffers(regs []driver.Ptr, plan *runtime.Plan) []buffer {
	x, o := k.x, k.opt
	var list []buffer
	add := func(to *driver.Ptr, bytes int) { list = append(list, buffer{to, int64(bytes)}) }
	for i, v := range plan.Buffers {
		rows := o.MaxTokens
		if v.Rows == runtime.SampleRows {
			rows = x.maxSamples
		}
		add(&regs[i], 4*rows*v.Width)
	}
	vocab, queries, pairs := k.prog.Vocab, 0, 0
	for i := range k.nodes {
		op := &k.nodes[i].op
		switch a := op.Attr.(type) {
		case runtime.AttentionAttr:
			queries = max(queries, a.Heads.Query*a.Heads.Dim)
		case runtime.MoEAttr:
			pairs = max(pairs, o.MaxTokens*a.TopK)
			k.addMoE(add, op, a)
		}
	}
	add(&x.queries, 4*o.MaxTokens*queries)
	add(&x.parts, maxParts)
	add(&x.scratch, 4*x.maxSamples*vocab)
	add(&x.counts, 4*o.MaxSeqs*vocab)
	add(&x.out, 4*x.maxSamples*(2+2*runtime.MaxLogprobs))
	add(&x.in, x.inBytes)
	add(&x.tiled, k.tiledBytes())
	add(&x.narrow, k.narrowBytes())
	add(&x.workspace, k.workspaceBytes())
	return list
}

// addMoE asks for the scratch of experts; operations of one program have one shape.
func (k *compiler) addMoE(add func(*driver.Ptr, int), op *runtime.Op, a runtime.MoEAttr) {
	s, pairs, hidden := &k.x.moe, k.opt.MaxTokens*a.TopK, op.Weights[1].Shape[1]
	if k.x.moeSized {
		return
	}
	k.x.moeSized = true
	add(&s.scores, 4*k.opt.MaxTokens*a.Experts)
	add(&s.picks, 4*pairs)
	add(&s.weights, 4*pairs)
	add(&s.rows, 4*pairs)
	add(&s.place, 4*pairs)
	add(&s.tiles, 12*(pairs+a.Experts))
	add(&s.gateUp, 8*pairs*hidden)
	add(&s.hidden, 4*pairs*hidden)
	add(&s.out, 4*pairs*k.width(op.In[0]))
}

// need is what the weights take on the device: matrices packed, tables and vectors.
func (w *weights) need() int64 {
	seen := make(map[string]bool)
	var n int64
	once := func(key string, bytes int64) {
		if !seen[key] {
			seen[key] = true
			n += bytes
		}
	}
	for i := range w.k.nodes {
		op := &w.k.nodes[i].op
		for _, weight := range op.Weights {
			t := w.tensor(weight.Parts[0])
			switch {
			case op.Kind == runtime.OpEmbed:
				once("table "+weight.Name, int64(t.Widened().RowBytes(t.NumValues())))
			case len(t.Shape) == 2:
				kind, shift := kindNeeded(&t)
				data, scales := layoutOf(kind, shift, t.Shape[0], t.Shape[1])
				once(weight.Name, (data+scales+32)*int64(len(weight.Parts)))
				if w.twice(weight, &t) {
					once("plain "+weight.Name, int64(t.DataBytes()+4))
				}
			default:
				once(weight.Name, int64(4*t.NumValues()))
			}
		}
	}
	return n
}

// sizeCache finds how many blocks the cache gets, and refuses a model that does not fit before
// anything is loaded.
func (k *compiler) sizeCache(p *runtime.Program) error {
	x := k.x
	x.maxSamples = min(k.opt.MaxTokens, max(4*k.opt.MaxSeqs, 512))
	x.maxBlocks = (k.opt.MaxContext + k.opt.BlockSize - 1) / k.opt.BlockSize
	x.inBytes = x.capacity()
	plan := runtime.PlanBuffers(k.prog)
	work := int64(2*stageBytes + reserve)
	for _, b := range k.buffers(make([]driver.Ptr, len(plan.Buffers)), &plan) {
		work += b.bytes + 512
	}
	x.moeSized = false
	free, _, err := k.dev.gpu.FreeMemory()
	if err != nil {
		return err
	}
	need := k.w.need() + work
	left, asked := free-need, k.opt.KVBytes
	if k.opt.KVBytes == 0 {
		k.opt.KVBytes = max(left, 1)
	}
	blocks, err := runtime.NumKVBlocks(p, k.opt)
	cache := int64(blocks) * int64(k.opt.BlockSize) * int64(p.KV.BytesPerToken(k.opt.KVDType))
	if left < 0 || err == nil && cache > left {
		if len(k.w.proved) > 0 { // our own kernels need no second copies
			fmt.Fprintln(os.Stderr, "basalt: cuBLASLt's copies of matrices do not fit: our own "+
				"kernels multiply")
			clear(k.w.proved)
			k.opt.KVBytes = asked
			return k.sizeCache(p)
		}
		return fmt.Errorf("it needs %d MiB on the GPU (weights %d, work and reserve %d, cache %d) "+
			"and %d MiB are free: quantise it (basalt quantize), give a shorter context or less "+
			"cache (--ctx, --kv-memory), or take another device (--device cpu)",
			(need+cache)>>20, k.w.need()>>20, work>>20, cache>>20, free>>20)
	}
	x.blocks = blocks
	return err
}

// layout allocates the cache and the buffers.
func (k *compiler) layout() error {
	x, p := k.x, k.prog
	plan := runtime.PlanBuffers(p)
	held := make([]driver.Ptr, len(plan.Buffers))
	var err error
	for _, b := range k.buffers(held, &plan) {
		if *b.to, err = x.alloc(b.bytes); err != nil {
			return err
		}
	}
	k.regs = make([]driver.Ptr, len(p.Values))
	for r, b := range plan.Buffer {
		k.regs[r] = held[b]
	}
	perLayer := int64(x.blocks) * int64(k.opt.BlockSize) *
		int64(k.opt.KVDType.RowBytes(p.KV.KVHeads*p.KV.Dim))
	x.cache = make([]cacheLayer, p.KV.Layers)
	for i := range x.cache {
		if x.cache[i].keys, err = x.alloc(perLayer); err != nil {
			return err
		}
		if x.cache[i].values, err = x.alloc(perLayer); err != nil {
			return err
		}
	}
	x.logits, x.perTile = k.logits(), 1
	k.sizeTiles()
	return x.openHost(k.dev.gpu.Zero(x.counts, int64(4*k.opt.MaxSeqs*p.Vocab)))
}

// sizeTiles finds how many tokens a tile of attention takes, and what its splits need.
func (k *compiler) sizeTiles() {
	for i := range k.nodes {
		if a, ok := k.nodes[i].op.Attr.(runtime.AttentionAttr); ok {
			per := perToken(a.Heads, k.opt.KVDType)
			if k.opt.KVDType != runtime.F32 {
				k.x.perTile = 16 / per
			}
			k.x.wideTile = k.wideTokens(a.Heads)
			k.x.units = a.Heads.Query / per
			k.x.partBytes = 4 * per * (a.Heads.Dim + 2)
		}
	}
}

// alloc takes memory that lives as long as the executable.
func (x *executable) alloc(n int64) (driver.Ptr, error) {
	p, err := x.dev.gpu.Alloc(n)
	if err == nil {
		x.held = append(x.held, p)
	}
	return p, err
}
