package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"basalt/internal/half"
)

// Random fills whole blocks of dst with random integers under scales for which the values have a
// mean near zero and a standard deviation near spread. It is for tests and benches.
func (f Format) Random(dst []byte, spread float64, rng *rand.Rand) {
	size := f.BlockBytes()
	if len(dst)%size != 0 {
		panic(fmt.Sprintf("BUG: %d bytes are no whole number of %s blocks", len(dst), f))
	}
	fillRandom(dst, rng)
	for ; len(dst) > 0; dst = dst[size:] {
		f.setScales(dst, spread*(0.75+0.5*rng.Float64()), rng)
	}
}

func fillRandom(dst []byte, rng *rand.Rand) {
	for ; len(dst) >= 8; dst = dst[8:] {
		binary.LittleEndian.PutUint64(dst, rng.Uint64())
	}
	for i := range dst {
		dst[i] = byte(rng.Uint32())
	}
}

// setScales divides by the deviation that uniform integers of the format have: of a byte 73.9, of a
// nibble 4.61; K-quants multiply it with that of their own random scales and minima, whose factor
// dmin makes the mean zero.
func (f Format) setScales(block []byte, spread float64, rng *rand.Rand) {
	put := func(at int, v float64) {
		binary.LittleEndian.PutUint16(block[at:], half.ToF16(float32(v)))
	}
	switch f {
	case Q8_0:
		put(0, spread/73.9)
	case Q4_0:
		put(0, spread/4.61)
	case Q4_K:
		put(0, spread/258)
		put(2, spread/258*7.5)
	case Q5_K:
		put(0, spread/527)
		put(2, spread/527*15.5)
	case Q6_K:
		put(208, spread/1365)
	case MXFP4: // one of the powers of two beside the scale, which give its square on average
		scale := spread / 2.93
		low := math.Exp2(math.Floor(math.Log2(scale)))
		block[0] = byte(127 + int(math.Log2(low)))
		if rng.Float64()*3*low*low < scale*scale-low*low {
			block[0]++
		}
	default:
		panic(fmt.Sprintf("BUG: no random %s", f))
	}
}
