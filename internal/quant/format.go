package quant

import "fmt"

// Format is one block format.
type Format uint8

// The formats, by their names in GGUF.
const (
	Q8_0 Format = iota
	Q4_0
	Q4_K
	Q5_K
	Q6_K
	MXFP4
	numFormats
)

type layout struct {
	name   string
	values int
	bytes  int
	decode func(dst []float32, block []byte)
}

func (f Format) layout() layout {
	switch f {
	case Q8_0:
		return layout{"Q8_0", 32, 34, decodeQ8_0}
	case Q4_0:
		return layout{"Q4_0", 32, 18, decodeQ4_0}
	case Q4_K:
		return layout{"Q4_K", 256, 144, decodeQ4_K}
	case Q5_K:
		return layout{"Q5_K", 256, 176, decodeQ5_K}
	case Q6_K:
		return layout{"Q6_K", 256, 210, decodeQ6_K}
	case MXFP4:
		return layout{"MXFP4", 32, 17, decodeMXFP4}
	default:
		panic(fmt.Sprintf("BUG: unknown quantisation format %d", f))
	}
}

// String is the format's name in GGUF, such as "Q4_K".
func (f Format) String() string { return f.layout().name }

// BlockSize is the number of values in a block.
func (f Format) BlockSize() int { return f.layout().values }

// BlockBytes is the size of a block in bytes.
func (f Format) BlockBytes() int { return f.layout().bytes }

// Decode widens len(dst) values, a whole number of blocks, from src.
func (f Format) Decode(dst []float32, src []byte) {
	l := f.layout()
	if len(dst)%l.values != 0 {
		panic(fmt.Sprintf("BUG: cannot decode %d values of %s: blocks have %d", len(dst), l.name,
			l.values))
	}
	for len(dst) > 0 {
		l.decode(dst[:l.values], src[:l.bytes])
		dst, src = dst[l.values:], src[l.bytes:]
	}
}
