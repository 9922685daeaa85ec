package quant

import (
	"encoding/binary"
	"math"

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

// scaleSteps is the number of inverse scales that are looked at for each sign.
const scaleSteps = 64

// scaleSearch is the memory of bestScale: what changes in sum(x q) and sum(q q) from each step of
// the inverse scale to the next.
type scaleSearch struct{ xq, qq [scaleSteps + 1]float32 }

// best gives the scale d, of either sign, for which the codes round(x/d) of -n to n-1 represent the
// values with the least squared error. Given the codes the best d is sum(x q) / sum(q q), which
// leaves the error sum(x x) - sum(x q)^2 / sum(q q). The inverse scale goes in small steps from
// where the greatest magnitude has the code n-2 to where it would have n+1.5; at each step only the
// codes that change are looked at.
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
func (s *scaleSearch) sweep(x []float32, top float32, n int32, sign float32) (best, gain float32) {
	low, high := (float32(n)-2)/top, (float32(n)+1.5)/top
	perStep := scaleSteps / (high - low)
	*s = scaleSearch{}
	for _, v := range x {
		limit, a := float32(n), float32(math.Abs(float64(v)))
		if v*sign > 0 {
			limit--
		}
		q := min(limit, float32(int32(a*low+0.5)))
		s.xq[0] += a * q
		s.qq[0] += q * q
		// The code grows where the inverse scale passes (q + 1/2) / a.
		steps := perStep / a
		at := (q+0.5)*steps - low*perStep + 1
		for ; q < limit && at < scaleSteps+1; q, at = q+1, at+steps {
			s.xq[int32(at)] += a
			s.qq[int32(at)] += 2*q + 1
		}
	}
	var xq, qq float32
	for i := range s.xq {
		xq += s.xq[i]
		qq += s.qq[i]
		if xq*xq > gain*qq {
			best, gain = sign*xq/qq, xq*xq/qq
		}
	}
	return best, gain
}
