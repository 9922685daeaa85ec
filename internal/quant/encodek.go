package quant

import (
	"encoding/binary"
	"math"

	"basalt/internal/half"
)

// affineBlock searches the scales and minima of one block of Q4_K or Q5_K: 8 sub-blocks of 32
// values x ~ d*scale*q - dmin*minimum, with q of 0 to top and scale and minimum of 6 bits.
type affineBlock struct {
	top      float32 // 15 or 31
	x        []float32
	codes    [256]uint8
	scales   [8]float32 // what each sub-block would like best
	minima   [8]float32
	d, dmin  float32
	ls, lm   [8]int32
	fitCodes [32]uint8
}

// fit finds scale and minimum of each sub-block on its own, then the two factors that they share.
func (b *affineBlock) fit() {
	var topScale, topMin float32
	for j := range 8 {
		b.scales[j], b.minima[j] = b.fitOne(b.x[32*j : 32*j+32])
		topScale, topMin = max(topScale, b.scales[j]), max(topMin, b.minima[j])
	}
	b.factors(topScale/63, topMin/63)
	best := b.chooseAll()
	// The shared factors that suit the codes just found are a little better.
	old := *b
	b.refactor()
	if b.chooseAll() >= best {
		*b = old
	}
}

// factors rounds the shared factors as they are stored.
func (b *affineBlock) factors(d, dmin float32) {
	b.d, b.dmin = half.FromF16(half.ToF16(d)), half.FromF16(half.ToF16(dmin))
}

// fitOne tries inverse scales from (top-2)/(greatest-least) to (top+1)/(greatest-least), each with
// the scale and minimum that least squares give for its codes, and refines the best by rounding and
// solving anew.
func (b *affineBlock) fitOne(x []float32) (scale, minimum float32) {
	least, greatest := x[0], x[0]
	for _, v := range x {
		least, greatest = min(least, v), max(greatest, v)
	}
	least = min(least, 0)
	if !(greatest > least) {
		return 0, -least
	}
	var x1, x2 float32
	for _, v := range x {
		x1 += v
		x2 += v * v
	}
	const steps = 12
	best := x2
	for i := range steps + 1 {
		inverse := (b.top - 2 + 3*float32(i)/steps) / (greatest - least)
		s, m, err := b.leastSquares(x, inverse, -least, x1, x2)
		if err < best {
			best, scale, minimum = err, s, m
		}
	}
	const refinements = 3
	for range refinements {
		s, m, err := b.leastSquares(x, reciprocal(scale), minimum, x1, x2)
		if !(err < best) {
			break
		}
		best, scale, minimum = err, s, m
	}
	return scale, minimum
}

// leastSquares rounds x by a scale's inverse and a minimum and gives those that represent x best
// with the same codes, and their squared error. A minimum is never below zero. x1 and x2 are the
// sums of x and of its squares.
func (b *affineBlock) leastSquares(x []float32, inverse, minimum, x1, x2 float32) (s, m,
	err float32,
) {
	var q1, q2, xq float32
	shift, top := minimum*inverse+0.5, int32(b.top)
	for _, v := range x {
		q := float32(max(0, min(top, int32(v*inverse+shift))))
		q1 += q
		q2 += q * q
		xq += q * v
	}
	n := float32(len(x))
	s = reciprocal(q2) * xq
	if det := n*q2 - q1*q1; det > 0 {
		if low := (q1*xq - q2*x1) / det; low > 0 {
			s, m = (n*xq-q1*x1)/det, low
		}
	}
	// sum of (x - s q + m)^2
	err = x2 + s*s*q2 + n*m*m - 2*s*xq + 2*m*x1 - 2*s*m*q1
	return max(s, 0), m, err
}

// chooseAll rounds each sub-block's scale and minimum to 6 bits: to that neighbour of its wish for
// which the error is least. It gives the error of the block.
func (b *affineBlock) chooseAll() float32 {
	var sum float32
	for j := range 8 {
		sum += b.choose(j)
	}
	return sum
}

func (b *affineBlock) choose(j int) float32 {
	scale := int32(b.scales[j]*reciprocal(b.d) + 0.5)
	minimum := int32(b.minima[j]*reciprocal(b.dmin) + 0.5)
	best := float32(math.Inf(1))
	for ls := max(scale-1, 0); ls <= min(scale+1, 63); ls++ {
		for lm := max(minimum-1, 0); lm <= min(minimum+1, 63); lm++ {
			if err := b.round(j, ls, lm); err < best {
				best, b.ls[j], b.lm[j] = err, ls, lm
				copy(b.codes[32*j:], b.fitCodes[:])
			}
		}
	}
	return best
}

// round writes the codes of a sub-block into fitCodes and gives the squared error.
func (b *affineBlock) round(j int, ls, lm int32) float32 {
	s, m := b.d*float32(ls), b.dmin*float32(lm)
	inverse := reciprocal(s)
	shift, top := m*inverse+0.5, int32(b.top)
	var sum float32
	for i, v := range b.x[32*j : 32*j+32] {
		q := max(0, min(top, int32(v*inverse+shift)))
		b.fitCodes[i] = uint8(q)
		diff := v - s*float32(q) + m
		sum += diff * diff
	}
	return sum
}

// refactor solves for the shared factors by least squares, the codes being given.
func (b *affineBlock) refactor() {
	var aa, ab, bb, xa, xb float64
	for i, v := range b.x {
		a := float64(b.ls[i/32]) * float64(b.codes[i])
		m := float64(b.lm[i/32])
		aa, ab, bb = aa+a*a, ab+a*m, bb+m*m
		xa, xb = xa+a*float64(v), xb+m*float64(v)
	}
	if det := aa*bb - ab*ab; det > 0 {
		d, dmin := (bb*xa-ab*xb)/det, (ab*xa-aa*xb)/det
		if d > 0 && dmin > 0 {
			b.factors(float32(d), float32(dmin))
		}
	}
}

// head writes d, dmin and the packed scales and minima.
func (b *affineBlock) head(dst []byte) {
	binary.LittleEndian.PutUint16(dst, half.ToF16(b.d))
	binary.LittleEndian.PutUint16(dst[2:], half.ToF16(b.dmin))
	packed := dst[4:16]
	for j := range 4 {
		packed[j] = byte(b.ls[j] | b.ls[j+4]>>4<<6)
		packed[j+4] = byte(b.lm[j] | b.lm[j+4]>>4<<6)
		packed[j+8] = byte(b.ls[j+4]&15 | b.lm[j+4]&15<<4)
	}
}

// nibbles writes the low four bits of the codes, sub-blocks in pairs.
func (b *affineBlock) nibbles(dst []byte) {
	for j := 0; j < 8; j += 2 {
		for i := range 32 {
			dst[16*j+i] = b.codes[32*j+i]&15 | b.codes[32*j+32+i]<<4
		}
	}
}

func encodeQ4_K(dst []byte, src []float32) {
	b := affineBlock{top: 15, x: src}
	b.fit()
	b.head(dst)
	b.nibbles(dst[16:])
}

func encodeQ5_K(dst []byte, src []float32) {
	b := affineBlock{top: 31, x: src}
	b.fit()
	b.head(dst)
	b.nibbles(dst[48:])
	high := dst[16:48]
	clear(high)
	for i, q := range b.codes {
		high[i%32] |= q >> 4 << (i / 32)
	}
}

// encodeQ6_K gives each sub-block of 16 the scale of least error, then rounds the scales to 8 bits
// of the greatest one.
func encodeQ6_K(dst []byte, src []float32) {
	var s scaleSearch
	var scales [16]float32
	var top float32
	for j := range scales {
		scales[j] = s.best(src[16*j:16*j+16], 32)
		if math.Abs(float64(scales[j])) > math.Abs(float64(top)) {
			top = scales[j]
		}
	}
	clear(dst)
	bits := half.ToF16(top / -128)
	d := half.FromF16(bits)
	binary.LittleEndian.PutUint16(dst[208:], bits)
	for j, scale := range scales {
		l := signedCode(scale*reciprocal(d), 128)
		dst[192+j] = byte(int8(l))
		inverse := reciprocal(d * float32(l))
		for i, v := range src[16*j : 16*j+16] {
			putQ6(dst, 16*j+i, byte(signedCode(v*inverse, 32)+32))
		}
	}
}

// putQ6 writes code q of value at into a cleared block, the inverse of decodeQ6_K.
func putQ6(dst []byte, at int, q byte) {
	n, k, i := at/128, at/32%4, at%32
	dst[64*n+i+32*(k&1)] |= q & 15 << (4 * (k >> 1))
	dst[128+32*n+i] |= q >> 4 << (2 * k)
}
