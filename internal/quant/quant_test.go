package quant

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGeometry(t *testing.T) {
	f := func(f Format, name string, values, bytes int) {
		t.Helper()
		if f.String() != name || f.BlockSize() != values || f.BlockBytes() != bytes {
			t.Errorf("%s: %d values in %d bytes", f, f.BlockSize(), f.BlockBytes())
		}
	}
	f(Q8_0, "Q8_0", 32, 34)
	f(Q4_0, "Q4_0", 32, 18)
	f(Q4_K, "Q4_K", 256, 144)
	f(Q5_K, "Q5_K", 256, 176)
	f(Q6_K, "Q6_K", 256, 210)
	f(MXFP4, "MXFP4", 32, 17)
}

func TestEncodeIsWithinHalfAStep(t *testing.T) {
	f := func(f Format, steps float64) {
		t.Helper()
		rng := rand.New(rand.NewPCG(1, 2))
		src, dst := make([]float32, 3200), make([]float32, 3200)
		for i := range src {
			src[i] = float32(rng.NormFloat64())
		}
		clear(src[64:96]) // a block of zeros
		data := make([]byte, len(src)/32*f.BlockBytes())
		f.Encode(data, src)
		f.Decode(dst, data)
		for at := 0; at < len(src); at += 32 {
			block := src[at : at+32]
			top := max(slices.Max(block), -slices.Min(block))
			for i, v := range block {
				// A step is top/steps; the f16 scale adds 2^-11 of the value; Q4_0 clips at +7.
				limit := float64(top)/steps*0.5001 + math.Abs(float64(v))/1024
				if f == Q4_0 && v*slices.MaxFunc(block, byMagnitude) < 0 {
					limit += float64(top) / steps * 0.5
				}
				if diff := math.Abs(float64(dst[at+i] - v)); diff > limit {
					t.Fatalf("%s: %g became %g in a block of %g", f, v, dst[at+i], top)
				}
			}
		}
	}
	f(Q8_0, 127)
	f(Q4_0, 8)
}

func byMagnitude(a, b float32) int {
	switch x, y := math.Abs(float64(a)), math.Abs(float64(b)); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
