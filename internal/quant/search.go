package quant

import (
	"encoding/binary"
	"math"
	"slices"

	"basalt/internal/half"
)

// EncodeBest is Encode with scales that are searched for instead of following from the greatest
// value, where that makes a difference: in Q4_0, each block has the scale of least squared error.
// The format, and so the speed of what reads it, is the same.
func (f Format) EncodeBest(dst []byte, src []float32) {
	if f != Q4_0 {
		f.Encode(dst, src)
		return
	}
	checkBlocks(f, len(src))
	var s scaleSearch
	for ; len(src) > 0; src, dst = src[32:], dst[18:] {
		encodeBestQ4_0(dst[:18], src[:32], &s)
	}
}

func encodeBestQ4_0(dst []byte, src []float32, s *scaleSearch) {
	scale := half.ToF16(s.best(src, 8))
	binary.LittleEndian.PutUint16(dst, scale)
	inverse := reciprocal(half.FromF16(scale))
	for i := range 16 {
		low, high := signedCode(src[i]*inverse, 8), signedCode(src[i+16]*inverse, 8)
		dst[2+i] = byte(low+8) | byte(high+8)<<4
	}
}

// signedCode rounds to the nearest of -n to n-1.
func signedCode(x float32, n int32) int32 {
	return max(-n, min(n-1, int32(math.RoundToEven(float64(x)))))
}

// leastTop is a magnitude below which a block's f16 scale is zero anyway; above it the inverse
// scales are finite.
const leastTop = 1e-12

// scaleSearch is the memory of best.
type scaleSearch struct {
	events []uint64 // bits of the inverse scale at which a code changes, then the value's index
	size   []int32  // magnitude of each value's code
}

// best gives the scale d, of either sign, for which the codes round(x/d) of -n to n-1 represent the
// values with the least squared error. Between two inverse scales at which a code changes the codes
// are the same and the best d follows from them: d = sum(x q) / sum(q q), which leaves the error
// sum(x x) - sum(x q)^2 / sum(q q). So every such interval is looked at, from where the greatest
// magnitude has the code n-2 to where it would have n+1.5.
func (s *scaleSearch) best(x []float32, n int32) float32 {
	var top float32
	for _, v := range x {
		top = max(top, float32(math.Abs(float64(v))))
	}
	if !(top > leastTop && top < math.MaxFloat32/float32(2*n)) {
		return top / float32(-n)
	}
	up, gainUp := s.sweep(x, top, n, 1)
	down, gainDown := s.sweep(x, top, n, -1)
	if gainDown > gainUp {
		return down
	}
	return up
}

// sweep looks at the scales of one sign: values of that sign have codes up to n-1, the others down
// to -n.
func (s *scaleSearch) sweep(x []float32, top float32, n int32, sign float32) (float32, float32) {
	low, high := (float32(n)-2)/top, (float32(n)+1.5)/top
	s.events, s.size = s.events[:0], s.size[:0]
	var xq, qq float32
	for i, v := range x {
		limit, a := n, v
		if v*sign > 0 {
			limit = n - 1
		}
		if v < 0 {
			a = -v
		}
		q := min(limit, int32(a*low+0.5))
		s.size = append(s.size, q)
		xq += a * float32(q)
		qq += float32(q) * float32(q)
		for ; q < limit; q++ {
			at := (float32(q) + 0.5) / a
			if !(at < high) {
				break
			}
			s.events = append(s.events, uint64(math.Float32bits(at))<<32|uint64(i))
		}
	}
	slices.Sort(s.events)
	bestScale, bestGain := sign*xq/max(qq, 1), xq*xq/max(qq, 1)
	for _, e := range s.events {
		i := uint32(e)
		xq += float32(math.Abs(float64(x[i])))
		qq += float32(2*s.size[i] + 1)
		s.size[i]++
		if gain := xq * xq / qq; gain > bestGain {
			bestScale, bestGain = sign*xq/qq, gain
		}
	}
	return bestScale, bestGain
}
