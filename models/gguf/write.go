package gguf

import (
	"encoding/binary"
	"fmt"
	"io"

	"basalt/runtime"
)

// Spec describes a tensor to be written. Shape is row-major, [out, in] for a matrix; the last axis
// is a whole number of DType's blocks.
type Spec struct {
	Name  string
	DType runtime.DType
	Shape []int
}

// Bytes is the size of the tensor's data.
func (s Spec) Bytes() int64 {
	return int64(s.rows()) * int64(s.DType.RowBytes(s.Shape[len(s.Shape)-1]))
}

func (s Spec) rows() int {
	n := 1
	for _, d := range s.Shape[:len(s.Shape)-1] {
		n *= d
	}
	return n
}

// check refuses what a reader would refuse.
func (s Spec) check() error {
	if len(s.Name) == 0 || len(s.Name) > maxName || len(s.Shape) == 0 || len(s.Shape) > maxDims {
		return fmt.Errorf("a name of %d bytes with %d dimensions", len(s.Name), len(s.Shape))
	}
	for _, d := range s.Shape {
		if d < 1 {
			return fmt.Errorf("shape %v", s.Shape)
		}
	}
	if in := s.Shape[len(s.Shape)-1]; in%s.DType.BlockSize() != 0 {
		return fmt.Errorf("rows of %d values; %s needs a multiple of %d", in, s.DType,
			s.DType.BlockSize())
	}
	return nil
}

// Write streams a file of version 3 with the default alignment. data is called once for each
// tensor, in order, and must write exactly its Bytes.
func Write(w io.Writer, m *Meta, tensors []Spec, data func(i int, w io.Writer) error) error {
	head, err := appendHead(m, tensors)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for i, t := range tensors {
		counted := &counter{w: w, left: t.Bytes()}
		if err := data(i, counted); err != nil {
			return fmt.Errorf("cannot write tensor %q: %w", t.Name, err)
		}
		if counted.left != 0 {
			return fmt.Errorf("cannot write tensor %q: %d of %d bytes are missing", t.Name,
				counted.left, t.Bytes())
		}
		if _, err := w.Write(make([]byte, padding(t.Bytes()))); err != nil {
			return err
		}
	}
	return nil
}

func appendHead(m *Meta, tensors []Spec) ([]byte, error) {
	head := binary.LittleEndian.AppendUint32([]byte("GGUF"), 3)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(tensors)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(m.pairs)))
	for _, p := range m.pairs {
		head = append(appendString(head, p.key), p.value...)
	}
	offset := int64(0)
	for _, t := range tensors {
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("cannot write tensor %q: %w", t.Name, err)
		}
		head = appendString(head, t.Name)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(t.Shape)))
		for i := range t.Shape {
			head = binary.LittleEndian.AppendUint64(head, uint64(t.Shape[len(t.Shape)-1-i]))
		}
		head = binary.LittleEndian.AppendUint32(head, kindOf(t.DType))
		head = binary.LittleEndian.AppendUint64(head, uint64(offset))
		offset += t.Bytes() + padding(t.Bytes())
	}
	return append(head, make([]byte, padding(int64(len(head))))...), nil
}

// kindOf is ggml's number of a format.
func kindOf(d runtime.DType) uint32 {
	for kind := range uint32(40) {
		if known, ok := dtypeOf(kind); ok && known == d {
			return kind
		}
	}
	panic(fmt.Sprintf("BUG: GGUF has no type for %s", d))
}

// padding is what n bytes lack to a multiple of the alignment.
func padding(n int64) int64 { return -n & (defaultAlignment - 1) }

// counter refuses bytes beyond those of a tensor.
type counter struct {
	w    io.Writer
	left int64
}

func (c *counter) Write(b []byte) (int, error) {
	if int64(len(b)) > c.left {
		return 0, fmt.Errorf("%d bytes more than it has", int64(len(b))-c.left)
	}
	n, err := c.w.Write(b)
	c.left -= int64(n)
	return n, err
}
