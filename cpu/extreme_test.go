package cpu

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"basalt/internal/testmodel"
	"basalt/runtime"
)

// extremes overwrites every code of a checkpoint's blocks, and Q6_K's scales with 127.
func extremes(c runtime.Checkpoint, dtype runtime.DType, code byte) runtime.Checkpoint {
	type span struct{ from, to, block int }
	spans := map[runtime.DType]span{
		runtime.Q8_0: {2, 34, 34}, runtime.Q4_0: {2, 18, 18}, runtime.Q4_K: {16, 144, 144},
		runtime.Q5_K: {16, 176, 176}, runtime.Q6_K: {0, 192, 210},
	}
	head, _ := c.Tensor("head")
	for s := spans[dtype]; len(head.Data) > 0; head.Data = head.Data[s.block:] {
		copy(head.Data[s.from:s.to], bytes.Repeat([]byte{code}, s.to-s.from))
		if dtype == runtime.Q6_K {
			copy(head.Data[192:208], bytes.Repeat([]byte{127}, 16))
		}
	}
	return c
}

// TestExtremeCodes puts the greatest sums that a format allows through the products: every code at
// one end of its range, every activation at plus or minus its block's greatest.
func TestExtremeCodes(t *testing.T) {
	devices := openAll(t)
	p := product(t, 40, 256)
	table := testmodel.Weights(p, 1, runtime.F32)
	x, _ := table.Tensor("table")
	for i := range 40 * 256 {
		sign := float32(1 - 2*(i/256%2))
		binary.LittleEndian.PutUint32(x.Data[4*i:], math.Float32bits(sign))
	}
	ids := make([]int32, 26)
	for i := range ids {
		ids[i] = int32(i)
	}
	f := func(dtype runtime.DType, code byte) {
		t.Helper()
		c := mixed{table, extremes(testmodel.Weights(p, 2, dtype), dtype, code)}
		want := whole(t, compile(t, runtime.NewReference(), p, c, testOptions), ids, testOptions)
		for isa, dev := range devices {
			e := compile(t, dev, p, c, testOptions)
			for _, rows := range []int{1, 5, 26} {
				checkRows(t, fmt.Sprintf("%s %s code %#x x %d", isa, dtype, code, rows),
					whole(t, e, ids[:rows], testOptions), want[:rows*p.Vocab], p.Vocab,
					bounds{1e-5, 1e-5})
			}
		}
	}
	f(runtime.Q8_0, 0x81)
	f(runtime.Q8_0, 0x7f)
	for _, dtype := range []runtime.DType{
		runtime.Q4_0, runtime.Q4_K, runtime.Q5_K, runtime.Q6_K,
	} {
		f(dtype, 0x00)
		f(dtype, 0xff)
	}
}
