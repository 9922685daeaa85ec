package runtime

// Philox is the counter-based generator Philox4x32-10 (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011): ten rounds over a 128-bit counter with a 64-bit key.
func Philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	const m0, m1, w0, w1 = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85
	for range 10 {
		p0, p1 := uint64(m0)*uint64(counter[0]), uint64(m1)*uint64(counter[2])
		counter = [4]uint32{
			uint32(p1>>32) ^ counter[1] ^ key[0], uint32(p1),
			uint32(p0>>32) ^ counter[3] ^ key[1], uint32(p0),
		}
		key[0] += w0
		key[1] += w1
	}
	return counter
}

// Uniform is the one random number that sampling draws for a row: uniform in [0, 1), 24 bits, from
// the row's seed as key and (position, choice) as counter. It depends on nothing else, so a
// sequence gives the same tokens alone, in any batch and after a preemption.
func (r *SamplingRow) Uniform() float32 {
	x := Philox([4]uint32{r.Position, r.Choice, 0, 0}, [2]uint32{
		uint32(r.Seed),
		uint32(r.Seed >> 32),
	})
	return float32(x[0]>>8) * (1.0 / (1 << 24))
}
