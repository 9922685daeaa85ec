package testmodel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"basalt/internal/half"
	"basalt/runtime"
)

// Layouts are the formats whose scales lie apart, as published checkpoints have them: FP8 with a
// scale for the tensor, for each row, or for blocks of 128 x 128; MXFP4 and NVFP4.
func Layouts() []string {
	return []string{"fp8-tensor", "fp8-rows", "fp8-blocks", "mxfp4", "nvfp4"}
}

// ScaledWeights is Weights for one of Layouts.
func ScaledWeights(p *runtime.Program, seed uint64, layout string) runtime.Checkpoint {
	c := checkpoint{}
	rng := rand.New(rand.NewPCG(seed, 78))
	for _, w := range p.Weights {
		for _, part := range w.Parts {
			t := draw(rng, w.PartShape(), runtime.F32)
			if len(t.Shape) == 2 {
				t = Scaled(t, layout)
			}
			c[part] = t
		}
	}
	return c
}

// Scaled rounds a matrix in F32 to one of Layouts: the greatest magnitude of a block gets the
// greatest number of the format, or, under a power of two, at least half of it.
func Scaled(t runtime.Tensor, layout string) runtime.Tensor {
	n, k := t.Shape[0], t.Shape[1]
	values := make([]float32, n*k)
	t.Decode(values, 0)
	out := runtime.Tensor{DType: runtime.F8_E4M3, Shape: t.Shape}
	s := &runtime.Scales{DType: runtime.F32, Rows: 128, Cols: 128, Factor: 1}
	switch layout {
	case "fp8-tensor":
		s.Rows, s.Cols = n, k
	case "fp8-rows":
		s.Rows, s.Cols = 1, k
	case "fp8-blocks":
	case "mxfp4":
		out.DType, s.DType, s.Rows, s.Cols = runtime.F4_E2M1, runtime.F8_E8M0, 1, 32
	case "nvfp4":
		out.DType, s.DType, s.Rows, s.Cols = runtime.F4_E2M1, runtime.F8_E4M3, 1, 16
		s.Factor = greatest(values, 0, n, 0, k, k) / (6 * 448)
	default:
		panic(fmt.Sprintf("BUG: no such layout: %q", layout))
	}
	out.Scales = s
	for row := 0; row < n; row += s.Rows {
		for col := 0; col < k; col += s.Cols {
			s.Data = appendScale(s, greatest(values, row, row+s.Rows, col, col+s.Cols, k))
		}
	}
	out.Data = make([]byte, out.DType.RowBytes(n*k))
	for i, v := range values {
		v /= s.At(i/k, i%k, k)
		if out.DType == runtime.F8_E4M3 {
			out.Data[i] = half.ToE4M3(v)
		} else {
			out.Data[i/2] |= half.ToE2M1(v) << (i % 2 * 4)
		}
	}
	return out
}

// greatest is the greatest magnitude in a block of rows of k values.
func greatest(values []float32, row, rowEnd, col, colEnd, k int) float32 {
	var top float32
	for ; row < min(rowEnd, len(values)/k); row++ {
		for _, v := range values[row*k+col : row*k+min(colEnd, k)] {
			top = max(top, float32(math.Abs(float64(v))))
		}
	}
	return top
}

// appendScale adds the scale of a block whose greatest magnitude is top.
func appendScale(s *runtime.Scales, top float32) []byte {
	switch s.DType {
	case runtime.F32:
		return binary.LittleEndian.AppendUint32(s.Data, math.Float32bits(top/448))
	case runtime.F8_E8M0:
		return append(s.Data, byte(int(math.Floor(math.Log2(float64(top))))-2+127))
	default:
		return append(s.Data, half.ToE4M3(top/6/s.Factor))
	}
}
