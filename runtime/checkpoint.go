package runtime

import (
	"errors"
	"fmt"
	"slices"
)

// Tensor is one weight as it lies in a file. Data aliases the checkpoint's mapping: it is read-only
// and valid until the checkpoint is closed, and begins on a multiple of the size of its numbers (of
// two bytes for blocks). Shape is row-major, [out, in] for a matrix.
type Tensor struct {
	DType DType
	Shape []int
	Data  []byte
	// Pieces make the data of random weights where a device does that itself; Data is then nil.
	Pieces *Pieces
	// Scales belong to the numbers of a matrix in F8_E4M3 or F4_E2M1; nil is a scale of 1.
	Scales *Scales
}

// NumValues is the product of the shape.
func (t Tensor) NumValues() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Checkpoint gives tensors by their canonical (Hugging Face safetensors) names. Every size and
// offset has been checked against the file when it was opened. It is safe for concurrent use.
type Checkpoint interface {
	// Tensor finds a tensor; false when the checkpoint has none of that name.
	Tensor(name string) (Tensor, bool)
	// Names lists every tensor, sorted.
	Names() []string
}

// ErrWeights is wrapped by every complaint of CheckWeights.
var ErrWeights = errors.New("weights do not fit the model")

// CheckWeights compares what the program needs with what the checkpoint holds. The error names the
// first tensor that is missing or misshapen, with both shapes.
func CheckWeights(p *Program, c Checkpoint) error {
	for _, w := range p.Weights {
		for _, part := range w.Parts {
			if err := checkPart(w, part, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPart(w *Weight, part string, c Checkpoint) error {
	t, ok := c.Tensor(part)
	if !ok {
		return fmt.Errorf("%w: tensor %q is missing; the configuration asks for shape %v",
			ErrWeights, part, w.PartShape())
	}
	if !slices.Equal(t.Shape, w.PartShape()) {
		return fmt.Errorf("%w: tensor %q has shape %v; the configuration asks for %v",
			ErrWeights, part, t.Shape, w.PartShape())
	}
	if in := t.Shape[len(t.Shape)-1]; in%t.DType.BlockSize() != 0 {
		return fmt.Errorf("%w: tensor %q has rows of %d values; %s needs a multiple of %d",
			ErrWeights, part, in, t.DType, t.DType.BlockSize())
	}
	if t.Scales != nil {
		if err := t.Scales.Check(&t); err != nil {
			return fmt.Errorf("%w: tensor %q: %w", ErrWeights, part, err)
		}
	}
	return nil
}
