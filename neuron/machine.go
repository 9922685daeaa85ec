package neuron

import (
	"io"

	"basalt/neuron/lower"
)

// machine holds a bundle's tensors on all its ranks and runs its routines: the runtime library with
// its cores, or the evaluator. It belongs to one goroutine.
type machine interface {
	// Memory gives the host's side of a routine: what Run writes before it, in the order of the
	// bundle's controls, and where it reads to, in the order of its results. It is valid until
	// Close.
	Memory(routine int) (controls, results [][]byte)
	// Run writes the controls of a routine, runs its graphs on every rank and reads results.
	Run(routine int, read lower.Read) error
	io.Closer
}
