package runtime

import (
	"fmt"
	"math"
	"slices"
)

func (e *refExec) run(op *Op, b *Batch) {
	switch op.Kind {
	case OpEmbed:
		e.embed(op, b)
	case OpRMSNorm:
		e.rmsNorm(op, b)
	case OpAddRMSNorm:
		e.addRMSNorm(op, b)
	case OpLinear:
		e.linear(op, b)
	case OpQKNorm:
		e.qkNorm(op, b)
	case OpRoPE:
		e.rope(op, b)
	case OpAttention:
		e.attention(op, b)
	case OpSwiGLU:
		e.swiGLU(op, b)
	case OpMoE:
		e.moe(op, b)
	case OpSampleRows:
		e.sampleRows(op, b)
	case OpLogits:
		y, n := e.newReg(op.Out[0], b), e.p.Vocab
		matmul(y, n, 0, e.regs[op.In[0]], e.width(op.In[0]), e.weight(op.Weights[0]), nil)
	default:
		panic(fmt.Sprintf("BUG: the reference device has no %s", op.Kind))
	}
}

// dot sums in float64, so that the oracle's own rounding does not count.
func dot(a, b []float32) float32 {
	var sum float64
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return float32(sum)
}

// matmul writes y[:, at:at+n] = x w^T + bias, where y has rows of stride numbers, x of k, w is [n,
// k].
func matmul(y []float32, stride, at int, x []float32, k int, w, bias []float32) {
	n := len(w) / k
	for r := range len(x) / k {
		row := x[r*k : (r+1)*k]
		for j := range n {
			v := dot(row, w[j*k:(j+1)*k])
			if bias != nil {
				v += bias[j]
			}
			y[r*stride+at+j] = v
		}
	}
}

func (e *refExec) embed(op *Op, b *Batch) {
	y, n, table := e.newReg(op.Out[0], b), e.width(op.Out[0]), e.weight(op.Weights[0])
	for i, id := range b.TokenIDs {
		if id < 0 {
			id = e.out.IDs[-1-id]
		}
		copy(y[i*n:(i+1)*n], table[int(id)*n:])
	}
}

func normRow(y, x, w []float32, eps float32) {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	scale := 1 / math.Sqrt(sum/float64(len(x))+float64(eps))
	for i, v := range x {
		y[i] = float32(float64(v)*scale) * w[i]
	}
}

func (e *refExec) rmsNorm(op *Op, b *Batch) {
	x, y, n := e.regs[op.In[0]], e.newReg(op.Out[0], b), e.width(op.In[0])
	for i := 0; i < len(x); i += n {
		normRow(y[i:i+n], x[i:i+n], e.weight(op.Weights[0]), op.Attr.(NormAttr).Eps)
	}
}

func (e *refExec) addRMSNorm(op *Op, b *Batch) {
	x, res, n := e.regs[op.In[0]], e.regs[op.In[1]], e.width(op.In[0])
	normed, sum := e.newReg(op.Out[0], b), e.newReg(op.Out[1], b)
	for i := range x {
		sum[i] = x[i] + res[i]
	}
	for i := 0; i < len(x); i += n {
		normRow(normed[i:i+n], sum[i:i+n], e.weight(op.Weights[0]), op.Attr.(NormAttr).Eps)
	}
}

func (e *refExec) linear(op *Op, b *Batch) {
	x, k := e.regs[op.In[0]], e.width(op.In[0])
	y, stride, at := e.newReg(op.Out[0], b), e.width(op.Out[0]), 0
	for i, w := range op.Weights {
		var bias []float32
		if op.Biases != nil && op.Biases[i] != nil {
			bias = e.weight(op.Biases[i])
		}
		matmul(y, stride, at, x, k, e.weight(w), bias)
		at += w.Shape[0]
	}
}

func (e *refExec) qkNorm(op *Op, b *Batch) {
	a := op.Attr.(QKNormAttr)
	x, y := e.regs[op.In[0]], e.newReg(op.Out[0], b)
	copy(y, x)
	d, width := a.Heads.Dim, a.Heads.Width()
	for row := 0; row < len(x); row += width {
		for h := range a.Heads.Query + a.Heads.KV {
			w := e.weight(op.Weights[0])
			if h >= a.Heads.Query {
				w = e.weight(op.Weights[1])
			}
			at := row + h*d
			normRow(y[at:at+d], x[at:at+d], w, a.Eps)
		}
	}
}

func (e *refExec) rope(op *Op, b *Batch) {
	a := op.Attr.(RoPEAttr)
	x, y := e.regs[op.In[0]], e.newReg(op.Out[0], b)
	copy(y, x)
	buf := make([]float64, len(a.InvFreq))
	for i, pos := range b.Positions {
		row, freqs := y[i*a.Heads.Width():], a.FrequenciesAt(int(pos), buf)
		for h := range a.Heads.Query + a.Heads.KV {
			rotate(row[h*a.Heads.Dim:(h+1)*a.Heads.Dim], &a, freqs, float64(pos))
		}
	}
}

func rotate(head []float32, a *RoPEAttr, freqs []float64, pos float64) {
	half := len(freqs)
	for i, f := range freqs {
		p, q := i, i+half
		if a.Interleaved {
			p, q = 2*i, 2*i+1
		}
		sin, cos := math.Sincos(pos * f)
		s, c := float32(sin)*a.Scale, float32(cos)*a.Scale
		u, v := head[p], head[q]
		head[p], head[q] = u*c-v*s, u*s+v*c
	}
}

func (e *refExec) attention(op *Op, b *Batch) {
	a := op.Attr.(AttentionAttr)
	x, y := e.regs[op.In[0]], e.newReg(op.Out[0], b)
	e.appendKV(a, x, b)
	for s := range b.NumSeqs() {
		table := b.BlockTables[s*b.MaxBlocks : (s+1)*b.MaxBlocks]
		for i := b.QueryStart[s]; i < b.QueryStart[s+1]; i++ {
			q := x[int(i)*a.Heads.Width():]
			out := y[int(i)*a.Heads.Query*a.Heads.Dim:]
			e.attendRow(a, q, out, int(b.Positions[i]), table)
		}
	}
}

func (e *refExec) appendKV(a AttentionAttr, qkv []float32, b *Batch) {
	n := a.Heads.KV * a.Heads.Dim
	for i, slot := range b.SlotMapping {
		k := qkv[i*a.Heads.Width()+a.Heads.Query*a.Heads.Dim:]
		for j := 0; j < n; j += a.Heads.Dim {
			at := int(slot)*n + j
			e.round(e.keys[a.Layer][at:at+a.Heads.Dim], k[j:])
			e.round(e.values[a.Layer][at:at+a.Heads.Dim], k[n+j:])
		}
	}
}

// attendRow computes all heads of one query at position pos.
func (e *refExec) attendRow(a AttentionAttr, q, out []float32, pos int, table []int32) {
	d, n := a.Heads.Dim, a.Heads.KV*a.Heads.Dim
	first := 0
	if a.Window > 0 {
		first = max(0, pos-a.Window+1)
	}
	scores := make([]float32, pos+1-first)
	for h := range a.Heads.Query {
		kv := h / (a.Heads.Query / a.Heads.KV) * d
		for t := range scores {
			slot := e.slot(table, first+t)
			scores[t] = a.Scale * dot(q[h*d:(h+1)*d], e.keys[a.Layer][slot*n+kv:][:d])
		}
		softmax(scores)
		for j := range d {
			var sum float64
			for t, p := range scores {
				sum += float64(p) * float64(e.values[a.Layer][e.slot(table, first+t)*n+kv+j])
			}
			out[h*d+j] = float32(sum)
		}
	}
}

func (e *refExec) slot(table []int32, pos int) int {
	return int(table[pos/e.o.BlockSize])*e.o.BlockSize + pos%e.o.BlockSize
}

func softmax(x []float32) {
	m, sum := slices.Max(x), 0.0
	for i, v := range x {
		p := math.Exp(float64(v - m))
		x[i] = float32(p)
		sum += p
	}
	for i := range x {
		x[i] = float32(float64(x[i]) / sum)
	}
}

func silu(x float32) float32 { return x / (1 + float32(math.Exp(-float64(x)))) }

func (e *refExec) swiGLU(op *Op, b *Batch) {
	x, y, n := e.regs[op.In[0]], e.newReg(op.Out[0], b), e.width(op.Out[0])
	for i := range y {
		row, j := i/n*2*n, i%n
		y[i] = silu(x[row+j]) * x[row+n+j]
	}
}

func (e *refExec) sampleRows(op *Op, b *Batch) {
	x, y, n := e.regs[op.In[0]], e.newReg(op.Out[0], b), e.width(op.Out[0])
	for i, row := range b.SampleRows {
		copy(y[i*n:(i+1)*n], x[int(row)*n:])
	}
}

func (e *refExec) moe(op *Op, b *Batch) {
	a := op.Attr.(MoEAttr)
	x, y, k := e.regs[op.In[0]], e.newReg(op.Out[0], b), e.width(op.In[0])
	scores := make([]float32, a.Experts)
	for r := 0; r < len(x); r += k {
		matmul(scores, a.Experts, 0, x[r:r+k], k, e.weight(op.Weights[0]), nil)
		softmax(scores)
		for _, pick := range topExperts(scores, a) {
			e.expert(op, pick, x[r:r+k], y[r:r+k])
		}
	}
}

type expertPick struct {
	index  int
	weight float32
}

// topExperts orders by weight, the lower index first among equals.
func topExperts(scores []float32, a MoEAttr) []expertPick {
	picks := make([]expertPick, a.Experts)
	for i, s := range scores {
		picks[i] = expertPick{i, s}
	}
	slices.SortStableFunc(picks, func(p, q expertPick) int {
		switch {
		case p.weight > q.weight:
			return -1
		case p.weight < q.weight:
			return 1
		}
		return 0
	})
	picks = picks[:a.TopK]
	if a.Normalise {
		var sum float32
		for _, p := range picks {
			sum += p.weight
		}
		for i := range picks {
			picks[i].weight /= sum
		}
	}
	return picks
}

// expert adds the weighted output of one expert for one row to y.
func (e *refExec) expert(op *Op, pick expertPick, x, y []float32) {
	n, k := op.Weights[1].Shape[1], len(x)
	part := func(w *Weight) []float32 { return e.weight(w)[pick.index*n*k : (pick.index+1)*n*k] }
	hidden, up, out := make([]float32, n), make([]float32, n), make([]float32, k)
	matmul(hidden, n, 0, x, k, part(op.Weights[1]), nil)
	matmul(up, n, 0, x, k, part(op.Weights[2]), nil)
	for i := range hidden {
		hidden[i] = silu(hidden[i]) * up[i]
	}
	matmul(out, k, 0, hidden, n, part(op.Weights[3]), nil)
	for i, v := range out {
		y[i] += pick.weight * v
	}
}
