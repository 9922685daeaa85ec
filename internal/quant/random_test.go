package quant

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestRandomHasTheSpread(t *testing.T) {
	f := func(f Format, spread float64) {
		t.Helper()
		const blocks = 400
		data := make([]byte, blocks*f.BlockBytes())
		f.Random(data, spread, rand.New(rand.NewPCG(3, 4)))
		values := make([]float32, blocks*f.BlockSize())
		f.Decode(values, data)
		var sum, squares float64
		for _, v := range values {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		n := float64(len(values))
		mean := sum / n
		deviation := math.Sqrt(squares/n - mean*mean)
		if math.Abs(deviation/spread-1) > 0.08 || math.Abs(mean) > 0.15*spread {
			t.Errorf("%s: mean %g, deviation %g, want 0 and %g", f, mean, deviation, spread)
		}
	}
	for format := range numFormats {
		f(format, 0.02)
		f(format, 3)
	}
}
