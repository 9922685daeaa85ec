package lower

import (
	"basalt/neuron/hlo"
	"basalt/runtime"
)

// mixture is what the lowering of one OpMoE shares.
type mixture struct {
	*lowering
	op   *runtime.Op
	a    runtime.MoEAttr
	x    *hlo.Instruction // [R, k]
	rows int
	// The router's choice: for each row the weight of every expert (0 for those not chosen) and
	// whether it is chosen [R, E]; and the chosen experts with their weights [R, TopK].
	gates, chosen *hlo.Instruction
	ids, weights  *hlo.Instruction
}

// moe sends rows through their best experts. Where few rows choose few of many experts, the chosen
// experts' matrices are gathered; else every expert computes every row, and what was not chosen
// counts as zero. Experts are split over ranks by their inner width.
func (l *lowering) moe(op *runtime.Op) {
	x := l.array(op.In[0])
	m := &mixture{
		lowering: l, op: op, a: op.Attr.(runtime.MoEAttr), x: x, rows: x.Shape.Dims[0],
	}
	m.route()
	up, down := m.stacks()
	var y *hlo.Instruction
	if len(up) == 1 && len(down) == 1 && m.rows*m.a.TopK < m.a.Experts {
		y = m.selected(up[0], down[0])
	} else {
		y = m.dense(up, down)
	}
	if l.r.place.ranks > 1 {
		y = l.b.AllReduceSum(y, l.r.place.groups())
	}
	l.set(op.Out[0], y)
}

// route takes the TopK best of a softmax over all experts, the lower number first among equals, by
// as many searches for the greatest.
func (m *mixture) route() {
	b := m.b
	w := m.op.Weights[0]
	scores := m.router(w)
	e := b.Unary(hlo.OpExp, b.Sub(scores, m.spread(b.ReduceMax(scores, 1), scores, 0)))
	left := b.Div(e, m.spread(b.ReduceSum(e, 1), e, 0))
	place := b.Iota(hlo.Of(hlo.S32, left.Shape.Dims...), 1)
	last := b.Fill(place.Shape, float64(m.a.Experts-1))
	m.gates = b.Fill(left.Shape, 0)
	m.chosen = b.Compare("LT", place, b.Fill(place.Shape, 0)) // none yet
	var ids, weights []*hlo.Instruction
	for range m.a.TopK {
		best := b.ReduceMax(left, 1)
		at := b.Select(b.Compare("EQ", left, m.spread(best, left, 0)), place, last)
		id := b.ReduceMin(at, 1)
		mine := b.Compare("EQ", place, m.spread(id, place, 0))
		m.gates = b.Select(mine, m.spread(best, left, 0), m.gates)
		m.chosen = b.Select(mine, b.Compare("GE", place, b.Fill(place.Shape, 0)), m.chosen)
		left = b.Select(mine, b.Fill(left.Shape, -1), left)
		ids = append(ids, b.Reshape(id, m.rows, 1))
		weights = append(weights, b.Reshape(best, m.rows, 1))
	}
	m.ids, m.weights = b.Concat(1, ids...), b.Concat(1, weights...)
	if m.a.Normalise {
		sum := b.ReduceSum(m.weights, 1)
		m.gates = b.Div(m.gates, m.spread(sum, m.gates, 0))
		m.weights = b.Div(m.weights, m.spread(sum, m.weights, 0))
	}
}

// router scores every expert in float32, whatever the type of the other products: a choice that
// rounding tips over would change the whole row.
func (m *mixture) router(w *runtime.Weight) *hlo.Instruction {
	piece := part{name: w.Parts[0], rows: w.Shape[0], cols: w.Shape[1]}.piece(1)
	t := m.input(Tensor{
		Name: w.Name, Shape: hlo.Of(hlo.F32, w.Shape[1], w.Shape[0]), Role: Weight,
		Source: &Source{Groups: [][]Piece{{piece}}, Transposed: true},
	})
	return m.b.DotGeneral(m.x, t, hlo.DotDims{
		LHSContract: []int{1}, RHSContract: []int{0},
	}, hlo.F32)
}

// stack is the matrices of some experts: [E, in, out], and the scales [E, out] of f8 weights.
type stack struct {
	first, experts int
	w, scale       *hlo.Instruction
}

// stacks gives gate and up side by side, and down, each cut along the experts where a tensor would
// be too large; both are cut at the same places.
func (m *mixture) stacks() (up, down []stack) {
	gate, ranks := m.op.Weights[1], m.r.place.ranks
	inner, width := gate.Shape[1], gate.Shape[2]
	perExpert := max(2*inner/ranks*width*m.o.Weights.Size(), 1)
	fit := m.fitting(perExpert)
	upName := joined([]string{m.op.Weights[1].Name, m.op.Weights[2].Name})
	for at := 0; at < m.a.Experts; at += fit {
		n := min(fit, m.a.Experts-at)
		var ups, downs [][]Piece
		for e := at; e < at+n; e++ {
			q := part{rows: inner, cols: width, byRows: ranks > 1}
			var pair []Piece
			for _, w := range m.op.Weights[1:3] {
				q.name = w.Parts[e]
				pair = append(pair, q.piece(ranks))
			}
			ups = append(ups, pair)
			d := part{name: m.op.Weights[3].Parts[e], rows: width, cols: inner, byCols: ranks > 1}
			downs = append(downs, []Piece{d.piece(ranks)})
		}
		i := len(up)
		up = append(up, m.stack(numbered(upName, i), at, ups))
		down = append(down, m.stack(numbered(m.op.Weights[3].Name, i), at, downs))
	}
	return up, down
}

func (m *mixture) stack(name string, at int, groups [][]Piece) stack {
	in, out := groups[0][0].Cols, 0
	for _, p := range groups[0] {
		out += p.Rows
	}
	src := &Source{Groups: groups, Transposed: true}
	s := stack{first: at, experts: len(groups)}
	s.w = m.input(Tensor{
		Name: name, Shape: hlo.Of(m.o.Weights, len(groups), in, out), Role: Weight, Source: src,
	})
	if m.o.Weights == hlo.F8E4M3FN {
		s.scale = m.input(Tensor{
			Name: name + ".scale", Shape: hlo.Of(hlo.F32, len(groups), out), Role: Scale,
			Source: src,
		})
	}
	return s
}

// dense computes all experts on all rows, stack by stack.
func (m *mixture) dense(up, down []stack) *hlo.Instruction {
	b := m.b
	var sum *hlo.Instruction
	for i, s := range up {
		y := m.dot(m.x, m.operand(s.w), 0, hlo.DotDims{
			LHSContract: []int{1}, RHSContract: []int{1},
		}) // [R, E, 2n]
		if s.scale != nil {
			y = b.Mul(y, m.spread(s.scale, y, 1, 2))
		}
		h := m.swiGLU(y)
		end := s.first + s.experts
		gates, chosen := b.Slice(m.gates, 1, s.first, end), b.Slice(m.chosen, 1, s.first, end)
		h = b.Mul(h, m.spread(gates, h, 0, 1))
		h = b.Select(m.spread(chosen, h, 0, 1), h, b.Fill(h.Shape, 0))
		y = m.contract(h, down[i])
		if sum == nil {
			sum = y
		} else {
			sum = b.Add(sum, y)
		}
	}
	return sum
}

// contract is hidden [R, E, n] times down [E, n, k], added over the experts. Scales belong to one
// expert, so with them the sum comes last.
func (m *mixture) contract(h *hlo.Instruction, s stack) *hlo.Instruction {
	if s.scale == nil {
		return m.dot(h, m.operand(s.w), 0, hlo.DotDims{
			LHSContract: []int{1, 2}, RHSContract: []int{0, 1},
		})
	}
	y := m.dot(h, m.operand(s.w), 0, hlo.DotDims{
		LHSBatch: []int{1}, RHSBatch: []int{0}, LHSContract: []int{2}, RHSContract: []int{1},
	}) // [E, R, k]
	return m.b.ReduceSum(m.b.Mul(y, m.spread(s.scale, y, 0, 2)), 0)
}

// selected gathers the matrices of the chosen experts.
func (m *mixture) selected(up, down stack) *hlo.Instruction {
	b := m.b
	w := m.operand(b.Rows(up.w, m.ids)) // [R, K, k, 2n]
	y := m.dotAlone(m.x, w, hlo.DotDims{
		LHSBatch: []int{0}, RHSBatch: []int{0}, LHSContract: []int{1}, RHSContract: []int{2},
	}) // [R, K, 2n]
	if up.scale != nil {
		y = b.Mul(y, b.Rows(up.scale, m.ids))
	}
	h := m.swiGLU(y)
	h = b.Mul(h, m.spread(m.weights, h, 0, 1))
	w = m.operand(b.Rows(down.w, m.ids)) // [R, K, n, k]
	if down.scale == nil {
		return m.dotAlone(h, w, hlo.DotDims{
			LHSBatch: []int{0}, RHSBatch: []int{0}, LHSContract: []int{1, 2},
			RHSContract: []int{1, 2},
		})
	}
	y = m.dotAlone(h, w, hlo.DotDims{
		LHSBatch: []int{0, 1}, RHSBatch: []int{0, 1}, LHSContract: []int{2}, RHSContract: []int{2},
	}) // [R, K, k]
	return b.ReduceSum(b.Mul(y, b.Rows(down.scale, m.ids)), 1)
}
