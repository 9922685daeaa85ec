package lower

import (
	"slices"

	"basalt/neuron/hlo"
)

// dot multiplies activations x, float32, with y and adds up in float32. A BF16 y takes x rounded to
// BF16, or as two parts, which stand one behind the other along an axis of x that is neither a
// batch nor contracted: twice the rows against one reading of y. A tensor engine holds 128 rows of
// x while y passes by, so that a decode step's two parts cost what one costs.
func (l *lowering) dot(x, y *hlo.Instruction, rows int, n hlo.DotDims) *hlo.Instruction {
	d := y.Shape.DType
	if !l.splits(d) {
		return l.b.DotGeneral(l.b.Convert(x, d), y, n, hlo.F32)
	}
	high, low := l.parts(x)
	z := l.b.DotGeneral(l.b.Concat(rows, high, low), y, n, hlo.F32)
	axis := len(n.LHSBatch)
	for i := range rows {
		if !slices.Contains(n.LHSBatch, i) && !slices.Contains(n.LHSContract, i) {
			axis++
		}
	}
	half := x.Shape.Dims[rows]
	return l.b.Add(l.b.Slice(z, axis, 0, half), l.b.Slice(z, axis, half, 2*half))
}

func (l *lowering) splits(d hlo.DType) bool { return d == hlo.BF16 && l.o.TwoParts }

// dotAlone is dot for an x whose axes are all batches or contracted; batches come first.
func (l *lowering) dotAlone(x, y *hlo.Instruction, n hlo.DotDims) *hlo.Instruction {
	if !l.splits(y.Shape.DType) {
		return l.b.DotGeneral(l.b.Convert(x, y.Shape.DType), y, n, hlo.F32)
	}
	at := len(n.LHSBatch)
	x = l.b.Reshape(x, slices.Insert(slices.Clone(x.Shape.Dims), at, 1)...)
	n.LHSContract = slices.Clone(n.LHSContract)
	for i := range n.LHSContract {
		n.LHSContract[i]++
	}
	z := l.dot(x, y, at, n)
	return l.b.Reshape(z, slices.Delete(slices.Clone(z.Shape.Dims), at, at+1)...)
}

// dekker is 2^16 + 1: the 24 bits of a float32 less 16 are the 8 of a BF16.
const dekker = 1<<16 + 1

// parts gives two BF16 arrays whose sum is x but for a part in 2^17: x to 8 bits, and the rest to 8
// bits. The first is found with a product and two differences (Dekker, "A floating-point technique
// for extending the available precision", 1971) instead of a conversion there and back, which
// compilers take for nothing; a fused multiply-add gives the same.
func (l *lowering) parts(x *hlo.Instruction) (high, low *hlo.Instruction) {
	b := l.b
	far := b.Mul(x, b.Fill(x.Shape, dekker))
	first := b.Sub(far, b.Sub(far, x))
	return b.Convert(first, hlo.BF16), b.Convert(b.Sub(x, first), hlo.BF16)
}
