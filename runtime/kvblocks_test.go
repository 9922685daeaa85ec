package runtime

import (
	"math"
	"strings"
	"testing"
)

// TestBytesHoldTwiceTheTokens: for the same memory, a cache of bytes has 2 dim / (dim + 4) times
// the blocks of BF16 (each head has a scale of 4 bytes), and twice as many of F32.
func TestBytesHoldTwiceTheTokens(t *testing.T) {
	f := func(dim int, want float64) {
		t.Helper()
		p := &Program{KV: KVSpec{Layers: 16, KVHeads: 8, Dim: dim}}
		blocks := map[DType]float64{}
		for _, d := range []DType{F32, BF16, INT8} {
			n, err := NumKVBlocks(p, CompileOptions{
				KVBytes: 1 << 30, KVDType: d, BlockSize: 16, MaxSeqs: 1 << 20, MaxContext: 4096,
			})
			if err != nil {
				t.Fatal(err)
			}
			blocks[d] = float64(n)
		}
		got := blocks[INT8] / blocks[BF16]
		if math.Abs(got-want) > 5e-3 || math.Abs(got-2*float64(dim)/float64(dim+4)) > 5e-3 {
			t.Errorf("heads of %d: %.3f times the blocks of BF16, want %.3f", dim, got, want)
		}
		if got := blocks[INT8] / blocks[F32]; math.Abs(got-2*want) > 1e-2 {
			t.Errorf("heads of %d: %.3f times the blocks of F32, want %.3f", dim, got, 2*want)
		}
	}
	f(64, 1.882)
	f(128, 1.939)
	f(256, 1.969)
	f(8, 1.333)
}

func TestParseKVDType(t *testing.T) {
	f := func(name string, want DType) {
		t.Helper()
		if got, err := ParseKVDType(name); err != nil || got != want {
			t.Errorf("%q is %s, %v", name, got, err)
		}
	}
	f("f32", F32)
	f("BF16", BF16)
	f("int8", INT8)
	f("INT8", INT8)
	for _, name := range []string{"", "f16", "q8_0", "int4", "fp8", "auto", "int8 "} {
		if _, err := ParseKVDType(name); err == nil ||
			!strings.Contains(err.Error(), "f32, bf16 or int8") {
			t.Errorf("%q gives %v, want the names that are known", name, err)
		}
	}
}
