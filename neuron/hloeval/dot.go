package hloeval

import (
	"slices"

	"basalt/neuron/hlo"
)

// dot brings both operands to [batch, rows, contracted] and multiplies rows with rows.
func dot(in *hlo.Instruction, ops []Value) (Value, error) {
	n := in.Dot
	a, m := arrange(ops[0], n.LHSBatch, n.LHSContract)
	b, cols := arrange(ops[1], n.RHSBatch, n.RHSContract)
	k := 1
	for _, d := range n.LHSContract {
		k *= ops[0].Shape.Dims[d]
	}
	out := Make(in.Shape)
	batches := len(out.F) / max(m*cols, 1)
	for i := range batches {
		multiply(out.F[i*m*cols:(i+1)*m*cols], a.F[i*m*k:(i+1)*m*k], b.F[i*cols*k:(i+1)*cols*k], k)
	}
	round(in.Shape.DType, out.F)
	return out, nil
}

// arrange gives x as [batch, rest, contract] and the number of rest rows.
func arrange(x Value, batch, contract []int) (Value, int) {
	rest := split(x.Shape.Rank(), append(slices.Clone(batch), contract...))
	rows := 1
	for _, d := range rest {
		rows *= x.Shape.Dims[d]
	}
	return permute(x, slices.Concat(batch, rest, contract)), rows
}

// multiply is out[i][j] = a[i] . b[j] for rows of k numbers, each sum in ascending order.
func multiply(out, a, b []float32, k int) {
	m, n := len(a)/k, len(b)/k
	wide := make([]float64, k)
	for i := range m {
		for j, v := range a[i*k : (i+1)*k] {
			wide[j] = float64(v)
		}
		row, j := out[i*n:(i+1)*n], 0
		for ; j+4 <= n; j += 4 {
			four(row[j:j+4], wide, b[j*k:(j+4)*k])
		}
		for ; j < n; j++ {
			var sum float64
			for l, v := range b[j*k : (j+1)*k] {
				sum += wide[l] * float64(v)
			}
			row[j] = float32(sum)
		}
	}
}

// four is the products of x with four rows side by side, because one sum alone waits for itself. It
// reads what its callers have read too, so the race detector need not look again.
//
//go:norace
func four(out []float32, x []float64, b []float32) {
	k := len(x)
	b0, b1, b2, b3 := b[:k], b[k:2*k], b[2*k:3*k], b[3*k:4*k]
	var s0, s1, s2, s3 float64
	for l, v := range x {
		s0 += v * float64(b0[l])
		s1 += v * float64(b1[l])
		s2 += v * float64(b2[l])
		s3 += v * float64(b3[l])
	}
	out[0], out[1], out[2], out[3] = float32(s0), float32(s1), float32(s2), float32(s3)
}
