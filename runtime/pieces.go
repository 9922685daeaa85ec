package runtime

// Pieces are the bytes of a matrix of random weights: piece after piece, each copied from a place
// in one pool that its number and the key alone give. A device can so make them without the host
// holding them, and every device makes the same. Lengths are in bytes; those of a piece and of the
// distance between places are multiples of four.
type Pieces struct {
	Pool         []byte // of all matrices in a format; nobody writes to it
	Key          uint64
	Piece, Place int
}

// Places is how many places of the pool a piece may begin at.
func (p *Pieces) Places() int { return (len(p.Pool)-p.Piece)/p.Place + 1 }

// Fill writes the matrix's bytes from the at-th on.
func (p *Pieces) Fill(to []byte, at int) {
	places := uint64(p.Places())
	for len(to) > 0 {
		place := mix(p.Key, uint64(at/p.Piece)) >> 32 * places >> 32
		from := int(place)*p.Place + at%p.Piece
		n := copy(to, p.Pool[from:][:p.Piece-at%p.Piece])
		to, at = to[n:], at+n
	}
}

// mix is the i-th number that SplitMix64 gives for a key (Steele, Lea, Flood 2014).
func mix(key, i uint64) uint64 {
	z := key + (i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
