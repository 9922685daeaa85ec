package quant

import (
	"encoding/binary"
	"math"
	"os"
	"testing"
)

// TestDecodeEqualsReference: every value has the bits that the gguf package gives
// (testdata/make.py).
func TestDecodeEqualsReference(t *testing.T) {
	for f := range numFormats {
		blocks, err := os.ReadFile("testdata/" + f.String() + ".blocks")
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile("testdata/" + f.String() + ".f32")
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(blocks)/f.BlockBytes()*f.BlockSize())
		if len(got) == 0 || len(got)*4 != len(want) {
			t.Fatalf("%s: %d values, the golden has %d bytes", f, len(got), len(want))
		}
		f.Decode(got, blocks)
		for i, v := range got {
			w := math.Float32frombits(binary.LittleEndian.Uint32(want[4*i:]))
			// A scale of zero gives zeros whose sign has no meaning.
			if math.Float32bits(v) != math.Float32bits(w) && !(v == 0 && w == 0) {
				t.Fatalf("%s: value %d is %g, want %g", f, i, v, w)
			}
		}
	}
}

func TestDecodeRefusesPartsOfBlocks(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("31 values were decoded")
		}
	}()
	Q8_0.Decode(make([]float32, 31), make([]byte, 34))
}
