package neuron

import (
	"testing"

	"basalt/internal/testmodel"
	"basalt/neuron/lower"
	"basalt/runtime"
)

// TestModelsMatchTheReference: whole models of every family, prefill and decode, padding and paged
// cache included, in both scopes.
func TestModelsMatchTheReference(t *testing.T) {
	for _, family := range testmodel.Families() {
		for _, scope := range []lower.Scope{lower.ModelScope, lower.LayerScope} {
			t.Run(family+"/"+string(scope), func(t *testing.T) {
				t.Parallel()
				p, c := newModel(t, family, "odd", runtime.F32)
				want := rows(t, reference(t, p, c, testOptions), p.Vocab, testOptions)
				o := lowerOptions()
				o.Scope = scope
				got := rows(t, simulated(t, p, c, o, testOptions), p.Vocab, testOptions)
				checkRows(t, family, got, want, p.Vocab, 1e-5)
			})
		}
	}
}
