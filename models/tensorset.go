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

// cut slices a stack [n, rows, columns] along its first axis; part i is called name(i).
func (s tensorSet) cut(t runtime.Tensor, name func(i int) string) {
	size := len(t.Data) / t.Shape[0]
	for i := range t.Shape[0] {
		s[name(i)] = runtime.Tensor{
			DType: t.DType, Shape: t.Shape[1:], Data: t.Data[i*size : (i+1)*size : (i+1)*size],
		}
	}
}
