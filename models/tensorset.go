package models

import (
	"maps"
	"slices"

	"basalt/runtime"
)

// tensorSet is a checkpoint by canonical names; the data belongs to whoever made it.
type tensorSet map[string]runtime.Tensor

// Tensor implements runtime.Checkpoint.
func (s tensorSet) Tensor(name string) (runtime.Tensor, bool) {
	t, ok := s[name]
	return t, ok
}

// Names implements runtime.Checkpoint.
func (s tensorSet) Names() []string { return slices.Sorted(maps.Keys(s)) }

// cut slices a stack [n, rows, columns], and its scales, along its first axis; part i is called
// name(i).
func (s tensorSet) cut(t runtime.Tensor, name func(i int) string) {
	for i := range t.Shape[0] {
		part := runtime.Tensor{
			DType: t.DType, Shape: t.Shape[1:], Data: piece(t.Data, i, t.Shape[0]),
		}
		if t.Scales != nil {
			scales := *t.Scales
			scales.Data = piece(scales.Data, i, t.Shape[0])
			part.Scales = &scales
		}
		s[name(i)] = part
	}
}

// piece is the i-th of n equal parts.
func piece(data []byte, i, n int) []byte {
	size := len(data) / n
	return data[i*size : (i+1)*size : (i+1)*size]
}
