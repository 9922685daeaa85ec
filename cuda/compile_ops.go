//go:build cuda

package cuda

import (
	"fmt"
	"slices"

	"basalt/cuda/driver"
	"basalt/runtime"
)

func (k *compiler) node(n *node) error {
	op, x := &n.op, k.x
	k.tiledNow = tiledInput{}
	switch op.Kind {
	case runtime.OpEmbed:
		table, format, rowBytes, err := k.w.table(op.Weights[0].Name)
		if err != nil {
			return err
		}
		k.put(perRow(false), "bs_embed", k.regs[op.Out[0]], x.in, table, x.out,
			k.width(op.Out[0]), rowBytes, format)
	case runtime.OpRMSNorm, runtime.OpAddRMSNorm:
		return k.norm(op)
	case runtime.OpLinear, runtime.OpLogits:
		return k.linear(op)
	case runtime.OpAttention:
		return k.attention(n)
	case runtime.OpSwiGLU:
		width, sampled := k.width(op.Out[0]), k.sampled(op.Out[0])
		k.put(func(d *dims, l *driver.Launch) bool {
			l.Grid = [3]uint32{blocks(width, 256), uint32(d.rows(sampled)), 1}
			return d.rows(sampled) > 0
		}, "bs_swiglu", k.regs[op.Out[0]], k.regs[op.In[0]], x.in, width, rowsOf(sampled))
	case runtime.OpSampleRows:
		k.put(perRow(true), "bs_gather", k.regs[op.Out[0]], k.regs[op.In[0]], x.in,
			k.width(op.Out[0]))
	case runtime.OpMoE:
		return k.moe(op)
	default:
		return fmt.Errorf("this device has no %s", op.Kind)
	}
	return nil
}

func blocks(n, size int) uint32 { return uint32((n + size - 1) / size) }

// rowsOf is how kernels are told to take the step's rows.
func rowsOf(sampled bool) int {
	if sampled {
		return -2
	}
	return -1
}

func (k *compiler) norm(op *runtime.Op) error {
	w, err := k.w.vector(op.Weights[0].Name)
	if err != nil {
		return err
	}
	sum, residual := driver.Ptr(0), driver.Ptr(0)
	if op.Kind == runtime.OpAddRMSNorm {
		residual, sum = k.regs[op.In[1]], k.regs[op.Out[1]]
	}
	sampled := k.sampled(op.Out[0])
	k.put(perRow(sampled), "bs_rms_norm", k.regs[op.Out[0]], sum, k.regs[op.In[0]], residual, w,
		k.x.in, k.width(op.In[0]), op.Attr.(runtime.NormAttr).Eps, sampled)
	return nil
}

// product is y[:, at:at+n] = x W^T of one weight.
type product struct {
	y, x, bias, tiles, rows driver.Ptr
	w                       *matrix
	m, stride, at           int
	// numRows gives the rows of x under d. Where tiles is set, cols gives the rows of a tile, and
	// numTiles how many there may be.
	numRows  func(d *dims) int
	cols     func(d *dims) int
	numTiles func(d *dims) int
}

// product appends the variants of a product, of which one runs: rows of x that a block takes.
func (k *compiler) product(p *product) {
	if k.byLibrary(p) {
		// Rows that the library took were not laid out in tiles for the next product.
		k.tiledNow = tiledInput{}
		defer func() { k.tiledNow = tiledInput{} }()
	}
	sizes := []int{8, 16, 64}
	if p.w.kind == "f32" {
		sizes = sizes[:1]
	}
	last := 1 << 30
	if k.tileProduct(p, sizes[len(sizes)-1]) {
		last = sizes[len(sizes)-1]
	}
	for i, cols := range sizes {
		low, high := 0, cols
		if i > 0 {
			low = sizes[i-1]
		}
		if i == len(sizes)-1 {
			high = last
		}
		outs := uint32((p.w.n + 15) / 16)
		switch {
		case p.w.kind == "f32":
			outs = blocks(p.w.n, 8)
		case cols == 64:
			outs = blocks(p.w.n, 32)
		}
		k.put(func(d *dims, l *driver.Launch) bool {
			rows := p.numRows(d)
			if p.tiles != 0 {
				l.Grid = [3]uint32{outs, uint32(p.numTiles(d)), 1}
				return p.cols(d) == cols
			}
			l.Grid = [3]uint32{outs, blocks(rows, cols), 1}
			return rows > low && rows <= high
		}, fmt.Sprintf("bs_linear_%s_%d", p.w.kind, cols), p.y+driver.Ptr(4*p.at), p.x, p.w.data,
			p.w.scales, p.bias, k.x.in, p.tiles, p.rows, p.m, p.w.n, p.w.k, p.stride,
			p.w.dataUnits, p.w.scaleUnits, p.w.shift)
	}
}

func (k *compiler) linear(op *runtime.Op) error {
	at, sampled := 0, k.sampled(op.Out[0])
	for i, w := range op.Weights {
		m, err := k.w.matrix(w)
		if err != nil {
			return err
		}
		p := product{
			y: k.regs[op.Out[0]], x: k.regs[op.In[0]], w: m, m: rowsOf(sampled), at: at,
			stride:  k.width(op.Out[0]),
			numRows: func(d *dims) int { return d.rows(sampled) },
		}
		if op.Biases != nil && op.Biases[i] != nil {
			if p.bias, err = k.w.vector(op.Biases[i].Name); err != nil {
				return err
			}
		}
		k.product(&p)
		at += w.Shape[0]
	}
	return nil
}

// angles gives the table of a kind of rotary embedding, filled once a step.
func (k *compiler) angles(a *runtime.RoPEAttr) (driver.Ptr, error) {
	if i := k.sameRope(a); i >= 0 {
		return k.rope[i], nil
	}
	half := len(a.InvFreq)
	freqs := make([]float64, half, half+3)
	copy(freqs, a.InvFreq)
	ntk := [3]float64{}
	if a.NTK != nil {
		ntk = [3]float64{a.NTK.Base, a.NTK.Factor, intBits(a.NTK.MaxPosition)}
	}
	params, err := k.w.numbers(append(freqs, ntk[:]...))
	if err != nil {
		return 0, err
	}
	angles, err := k.x.alloc(int64(8 * half * k.opt.MaxTokens))
	if err != nil {
		return 0, err
	}
	k.ropes, k.rope = append(k.ropes, *a), append(k.rope, angles)
	k.put(perRow(false), "bs_angles", angles, k.x.in, params, params+driver.Ptr(8*half), half,
		a.Scale)
	return angles, nil
}

// heads appends the launch that turns queries and keeps keys and values.
func (k *compiler) heads(n *node, layer cacheLayer) error {
	a, x := n.op.Attr.(runtime.AttentionAttr), k.x
	var qNorm, kNorm, angles driver.Ptr
	var err error
	half, interleaved, eps := 0, false, float32(0)
	if op := n.qkNorm; op != nil {
		if qNorm, err = k.w.vector(op.Weights[0].Name); err != nil {
			return err
		}
		if kNorm, err = k.w.vector(op.Weights[1].Name); err != nil {
			return err
		}
		eps = op.Attr.(runtime.QKNormAttr).Eps
	}
	if op := n.rope; op != nil {
		r := op.Attr.(runtime.RoPEAttr)
		if angles, err = k.angles(&r); err != nil {
			return err
		}
		half, interleaved = len(r.InvFreq), r.Interleaved
	}
	heads := uint32(a.Heads.Query + 2*a.Heads.KV)
	k.put(func(d *dims, l *driver.Launch) bool {
		l.Grid = [3]uint32{uint32(d.tokens), heads, 1}
		return true
	}, "bs_heads", x.queries, layer.keys, layer.values, k.regs[n.op.In[0]], x.in, qNorm, kNorm,
		angles, a.Heads.Query, a.Heads.KV, a.Heads.Dim, half, interleaved, eps,
		k.opt.BlockSize, k.opt.KVDType == runtime.BF16)
	return nil
}

// perToken is how many heads of a token a tile of attention takes together.
func perToken(h runtime.Heads, kv runtime.DType) int {
	if kv == runtime.F32 {
		return 1
	}
	group := h.Query / h.KV
	for n := min(group, 16); ; n-- {
		if group%n == 0 {
			return n
		}
	}
}

func (k *compiler) attention(n *node) error {
	a, x := n.op.Attr.(runtime.AttentionAttr), k.x
	layer := x.cache[a.Layer]
	if err := k.heads(n, layer); err != nil {
		return err
	}
	name := "bs_attention_bf16"
	if k.opt.KVDType == runtime.F32 {
		name = "bs_attention_f32"
	}
	per := perToken(a.Heads, k.opt.KVDType)
	units, out := uint32(a.Heads.Query/per), k.regs[n.op.Out[0]]
	for _, parts := range []driver.Ptr{0, x.parts} {
		k.put(func(d *dims, l *driver.Launch) bool {
			l.Grid = [3]uint32{uint32(d.tiles), units, uint32(d.splits)}
			return !d.wide && (d.splits > 1) == (parts != 0)
		}, name, out, parts, x.queries, layer.keys, layer.values, x.in, a.Heads.Query,
			a.Heads.KV, a.Heads.Dim, per, k.opt.BlockSize, a.Window, a.Scale)
	}
	if k.wideTokens(a.Heads) > 0 {
		k.put(func(d *dims, l *driver.Launch) bool {
			l.Grid = [3]uint32{uint32(d.tiles), units, 1}
			return d.wide
		}, k.dev.prefillKernel(a.Heads.Dim), out, x.queries,
			layer.keys, layer.values, x.in, a.Heads.Query, a.Heads.KV, per, k.opt.BlockSize,
			a.Window, a.Scale)
	}
	const splitsArg = 6
	k.put(func(d *dims, l *driver.Launch) bool {
		l.Grid = [3]uint32{uint32(d.tiles), units, 1}
		l.Args[splitsArg] = uint64(d.splits)
		return d.splits > 1
	}, "bs_attention_merge", out, x.parts, x.in, a.Heads.Query, per, a.Heads.Dim, 0, a.Window)
	return nil
}

// moeTiles bounds the tiles of pairs sorted by expert.
func moeTiles(pairs, experts, cols int) int { return min(pairs, pairs/cols+experts) }

// moeCols is how many rows of one expert a block takes together, by the rows that each expert gets
// where they are even: a tile of 64 reads its weights once for them all, one of 8 multiplies the
// least by zeros. A row's order of summation is the same in each.
func moeCols(pairs int, experts []*matrix, numExperts int) int {
	narrow := slices.ContainsFunc(experts, func(m *matrix) bool { return m.kind == "f32" })
	switch even := pairs / numExperts; {
	case narrow || even <= 8:
		return 8
	case even <= 16:
		return 16
	}
	return 64
}

func (k *compiler) moe(op *runtime.Op) error {
	a, x, s := op.Attr.(runtime.MoEAttr), k.x, &k.x.moe
	var ms [4]*matrix
	for i, w := range op.Weights {
		var err error
		if ms[i], err = k.w.matrix(w); err != nil {
			return err
		}
	}
	hidden, width := ms[1].n, k.width(op.In[0])
	tokens := func(d *dims) int { return d.tokens }
	pairs := func(d *dims) int { return d.tokens * a.TopK }
	cols := func(d *dims) int { return moeCols(pairs(d), ms[1:], a.Experts) }
	tiles := func(d *dims) int { return moeTiles(pairs(d), a.Experts, cols(d)) }
	k.product(&product{
		y: s.scores, x: k.regs[op.In[0]], w: ms[0], m: -1, stride: a.Experts, numRows: tokens,
	})
	k.put(perRow(false), "bs_route", s.picks, s.weights, s.scores, x.in, a.Experts, a.TopK,
		a.Normalise)
	const colsArg, tilesArg = 7, 8
	k.put(func(d *dims, l *driver.Launch) bool {
		l.Args[colsArg], l.Args[tilesArg] = uint64(cols(d)), uint64(tiles(d))
		return true
	}, "bs_plan", s.tiles, s.rows, s.place, s.picks, x.in, a.Experts, a.TopK, 0, 0)
	for i, w := range ms[1:3] {
		k.product(&product{
			y: s.gateUp, x: k.regs[op.In[0]], w: w, tiles: s.tiles, rows: s.rows,
			stride: 2 * hidden, at: i * hidden, numRows: pairs, cols: cols,
			numTiles: tiles,
		})
	}
	const rowsArg = 4
	k.put(func(d *dims, l *driver.Launch) bool {
		l.Grid = [3]uint32{blocks(hidden, 256), uint32(pairs(d)), 1}
		l.Args[rowsArg] = uint64(pairs(d))
		return true
	}, "bs_swiglu", s.hidden, s.gateUp, x.in, hidden, 0)
	k.product(&product{
		y: s.out, x: s.hidden, w: ms[3], tiles: s.tiles, stride: width, numRows: pairs,
		cols: cols, numTiles: tiles,
	})
	k.put(func(d *dims, l *driver.Launch) bool {
		l.Grid = [3]uint32{blocks(width, 256), uint32(d.tokens), 1}
		return true
	}, "bs_combine", k.regs[op.Out[0]], s.out, s.place, s.weights, x.in, width, a.TopK)
	return nil
}

// count appends the update of penalty counts; sample the draw.
func (k *compiler) count() {
	k.put(nil, "bs_counts", k.x.counts, k.x.in, k.prog.Vocab)
}

func (k *compiler) sample() {
	x, rows := k.x, driver.Ptr(4*k.x.maxSamples)
	top := x.out + 2*rows
	k.put(perRow(true), "bs_sample", x.out, x.out+rows, top, top+rows*runtime.MaxLogprobs,
		x.scratch, k.logits(), x.counts, x.in, k.prog.Vocab)
}

func (k *compiler) logits() driver.Ptr {
	return k.regs[k.prog.Ops[len(k.prog.Ops)-1].Out[0]]
}
