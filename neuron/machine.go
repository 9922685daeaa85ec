package neuron

import "io"

// machine holds a bundle's tensors on all its ranks and runs its routines: the runtime library with
// its cores, or the evaluator. It belongs to one goroutine.
type machine interface {
	// Run writes the controls of a routine, runs its graphs on every rank and reads those results
	// whose buffers are not nil.
	Run(routine int, controls, results [][]byte) error
	io.Closer
}
