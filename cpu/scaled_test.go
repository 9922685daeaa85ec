package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"basalt/internal/testmodel"
	"basalt/runtime"
)

// TestScaledFormats: weights with scales beside them are widened at load; products are those of the
// reference, which computes with the values as they are, within the rounding to BF16 (or, for
// MXFP4, of activations to eight bits).
func TestScaledFormats(t *testing.T) {
	devices := openAll(t)
	f := func(layout string, n, k int) {
		p := product(t, n, k)
		c := mixed{testmodel.Weights(p, 1, runtime.F32), testmodel.ScaledWeights(p, 2, layout)}
		ids := randomIDs(rand.New(rand.NewPCG(1, uint64(n*k))), 33, n)
		want := whole(t, compile(t, runtime.NewReference(), p, c, testOptions), ids, testOptions)
		for isa, dev := range devices {
			limit := bounds{5e-3, 1e-2}
			if layout == "mxfp4" {
				limit = bounds{1e-2, 2e-2}
			}
			got := whole(t, compile(t, dev, p, c, testOptions), ids, testOptions)
			checkRows(t, fmt.Sprintf("%s %s [%d, %d]", isa, layout, n, k), got, want, n, limit)
		}
	}
	for _, layout := range testmodel.Layouts() {
		f(layout, 137, 192)
		f(layout, 130, 96)
	}
}

// TestScaledTable: an embedding table in FP8 is widened too, and stays as long as the executable.
func TestScaledTable(t *testing.T) {
	p := product(t, 130, 96)
	c := mixed{testmodel.ScaledWeights(p, 1, "fp8-rows"), testmodel.Weights(p, 2, runtime.F32)}
	ids := randomIDs(rand.New(rand.NewPCG(1, 1)), 33, 130)
	want := whole(t, compile(t, runtime.NewReference(), p, c, testOptions), ids, testOptions)
	e := compile(t, open(t, Config{Threads: 2}), p, c, testOptions)
	checkRows(t, "table", whole(t, e, ids, testOptions), want, 130, bounds{5e-3, 1e-2})
}
