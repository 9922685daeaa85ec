package quant

import (
	"math"
	"math/rand/v2"
	"testing"
)

func squaredError(f Format, encode func(dst []byte, src []float32), src []float32) float64 {
	data := make([]byte, len(src)/f.BlockSize()*f.BlockBytes())
	encode(data, src)
	back := make([]float32, len(src))
	f.Decode(back, data)
	var sum float64
	for i, v := range src {
		sum += float64(v-back[i]) * float64(v-back[i])
	}
	return sum
}

func normal(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * 0.02)
	}
	return x
}

// TestRelativeError holds the figures of doc.go.
func TestRelativeError(t *testing.T) {
	x := normal(256*256, 3)
	var all float64
	for _, v := range x {
		all += float64(v) * float64(v)
	}
	f := func(f Format, encode func(dst []byte, src []float32), percent float64) {
		t.Helper()
		got := 100 * math.Sqrt(squaredError(f, encode, x)/all)
		if math.Abs(got-percent) > 0.01*percent {
			t.Errorf("%s: relative error %.3f %%, want %.2f", f, got, percent)
		}
	}
	f(Q8_0, Q8_0.Encode, 0.53)
	f(Q6_K, Q6_K.Encode, 1.69)
	f(Q5_K, Q5_K.Encode, 3.44)
	f(Q4_K, Q4_K.Encode, 6.98)
	f(Q4_0, Q4_0.EncodeBest, 8.09)
	f(Q4_0, Q4_0.Encode, 8.60)
}

// TestSearchedScaleIsBest: no scale of a fine grid represents a block better than the one found.
func TestSearchedScaleIsBest(t *testing.T) {
	var s scaleSearch
	for seed := range uint64(60) {
		x := normal(32, seed)
		x[seed%32] *= float32(1 + seed%4)
		found := codeError(x, s.best(x, 8), 8)
		var top float32
		for _, v := range x {
			top = max(top, float32(math.Abs(float64(v))))
		}
		for step := range 4000 {
			inverse := (6 + 3.5*float32(step)/4000) / top
			for _, d := range []float32{1 / inverse, -1 / inverse} {
				if e := codeError(x, d, 8); e < found*(1-1e-5) {
					t.Fatalf("seed %d: scale %g has the error %g, the one found %g", seed, d, e,
						found)
				}
			}
		}
	}
}

func codeError(x []float32, d float32, n int32) float64 {
	var sum float64
	for _, v := range x {
		diff := float64(v) - float64(d)*float64(signedCode(v/d, n))
		sum += diff * diff
	}
	return sum
}

// TestBestIsNeverWorse compares block by block, on values of many shapes.
func TestBestIsNeverWorse(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 2000 {
		x := normal(32, uint64(i))
		for j := range x {
			switch i % 5 {
			case 1:
				x[j] = float32(math.Abs(float64(x[j])))
			case 2:
				x[j] *= x[j] * 40
			case 3:
				x[j] = float32(rng.IntN(3) - 1)
			case 4:
				x[j] *= float32(rng.IntN(2))
			}
		}
		plain, best := squaredError(Q4_0, Q4_0.Encode, x), squaredError(Q4_0, Q4_0.EncodeBest, x)
		if best > plain*1.001+1e-12 { // the f16 scale may round to the other side
			t.Fatalf("block %d: error %g searched, %g plain: %v", i, best, plain, x)
		}
	}
}

// TestEncodeUnusualBlocks: values that a format represents exactly come back, and none panics.
func TestEncodeUnusualBlocks(t *testing.T) {
	formats := []Format{Q8_0, Q4_0, Q4_K, Q5_K, Q6_K}
	f := func(name string, value func(i int) float32, tolerance float64) {
		t.Helper()
		x := make([]float32, 256)
		var all float64
		for i := range x {
			x[i] = value(i)
			all += float64(x[i]) * float64(x[i])
		}
		for _, f := range formats {
			for _, e := range []func([]byte, []float32){f.Encode, f.EncodeBest} {
				if got := math.Sqrt(squaredError(f, e, x)); got > tolerance*math.Sqrt(all) {
					t.Errorf("%s of %s: error %g of %g", f, name, got, math.Sqrt(all))
				}
			}
		}
	}
	f("zeros", func(int) float32 { return 0 }, 0)
	f("ones", func(int) float32 { return 1 }, 2e-3)
	f("minus ones", func(int) float32 { return -1 }, 2e-3)
	f("one spike", func(i int) float32 {
		if i == 77 {
			return -3
		}
		return 0
	}, 3e-3)
	f("signs", func(i int) float32 { return float32(i%3 - 1) }, 0.13)
	nan := func(int) float32 { return float32(math.NaN()) }
	huge := func(i int) float32 { return float32(1-2*(i%2)) * math.MaxFloat32 }
	infinite := func(int) float32 { return float32(math.Inf(1)) }
	tiny := func(i int) float32 { return math.SmallestNonzeroFloat32 * float32(i) }
	for _, value := range []func(int) float32{nan, huge, infinite, tiny} {
		f("nonsense", value, math.Inf(1))
	}
}
