package gguf

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"basalt/runtime"
)

// tensorInfo is a tensor's description; dims are as in the file, the row length first.
type tensorInfo struct {
	name   string
	dims   []uint64
	kind   uint32
	offset uint64
}

// dtypeOf maps ggml's type numbers to the formats that Basalt reads.
func dtypeOf(kind uint32) (runtime.DType, bool) {
	switch kind {
	case 0:
		return runtime.F32, true
	case 1:
		return runtime.F16, true
	case 2:
		return runtime.Q4_0, true
	case 8:
		return runtime.Q8_0, true
	case 12:
		return runtime.Q4_K, true
	case 13:
		return runtime.Q5_K, true
	case 14:
		return runtime.Q6_K, true
	case 30:
		return runtime.BF16, true
	case 39:
		return runtime.MXFP4, true
	}
	return 0, false
}

// ggmlTypeName names the formats that are refused, for the error.
func ggmlTypeName(kind uint32) string {
	names := map[uint32]string{
		3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K",
		16: "IQ2_XXS",
		17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
		23: "IQ4_XS",
		24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0",
	}
	if name, ok := names[kind]; ok {
		return name
	}
	return fmt.Sprintf("ggml type %d", kind)
}

func parseTensorInfo(r *reader) tensorInfo {
	name := r.str("tensor name")
	if r.err == nil && (len(name) == 0 || len(name) > maxName) {
		r.fail("a tensor's name has %d bytes; the limit is %d", len(name), maxName)
	}
	t := tensorInfo{name: string(name)}
	n := r.u32("number of dimensions")
	if r.err == nil && (n == 0 || n > maxDims) {
		r.fail("tensor %q has %d dimensions; 1 to %d are possible", name, n, maxDims)
	}
	for i := uint32(0); i < n && r.err == nil; i++ {
		d := r.u64("dimension")
		if r.err == nil && (d == 0 || d > 1<<40) {
			r.fail("tensor %q has a dimension of %d", name, d)
		}
		t.dims = append(t.dims, d)
	}
	t.kind, t.offset = r.u32("tensor type"), r.u64("tensor offset")
	return t
}

// placeTensors checks that every tensor lies inside the data section and records it.
func (f *File) placeTensors(infos []tensorInfo, end uint64) error {
	align, err := f.alignment()
	if err != nil {
		return err
	}
	start := (end + align - 1) &^ (align - 1)
	for _, t := range infos {
		if err := f.placeTensor(t, start, align); err != nil {
			return fmt.Errorf("tensor %q: %w", t.name, err)
		}
	}
	return f.checkOverlap(infos)
}

const alignmentKey = "general.alignment"

// alignment is that of tensor data. It keeps every number on a multiple of its size.
func (f *File) alignment() (uint64, error) {
	const largest = 1 << 20
	a, ok := f.Int(alignmentKey)
	switch {
	case !f.Has(alignmentKey):
		return defaultAlignment, nil
	case !ok || a < 8 || a > largest || a&(a-1) != 0:
		return 0, fmt.Errorf("%s is %d; it must be a power of two from 8 to %d", alignmentKey, a,
			largest)
	}
	return uint64(a), nil
}

// checkOverlap refuses tensors that share bytes: a size or an offset is then wrong.
func (f *File) checkOverlap(infos []tensorInfo) error {
	slices.SortFunc(infos, func(a, b tensorInfo) int { return cmp.Compare(a.offset, b.offset) })
	var end uint64
	var last string
	for _, t := range infos {
		x, ok := f.tensors[t.name]
		if !ok {
			continue
		}
		if t.offset < end {
			return fmt.Errorf("tensor %q: it begins inside tensor %q: the file is corrupt", t.name,
				last)
		}
		end, last = t.offset+uint64(len(x.Data)), t.name
	}
	return nil
}

func (f *File) placeTensor(t tensorInfo, start, align uint64) error {
	_, twice := f.tensors[t.name]
	_, twiceOther := f.unsupported[t.name]
	if twice || twiceOther {
		return fmt.Errorf("it appears twice")
	}
	dtype, ok := dtypeOf(t.kind)
	if !ok {
		f.unsupported[t.name] = t.kind
		return nil
	}
	size, err := tensorBytes(t.dims, dtype)
	if err != nil {
		return err
	}
	if t.offset%align != 0 {
		return fmt.Errorf("its offset %d is no multiple of the alignment %d", t.offset, align)
	}
	total := uint64(len(f.data))
	if start > total || t.offset > total-start || size > total-start-t.offset {
		return fmt.Errorf("it has %d bytes from offset %d of the data, the file ends at %d: "+
			"the file is truncated or corrupt", size, t.offset, int64(total)-int64(start))
	}
	shape := make([]int, len(t.dims))
	for i, d := range t.dims {
		shape[len(shape)-1-i] = int(d)
	}
	at := start + t.offset
	f.tensors[t.name] = runtime.Tensor{
		DType: dtype, Shape: shape,
		Data: f.data[at : at+size : at+size],
	}
	return nil
}

// tensorBytes multiplies without overflow.
func tensorBytes(dims []uint64, d runtime.DType) (uint64, error) {
	if block := uint64(d.BlockSize()); dims[0]%block != 0 {
		return 0, fmt.Errorf("its rows have %d values; %s needs a multiple of %d", dims[0], d,
			block)
	}
	n := dims[0] / uint64(d.BlockSize())
	for _, x := range append([]uint64{uint64(d.BlockBytes())}, dims[1:]...) {
		high, low := bits.Mul64(n, x)
		if high != 0 || low > 1<<62 {
			return 0, fmt.Errorf("its dimensions %v are absurd", dims)
		}
		n = low
	}
	return n, nil
}
