package gguf

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"
)

// valueType is the type of a metadata value.
type valueType uint32

const (
	typeUint8 valueType = iota
	typeInt8
	typeUint16
	typeInt16
	typeUint32
	typeInt32
	typeFloat32
	typeBool
	typeString
	typeArray
	typeUint64
	typeInt64
	typeFloat64
)

// size is the width of a fixed-size type, 0 for strings, arrays and unknown types.
func (t valueType) size() uint64 {
	switch t {
	case typeUint8, typeInt8, typeBool:
		return 1
	case typeUint16, typeInt16:
		return 2
	case typeUint32, typeInt32, typeFloat32:
		return 4
	case typeUint64, typeInt64, typeFloat64:
		return 8
	case typeString, typeArray:
		return 0
	}
	return 0
}

// value is one metadata value, still encoded: a scalar's bytes, a string's text, or an array's
// elements, whose type is elem.
type value struct {
	kind  valueType
	elem  valueType
	count uint64
	data  []byte
}

// scanValue checks a value and skips it.
func (r *reader) scanValue(key []byte) value {
	v := value{kind: valueType(r.u32("value type"))}
	switch {
	case v.kind == typeString:
		v.data = r.str("string value")
	case v.kind == typeArray:
		r.scanArray(&v, key)
	case v.kind.size() > 0:
		v.data = r.take(v.kind.size(), "value")
		if v.kind == typeBool && r.err == nil && v.data[0] > 1 {
			r.fail("key %q is a bool of value %d", key, v.data[0])
		}
	default:
		r.fail("key %q has the unknown value type %d", key, uint32(v.kind))
	}
	return v
}

func (r *reader) scanArray(v *value, key []byte) {
	v.elem, v.count = valueType(r.u32("element type")), r.u64("array length")
	size := v.elem.size()
	switch {
	case r.err != nil:
	case size > 0:
		if v.count > uint64(len(r.data))/size {
			r.fail("key %q is an array of %d elements, more than the file can hold", key, v.count)
			return
		}
		v.data = r.take(v.count*size, "array")
	case v.elem == typeString:
		if v.count > uint64(len(r.data)-r.pos)/8 {
			r.fail("key %q is an array of %d strings, more than the file can hold", key, v.count)
			return
		}
		start := r.pos
		for i := uint64(0); i < v.count && r.err == nil; i++ {
			r.str("string of an array")
		}
		v.data = r.data[start:r.pos]
	default:
		r.fail("key %q is an array of elements of type %d, which is not supported", key,
			uint32(v.elem))
	}
}

// integer widens any integer or bool; false for other types.
func integer(kind valueType, b []byte) (int64, bool) {
	switch kind {
	case typeUint8, typeBool:
		return int64(b[0]), true
	case typeInt8:
		return int64(int8(b[0])), true
	case typeUint16:
		return int64(binary.LittleEndian.Uint16(b)), true
	case typeInt16:
		return int64(int16(binary.LittleEndian.Uint16(b))), true
	case typeUint32:
		return int64(binary.LittleEndian.Uint32(b)), true
	case typeInt32:
		return int64(int32(binary.LittleEndian.Uint32(b))), true
	case typeUint64, typeInt64:
		n := binary.LittleEndian.Uint64(b)
		return int64(n), kind == typeInt64 || n <= math.MaxInt64
	case typeFloat32, typeFloat64, typeString, typeArray:
		return 0, false
	}
	return 0, false
}

func float(kind valueType, b []byte) (float64, bool) {
	switch kind {
	case typeFloat32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), true
	case typeFloat64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), true
	default:
		n, ok := integer(kind, b)
		return float64(n), ok
	}
}

// Keys lists the metadata keys in the file's order.
func (f *File) Keys() []string { return slices.Clone(f.keys) }

// Has says whether a key is there, with a value of any type.
func (f *File) Has(key string) bool {
	_, ok := f.meta[key]
	return ok
}

// String gives a string value; false when the key is absent or of another type.
func (f *File) String(key string) (string, bool) {
	v, ok := f.meta[key]
	if !ok || v.kind != typeString {
		return "", false
	}
	return string(v.data), true
}

// Int gives an integer (or bool as 0 and 1) of any width.
func (f *File) Int(key string) (int64, bool) {
	v, ok := f.meta[key]
	if !ok {
		return 0, false
	}
	return integer(v.kind, v.data)
}

// Float gives a number of any type.
func (f *File) Float(key string) (float64, bool) {
	v, ok := f.meta[key]
	if !ok {
		return 0, false
	}
	return float(v.kind, v.data)
}

// Bool gives a bool.
func (f *File) Bool(key string) (bool, bool) {
	v, ok := f.meta[key]
	if !ok || v.kind != typeBool {
		return false, false
	}
	return v.data[0] != 0, true
}

// Strings gives an array of strings.
func (f *File) Strings(key string) ([]string, bool) {
	v, ok := f.meta[key]
	if !ok || v.kind != typeArray || v.elem != typeString {
		return nil, false
	}
	all := make([]string, v.count)
	// One copy holds all of them, so that the strings outlive the mapping.
	text := string(v.data)
	for i, pos := 0, 0; i < len(all); i++ {
		n := int(binary.LittleEndian.Uint64(v.data[pos:]))
		all[i] = text[pos+8 : pos+8+n]
		pos += 8 + n
	}
	return all, true
}

// EachString goes through an array of strings, none when the key is absent or of another type. What
// it yields lies in the file's mapping.
func (f *File) EachString(key string) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		v, ok := f.meta[key]
		if !ok || v.kind != typeArray || v.elem != typeString {
			return
		}
		for i, rest := 0, v.data; i < int(v.count); i++ {
			n := binary.LittleEndian.Uint64(rest)
			if !yield(i, rest[8:8+n]) {
				return
			}
			rest = rest[8+n:]
		}
	}
}

// Ints gives an array of integers.
func (f *File) Ints(key string) ([]int32, bool) {
	v, ok := f.meta[key]
	if !ok || v.kind != typeArray || v.elem == typeString {
		return nil, false
	}
	all, size := make([]int32, v.count), v.elem.size()
	for i := range all {
		n, ok := integer(v.elem, v.data[uint64(i)*size:])
		if !ok || n != int64(int32(n)) {
			return nil, false
		}
		all[i] = int32(n)
	}
	return all, true
}

// Floats gives an array of numbers.
func (f *File) Floats(key string) ([]float32, bool) {
	v, ok := f.meta[key]
	if !ok || v.kind != typeArray || v.elem == typeString {
		return nil, false
	}
	all, size := make([]float32, v.count), v.elem.size()
	for i := range all {
		x, ok := float(v.elem, v.data[uint64(i)*size:])
		if !ok {
			return nil, false
		}
		all[i] = float32(x)
	}
	return all, true
}

// ArrayLen is the length of an array; false when the key is absent or no array.
func (f *File) ArrayLen(key string) (int, bool) {
	v, ok := f.meta[key]
	if !ok || v.kind != typeArray {
		return 0, false
	}
	return int(v.count), true
}
