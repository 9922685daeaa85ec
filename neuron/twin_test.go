package neuron

import (
	"fmt"
	"slices"
	"testing"

	"basalt/internal/testmodel"
	"basalt/neuron/hlo"
	"basalt/neuron/lower"
	"basalt/runtime"
)

// lines describe a computation without ids and names: two that give the same lines compute the same
// in the same order.
func lines(c *hlo.Computation) []string {
	place := map[*hlo.Instruction]int{}
	var list []string
	for i, in := range c.Instrs {
		place[in] = i
		var operands []int
		for _, x := range in.Operands {
			operands = append(operands, place[x])
		}
		var called [][]string
		for _, x := range in.Called {
			called = append(called, lines(x))
		}
		var literal hlo.Literal
		if in.Literal != nil {
			literal = *in.Literal
		}
		plain := *in
		plain.ID, plain.Name, plain.Operands, plain.Called, plain.Literal = 0, "", nil, nil, nil
		list = append(list, fmt.Sprintf("%+v %v %v %+v", plain, operands, called, literal))
	}
	return append(list, fmt.Sprint("root ", place[c.Root]))
}

// TestShippedGraphsAreTheProvedOnes: XLA on the CPU knows no AwsNeuronTopK, so it runs the portable
// twin of each graph; the twin differs from the graph that ships in that one instruction.
func TestShippedGraphsAreTheProvedOnes(t *testing.T) {
	for _, family := range testmodel.Families() {
		for _, tp := range []int{1, 2} {
			p, _ := newModel(t, family, "many", runtime.F32)
			o := goldenOptions(hlo.BF16)
			o.TP, o.Scope = tp, []lower.Scope{lower.ModelScope, lower.LayerScope}[tp-1]
			var bundles [2]*lower.Bundle
			for i, portable := range []bool{false, true} {
				o.Portable = portable
				var err error
				if bundles[i], err = lower.Program(p, o, goldenBuckets); err != nil {
					t.Fatal(err)
				}
			}
			selections := 0
			for i, g := range bundles[0].Graphs {
				selections += compareTwins(t, g.Module, bundles[1].Graphs[i].Module)
			}
			same := len(bundles[0].Graphs) == len(bundles[1].Graphs)
			if !same || selections != len(goldenBuckets) {
				t.Errorf("%s on %d ranks: %d graphs of %d buckets select", family, tp, selections,
					len(goldenBuckets))
			}
		}
	}
}

// compareTwins gives the number of instructions that differ, which select.
func compareTwins(t *testing.T, native, twin *hlo.Module) int {
	t.Helper()
	a, b := lines(native.Entry), lines(twin.Entry)
	if len(a) != len(b) || !slices.Equal(native.Aliases, twin.Aliases) {
		t.Fatalf("%d and %d instructions, aliases %v and %v", len(a), len(b), native.Aliases,
			twin.Aliases)
	}
	differ := 0
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		differ++
		x, y := native.Entry.Instrs[i], twin.Entry.Instrs[i]
		if x.Op != hlo.OpCustomCall || x.Target != hlo.TopKTarget || y.Op != hlo.OpCall ||
			!x.Shape.Equal(y.Shape) {
			t.Errorf("%s became %s", a[i], b[i])
		}
	}
	return differ
}
