//go:build cuda

package cuda

import (
	"encoding/binary"
	"math"
	"math/bits"

	"basalt/runtime"
)

// fit gives a matrix as the kernels can read it: scales that lie otherwise than those of
// kernels/linear/small.h make it BF16.
func fit(t runtime.Tensor) runtime.Tensor {
	if kind, _ := kindOf(&t); kind != "" {
		return t
	}
	return t.Widen()
}

// kindNeeded is kindOf after fit, without its work.
func kindNeeded(t *runtime.Tensor) (kind string, shift int) {
	if kind, shift = kindOf(t); kind == "" {
		kind, shift = kindOf(&runtime.Tensor{DType: t.Widened()})
	}
	return kind, shift
}

// scaledKind is the kind of product for a matrix of small floats, and the log2 of the columns that
// share a scale; "" where there is none.
func scaledKind(t *runtime.Tensor) (kind string, shift int) {
	s := t.Scales
	switch {
	case t.DType == runtime.F8_E4M3 && (s == nil || s.Cols >= t.Shape[1]):
		return "f8", 0
	case s == nil:
		return "", 0
	case t.DType == runtime.F8_E4M3 && s.Rows%16 == 0 && s.Cols >= 64 && s.Cols&(s.Cols-1) == 0:
		return "f8b", bits.TrailingZeros(uint(s.Cols))
	case t.DType != runtime.F4_E2M1 || s.Rows != 1:
		return "", 0
	case s.DType == runtime.F8_E8M0 && s.Cols == 32 && s.Factor == 1:
		return "mx4", 5
	case s.DType == runtime.F8_E4M3 && s.Cols == 16:
		return "nv4", 4
	}
	return "", 0
}

// scaleBytes is the size of the scales of a part [n, k] of small floats.
func scaleBytes(kind string, shift, n, k int) int64 {
	tiles, groups := int64(n+15)/16, int64(k+63)/64
	switch kind {
	case "f8":
		return 64 * tiles
	case "f8b":
		return 4 * tiles * ((groups*64 + 1<<shift - 1) >> shift)
	case "mx4":
		return 32 * tiles * groups
	}
	return 64*tiles + 64*tiles*groups
}

// scalesOf lays out the scales of a part as its products read them.
func (m *matrix) scalesOf(t *runtime.Tensor) []byte {
	tiles := (m.n + 15) / 16
	to := make([]byte, 0, scaleBytes(m.kind, m.shift, m.n, m.k))
	scale := func(row, col int) {
		v := float32(1)
		if t.Scales != nil && row < m.n && col < m.k {
			v = t.Scales.At(row, col, m.k)
		}
		to = binary.LittleEndian.AppendUint32(to, math.Float32bits(v))
	}
	switch m.kind {
	case "f8":
		for row := range tiles * 16 {
			scale(row, 0)
		}
	case "f8b":
		for tile := range tiles {
			for col := 0; col < (m.k+63)/64*64; col += 1 << m.shift {
				scale(16*tile, col)
			}
		}
	case "nv4":
		for range tiles * 16 {
			to = binary.LittleEndian.AppendUint32(to, math.Float32bits(t.Scales.Factor))
		}
		to = m.appendBytes(to, t.Scales.Data, m.k/16, 1, 4)
	case "mx4":
		if t.DType == runtime.MXFP4 {
			return m.appendBytes(to, t.Data, m.k/32, 17, 2)
		}
		return m.appendBytes(to, t.Scales.Data, m.k/32, 1, 2)
	}
	return to
}

// appendBytes adds [N/16][K/64][16 rows][each] scales of one byte: a row of the file has count, so
// many bytes apart. What the matrix has not is zero.
func (m *matrix) appendBytes(to, from []byte, count, apart, each int) []byte {
	groups := (m.k + 63) / 64
	for tile := range (m.n + 15) / 16 {
		for group := range groups {
			for i := range 16 * each {
				row, at := 16*tile+i/each, group*each+i%each
				v := byte(0)
				if row < m.n && at < count {
					v = from[(row*count+at)*apart]
				}
				to = append(to, v)
			}
		}
	}
	return to
}
