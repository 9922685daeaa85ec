//go:build cuda

package cuda

import (
	"cmp"
	"math"
	"slices"

	"basalt/internal/half"
	"basalt/runtime"
)

// exact computes a program in float64, of one sequence whose every row is sampled. Attention reads
// queries, keys and values in the cache's type.
type exact struct {
	c    runtime.Checkpoint
	keep runtime.DType
	ids  []int32
	vals [][][]float64 // by register and row
}

// logitsOf gives the logits of every position.
func logitsOf(p *runtime.Program, c runtime.Checkpoint, keep runtime.DType, ids []int32,
) [][]float64 {
	x := &exact{c, keep, ids, make([][][]float64, len(p.Values))}
	var last [][]float64
	for i := range p.Ops {
		if last = x.op(&p.Ops[i]); len(p.Ops[i].Out) > 0 {
			x.vals[p.Ops[i].Out[0]] = last
		}
	}
	return last
}

// weight gives part i of a weight as rows.
func (x *exact) weight(w *runtime.Weight, i int) [][]float64 {
	t, _ := x.c.Tensor(w.Parts[i])
	flat := make([]float32, t.NumValues())
	t.DType.Decode(flat, t.Data)
	var rows [][]float64
	for row := range slices.Chunk(flat, t.Shape[len(t.Shape)-1]) {
		wide := make([]float64, len(row))
		for j, v := range row {
			wide[j] = float64(v)
		}
		rows = append(rows, wide)
	}
	return rows
}

// each maps the rows of an operation's input.
func (x *exact) each(op *runtime.Op, f func(row []float64, pos int) []float64) [][]float64 {
	out := make([][]float64, len(x.ids))
	for pos, row := range x.vals[op.In[0]] {
		out[pos] = f(row, pos)
	}
	return out
}

func (x *exact) op(op *runtime.Op) [][]float64 {
	switch a := op.Attr.(type) {
	case runtime.NormAttr:
		return x.norm(op, a)
	case runtime.QKNormAttr:
		return x.qkNorm(op, a)
	case runtime.RoPEAttr:
		return x.each(op, func(row []float64, pos int) []float64 { return rotated(row, &a, pos) })
	case runtime.AttentionAttr:
		rows := x.kept(op)
		return x.each(op, func(_ []float64, pos int) []float64 { return attend(rows, a, pos) })
	case runtime.MoEAttr:
		return x.moe(op, a)
	}
	switch op.Kind {
	case runtime.OpEmbed:
		table, out := x.weight(op.Weights[0], 0), make([][]float64, len(x.ids))
		for i, id := range x.ids {
			out[i] = table[id]
		}
		return out
	case runtime.OpLinear, runtime.OpLogits:
		return x.linear(op)
	case runtime.OpSwiGLU:
		return x.each(op, func(row []float64, _ int) []float64 {
			return gated(row[:len(row)/2], row[len(row)/2:])
		})
	case runtime.OpSampleRows:
		return x.vals[op.In[0]]
	}
	panic("BUG: no such operation: " + op.Kind.String())
}

// times is W row.
func times(w [][]float64, row []float64) []float64 {
	out := make([]float64, len(w))
	for o := range w {
		for i, v := range row {
			out[o] += v * w[o][i]
		}
	}
	return out
}

func gated(gate, up []float64) []float64 {
	out := make([]float64, len(up))
	for i, g := range gate {
		out[i] = g / (1 + math.Exp(-g)) * up[i]
	}
	return out
}

func (x *exact) linear(op *runtime.Op) [][]float64 {
	return x.each(op, func(row []float64, _ int) []float64 {
		var out []float64
		for i, w := range op.Weights {
			y := times(x.weight(w, 0), row)
			if op.Biases != nil && op.Biases[i] != nil {
				for j, b := range x.weight(op.Biases[i], 0)[0] {
					y[j] += b
				}
			}
			out = append(out, y...)
		}
		return out
	})
}

func normed(row, w []float64, eps float32) []float64 {
	sum := 0.0
	for _, v := range row {
		sum += v * v
	}
	scale := 1 / math.Sqrt(sum/float64(len(row))+float64(eps))
	out := make([]float64, len(row))
	for i, v := range row {
		out[i] = v * scale * w[i]
	}
	return out
}

func (x *exact) norm(op *runtime.Op, a runtime.NormAttr) [][]float64 {
	w := x.weight(op.Weights[0], 0)[0]
	if len(op.In) > 1 {
		sums := x.each(op, func(row []float64, pos int) []float64 {
			sum := slices.Clone(row)
			for i, r := range x.vals[op.In[1]][pos] {
				sum[i] += r
			}
			return sum
		})
		x.vals[op.Out[1]] = sums
		out := make([][]float64, len(sums))
		for i, sum := range sums {
			out[i] = normed(sum, w, a.Eps)
		}
		return out
	}
	return x.each(op, func(row []float64, _ int) []float64 { return normed(row, w, a.Eps) })
}

func (x *exact) qkNorm(op *runtime.Op, a runtime.QKNormAttr) [][]float64 {
	wq, wk := x.weight(op.Weights[0], 0)[0], x.weight(op.Weights[1], 0)[0]
	return x.each(op, func(row []float64, _ int) []float64 {
		out, d := slices.Clone(row), a.Heads.Dim
		for h := range a.Heads.Query + a.Heads.KV {
			w := wq
			if h >= a.Heads.Query {
				w = wk
			}
			copy(out[h*d:], normed(row[h*d:(h+1)*d], w, a.Eps))
		}
		return out
	})
}

func rotated(row []float64, a *runtime.RoPEAttr, pos int) []float64 {
	out, d, half := slices.Clone(row), a.Heads.Dim, len(a.InvFreq)
	for h := range a.Heads.Query + a.Heads.KV {
		head := out[h*d : (h+1)*d]
		for i, f := range a.InvFreq {
			j, k := i, i+half
			if a.Interleaved {
				j, k = 2*i, 2*i+1
			}
			sin, cos := math.Sincos(float64(pos) * f)
			sin, cos = sin*float64(a.Scale), cos*float64(a.Scale)
			head[j], head[k] = head[j]*cos-head[k]*sin, head[j]*sin+head[k]*cos
		}
	}
	return out
}

// kept are rows of queries, keys and values in the cache's type.
func (x *exact) kept(op *runtime.Op) [][]float64 {
	return x.each(op, func(row []float64, _ int) []float64 {
		out := slices.Clone(row)
		for i, v := range row {
			if x.keep == runtime.BF16 {
				out[i] = float64(half.FromBF16(half.ToBF16(float32(v))))
			}
		}
		return out
	})
}

func attend(rows [][]float64, a runtime.AttentionAttr, pos int) []float64 {
	d, row := a.Heads.Dim, rows[pos]
	out := make([]float64, a.Heads.Query*d)
	first := 0
	if a.Window > 0 {
		first = max(0, pos+1-a.Window)
	}
	for h := range a.Heads.Query {
		kv := h / (a.Heads.Query / a.Heads.KV)
		k, v := (a.Heads.Query+kv)*d, (a.Heads.Query+a.Heads.KV+kv)*d
		var weights []float64
		for _, past := range rows[first : pos+1] {
			dot := times([][]float64{past[k : k+d]}, row[h*d:(h+1)*d])[0]
			weights = append(weights, dot*float64(a.Scale))
		}
		for i, w := range shares(weights) {
			for j := range d {
				out[h*d+j] += w * rows[first+i][v+j]
			}
		}
	}
	return out
}

// shares is the softmax.
func shares(x []float64) []float64 {
	most, sum := slices.Max(x), 0.0
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Exp(v - most)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

func (x *exact) moe(op *runtime.Op, a runtime.MoEAttr) [][]float64 {
	router := x.weight(op.Weights[0], 0)
	return x.each(op, func(row []float64, _ int) []float64 {
		p := shares(times(router, row))
		best := make([]int, len(p))
		for i := range best {
			best[i] = i
		}
		slices.SortStableFunc(best, func(i, j int) int { return cmp.Compare(p[j], p[i]) })
		total := 1.0
		if a.Normalise {
			total = 0
			for _, e := range best[:a.TopK] {
				total += p[e]
			}
		}
		out := make([]float64, len(row))
		for _, e := range best[:a.TopK] {
			up := gated(times(x.weight(op.Weights[1], e), row),
				times(x.weight(op.Weights[2], e), row))
			for i, y := range times(x.weight(op.Weights[3], e), up) {
				out[i] += p[e] / total * y
			}
		}
		return out
	})
}
