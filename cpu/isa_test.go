package cpu

import (
	"testing"

	"basalt/internal/golden"
	"basalt/runtime"
)

// nearTie is the distance in logits within which two ids count as equally likely. maxNearTies is
// the share of positions that such a distance may decide.
const (
	nearTie     = 0.02
	maxNearTies = 0.01
)

// TestPortableTokensAreTheNative: along every golden path, the portable kernels choose the ids that
// the processor's own kernels choose.
func TestPortableTokensAreTheNative(t *testing.T) {
	native, portable := open(t, Config{}), open(t, Config{ISA: "portable"})
	name := native.Info().Features[0]
	if name == "portable" {
		t.Skip("this processor has no kernels of its own")
	}
	entries, err := golden.Folders("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	positions, ties := 0, 0
	for _, e := range entries {
		t.Run(e.Name, func(t *testing.T) {
			want := goldenRows(t, native, e, runtime.BF16)
			got := goldenRows(t, portable, e, runtime.BF16)
			n, tied := compareTokens(t, e, got, want)
			positions, ties = positions+n, ties+tied
		})
	}
	t.Logf("portable and %s: %d of %d positions are near-ties that fell to the other side", name,
		ties, positions)
	if positions == 0 || float64(ties) > maxNearTies*float64(positions) {
		t.Errorf("%d near-ties of %d positions are more than %g", ties, positions, maxNearTies)
	}
}

// goldenRows gives the logits of every case and position.
func goldenRows(t *testing.T, dev *Device, e golden.Entry, kv runtime.DType) [][][]float32 {
	t.Helper()
	exec, o := compileGolden(t, dev, e, kv)
	var all [][][]float32
	for i := range e.File.Cases {
		rows, err := e.File.Run(exec, &e.File.Cases[i], o.BlockSize, o.MaxTokens)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows)
	}
	return all
}

func compareTokens(t *testing.T, e golden.Entry, got, want [][][]float32) (positions, ties int) {
	t.Helper()
	for i := range want {
		for j, w := range want[i] {
			g := got[i][j]
			a, b := argmax(w), argmax(g)
			positions++
			if a == b {
				continue
			}
			ties++
			if margin := max(w[a]-w[b], g[b]-g[a]); !(margin < nearTie) {
				t.Errorf("%s, position %d: portable has id %d, not %d, by %.3g",
					e.File.Cases[i].Name, j, b, a, margin)
			}
		}
	}
	return positions, ties
}

func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}
