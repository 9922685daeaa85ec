package hlo

import "testing"

// sink is a module with every opcode, an alias and both kinds of computation.
func sink(t testing.TB, portable bool) *Module {
	b := NewBuilder("sink")
	ids := b.Param("ids", Of(S32, 3))
	table := b.Param("table", Of(BF16, 7, 6))
	cache := b.Param("cache"+MustAlias, Of(BF16, 5, 6))
	scale := b.Param("scale", Of(F32, 3, 6))
	x := b.Convert(b.Rows(table, ids), F32)
	x = b.Add(b.Mul(x, scale), b.Unary(OpLogistic, b.Sub(x, b.Fill(x.Shape, 0.25))))
	mean := b.Div(b.ReduceSum(b.Mul(x, x), 1), b.Fill(Of(F32, 3), 6))
	x = b.Mul(x, b.Broadcast(b.Unary(OpRsqrt, mean), []int{3, 6}, 0))
	kept := b.SetRows(cache, ids, b.Convert(x, BF16))
	dot := b.DotGeneral(b.Convert(x, BF16), kept, DotDims{
		LHSContract: []int{1}, RHSContract: []int{1},
	}, F32)
	valid := b.Compare("LE", b.Iota(Of(S32, 3, 5), 1), b.Broadcast(ids, []int{3, 5}, 0))
	valid = b.Binary(OpAnd, valid, b.Compare("GE", dot, b.Fill(dot.Shape, -100)))
	dot = b.Select(valid, dot, b.Fill(dot.Shape, -1e30))
	top := b.ReduceMax(dot, 1)
	e := b.Unary(OpExp, b.Sub(dot, b.Broadcast(top, []int{3, 5}, 0)))
	lse := b.Add(top, b.Unary(OpLog, b.ReduceSum(e, 1)))
	e = b.AllReduceSum(e, [][]int{{0}})
	e = b.AllGather(b.Binary(OpMaximum, e, b.Unary(OpNegate, e)), 1, [][]int{{0}})
	e = b.Concat(1, e, b.Slice(e, 1, 1, 4))
	values, places := b.TopK(e, 3, portable)
	back := b.Transpose(b.Reshape(values, 9, 1), 1, 0)
	least := b.ReduceMin(b.Binary(OpMinimum, ids, b.Fill(ids.Shape, 9)), 0)
	m, err := b.Build(Output{Name: "lse", Value: lse},
		Output{Name: "cache", Value: kept, Alias: cache},
		Output{Name: "places", Value: places}, Output{Name: "back", Value: back},
		Output{Name: "ids_again", Value: ids},
		Output{Name: "least", Value: least})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
