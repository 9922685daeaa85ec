package gguf

import (
	"encoding/binary"
	"math"
	"slices"
)

// Meta is metadata to be written: pairs in the order in which their keys were first set. The zero
// value is empty.
type Meta struct {
	pairs []pair
	index map[string]int
}

// pair holds a value as the file has it, its type first.
type pair struct {
	key   string
	value []byte
}

// set appends a pair, or changes the value of a key that is there.
func (m *Meta) set(key string, kind valueType, value []byte) {
	value = append(binary.LittleEndian.AppendUint32(nil, uint32(kind)), value...)
	if i, ok := m.index[key]; ok {
		m.pairs[i].value = value
		return
	}
	if m.index == nil {
		m.index = make(map[string]int)
	}
	m.index[key] = len(m.pairs)
	m.pairs = append(m.pairs, pair{key, value})
}

// SetString sets a string.
func (m *Meta) SetString(key, s string) { m.set(key, typeString, appendString(nil, s)) }

// SetUint32 sets an unsigned integer.
func (m *Meta) SetUint32(key string, n uint32) {
	m.set(key, typeUint32, binary.LittleEndian.AppendUint32(nil, n))
}

// SetInt32 sets an integer.
func (m *Meta) SetInt32(key string, n int32) {
	m.set(key, typeInt32, binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

// SetFloat32 sets a number.
func (m *Meta) SetFloat32(key string, x float32) {
	m.set(key, typeFloat32, binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
}

// SetBool sets a truth value.
func (m *Meta) SetBool(key string, b bool) {
	value := []byte{0}
	if b {
		value[0] = 1
	}
	m.set(key, typeBool, value)
}

// SetStrings sets an array of strings.
func (m *Meta) SetStrings(key string, list []string) {
	value := arrayHead(typeString, len(list))
	for _, s := range list {
		value = appendString(value, s)
	}
	m.set(key, typeArray, value)
}

// SetInt32s sets an array of integers.
func (m *Meta) SetInt32s(key string, list []int32) {
	value := arrayHead(typeInt32, len(list))
	for _, n := range list {
		value = binary.LittleEndian.AppendUint32(value, uint32(n))
	}
	m.set(key, typeArray, value)
}

// SetFloat32s sets an array of numbers.
func (m *Meta) SetFloat32s(key string, list []float32) {
	value := arrayHead(typeFloat32, len(list))
	for _, x := range list {
		value = binary.LittleEndian.AppendUint32(value, math.Float32bits(x))
	}
	m.set(key, typeArray, value)
}

// Copy sets every pair of a file, in the file's order, but the alignment, which Write decides. The
// file may be closed afterwards.
func (m *Meta) Copy(f *File) {
	for _, key := range f.keys {
		v := f.meta[key]
		switch {
		case key == alignmentKey:
		case v.kind == typeString:
			m.SetString(key, string(v.data))
		case v.kind == typeArray:
			m.set(key, typeArray, append(arrayHead(v.elem, int(v.count)), v.data...))
		default:
			m.set(key, v.kind, v.data)
		}
	}
}

// Value is a value as the file will have it, after its type; nil for a key that is not set.
func (m *Meta) Value(key string) []byte {
	if i, ok := m.index[key]; ok {
		return m.pairs[i].value
	}
	return nil
}

// Delete removes keys; those that are not there are ignored.
func (m *Meta) Delete(keys ...string) {
	m.pairs = slices.DeleteFunc(m.pairs, func(p pair) bool { return slices.Contains(keys, p.key) })
	clear(m.index)
	for i, p := range m.pairs {
		m.index[p.key] = i
	}
}

func arrayHead(elem valueType, n int) []byte {
	head := binary.LittleEndian.AppendUint32(nil, uint32(elem))
	return binary.LittleEndian.AppendUint64(head, uint64(n))
}

func appendString(dst []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(dst, uint64(len(s))), s...)
}
