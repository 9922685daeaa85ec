package neuron

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"basalt/internal/testmodel"
	"basalt/neuron/hlo"
	"basalt/neuron/hloeval"
	"basalt/neuron/lower"
	"basalt/neuron/simulate"
	"basalt/runtime"
)

// graphCase is one graph with its inputs on each rank, as a run of a small batch met it, and what
// the evaluator made of them.
type graphCase struct {
	name       string
	graph      *lower.Graph
	args, outs [][]hloeval.Value // by rank
}

// recipe is a bundle whose graphs become cases.
type recipe struct {
	name string
	p    *runtime.Program
	c    runtime.Checkpoint
	o    lower.Options
	keep func(call, calls int) bool // which graphs of a routine; nil keeps all
}

func goldenOptions(compute hlo.DType) lower.Options {
	return lower.Options{
		Compute: compute, Weights: compute, KV: compute, Blocks: 7, BlockSize: 4, MaxContext: 24,
		TP: 1, Scope: lower.ModelScope, TopK: 40, Portable: true, TwoParts: true,
	}
}

var goldenBuckets = []lower.Bucket{
	{Kind: lower.Prefill, Tokens: 8, Rows: 2, Context: 24},
	{Kind: lower.Decode, Tokens: 4, Rows: 4, Context: 24},
}

// onceRounded marks graphs of BF16 products whose activations are in one part.
const onceRounded = "-once"

// recipes list what is compared with XLA: every operation alone, every kind of layer, whole models,
// f8 weights, weights in several tensors, and 2 and 4 ranks.
func recipes(t testing.TB) []recipe {
	var list []recipe
	for _, d := range []hlo.DType{hlo.F32, hlo.BF16} {
		list = append(list, opRecipes(t, d)...)
		for _, family := range testmodel.Families() {
			for _, scope := range []lower.Scope{lower.ModelScope, lower.LayerScope} {
				r := modelRecipe(t, family, "narrow", d)
				r.o.Scope = scope
				r.name += "-" + string(scope)
				list = append(list, r)
			}
		}
	}
	for _, family := range testmodel.Families() {
		r := modelRecipe(t, family, "narrow", hlo.BF16)
		r.o.TwoParts = false
		r.name += onceRounded
		list = append(list, r)
	}
	for _, family := range []string{"llama", "qwen3_moe"} {
		r := modelRecipe(t, family, "narrow", hlo.BF16)
		r.o.Weights = hlo.F8E4M3FN
		r.name += "-f8"
		list = append(list, r)
		r = modelRecipe(t, family, "narrow", hlo.F32)
		r.o.MaxTensor = 9000
		r.name += "-split"
		list = append(list, r)
	}
	for _, tp := range []struct {
		family, size string
		ranks        int
	}{{"llama", "many", 2}, {"qwen3", "many", 4}, {"mixtral", "wide", 2}, {"qwen2", "wide", 4}} {
		for _, d := range []hlo.DType{hlo.F32, hlo.BF16} {
			r := modelRecipe(t, tp.family, tp.size, d)
			r.o.TP = tp.ranks
			r.name += fmt.Sprintf("-tp%d", tp.ranks)
			list = append(list, r)
		}
	}
	return list
}

func modelRecipe(t testing.TB, family, size string, d hlo.DType) recipe {
	p, c := newModel(t, family, size, runtime.F32)
	return recipe{name: family + "-" + d.String(), p: p, c: c, o: goldenOptions(d)}
}

// opRecipes keep the graph of the operation itself, between the embedding and the head; the
// operation embed keeps both of those.
func opRecipes(t testing.TB, d hlo.DType) []recipe {
	var list []recipe
	programs := opPrograms(t)
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		r := recipe{name: "op-" + name + "-" + d.String(), p: programs[name], o: goldenOptions(d)}
		r.c = opWeights(r.p, runtime.F32)
		r.o.Scope = lower.LayerScope
		if name != "embed" {
			r.keep = func(call, calls int) bool { return call == calls-2 }
		}
		list = append(list, r)
	}
	return list
}

// cases runs a recipe on a small batch whose runs are padded, over a cache full of other numbers,
// and keeps each graph's last run.
func (r *recipe) cases(t testing.TB) []graphCase {
	t.Helper()
	b, err := lower.Program(r.p, r.o, goldenBuckets)
	if err != nil {
		t.Fatal(err)
	}
	m, err := simulate.New(b, r.c)
	if err != nil {
		t.Fatal(err)
	}
	dirty(b, m)
	found := make([]graphCase, len(b.Graphs))
	var mu sync.Mutex
	m.Trace = func(rank, graph int, args, outs []hloeval.Value) {
		mu.Lock()
		defer mu.Unlock()
		g := &found[graph]
		if g.graph == nil {
			g.graph = &b.Graphs[graph]
			g.args, g.outs = make([][]hloeval.Value, r.o.TP), make([][]hloeval.Value, r.o.TP)
		}
		g.args[rank], g.outs[rank] = args, outs
	}
	r.play(t, b, m)
	var list []graphCase
	for _, routine := range b.Routines {
		for i, call := range routine.Calls {
			g := &found[call.Graph]
			if g.name == "" && (r.keep == nil || r.keep(i, len(routine.Calls))) {
				g.name = r.name + "/" + g.graph.Name
				list = append(list, *g)
			}
		}
	}
	return list
}

// dirty fills the caches with numbers that no sequence wrote.
func dirty(b *lower.Bundle, m *simulate.Machine) {
	rng := rand.New(rand.NewPCG(4, 4))
	for i := range b.Tensors {
		if b.Tensors[i].Role != lower.Cache {
			continue
		}
		for rank := range b.Options.TP {
			xs := make([]float32, b.Tensors[i].Shape.Elems())
			for j := range xs {
				xs[j] = float32(rng.NormFloat64())
			}
			v := hloeval.Floats(b.Tensors[i].Shape.DType, xs, b.Tensors[i].Shape.Dims...)
			m.Set(rank, b.Tensors[i].Name, v)
		}
	}
}

// play runs two prompts and a decode step; the last prefill run has 5 of 8 tokens, the decode run 2
// of 4 sequences.
func (r *recipe) play(t testing.TB, b *lower.Bundle, m *simulate.Machine) {
	o := testOptions
	o.BlockSize, o.MaxContext, o.MaxSeqs = 4, 12, 2
	x, err := newExecutable(r.p, o, b, m)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	w, rng := newBatcher(o), rand.New(rand.NewPCG(6, 6))
	w.blocks = []int32{4, 1, 6, 0, 3, 5}
	w.add(0, randomIDs(rng, 10, r.p.Vocab), false)
	w.add(1, randomIDs(rng, 5, r.p.Vocab), false)
	w.step(t, x)
	w.add(0, randomIDs(rng, 1, r.p.Vocab), false)
	w.add(1, randomIDs(rng, 1, r.p.Vocab), false)
	w.step(t, x)
}
