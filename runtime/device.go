package runtime

import (
	"context"
	"io"
)

// Device is a place where programs run.
type Device interface {
	// Info describes the device; it is cheap and never fails.
	Info() DeviceInfo
	// Compile prepares a program once: loads or repacks its weights from c, plans buffers,
	// allocates the cache. The checkpoint must stay open as long as the executable unless the
	// device says otherwise. The weights have passed CheckWeights.
	Compile(ctx context.Context, p *Program, c Checkpoint, o CompileOptions) (Executable, error)
	io.Closer
}

// DeviceInfo describes a device to people and schedulers.
type DeviceInfo struct {
	Kind     string   // "cpu", "cuda", "neuron", "reference", "null"
	Name     string   // such as the processor's model name
	Threads  int      // worker threads, 0 where that has no meaning
	Memory   int64    // bytes of memory that weights and cache share
	Features []string // instruction sets and the like, as the device uses them
	// Async says that the host's processor is idle while a step runs: what prepares the next step
	// meanwhile is free.
	Async bool
	// StepTokens is the token budget of a step that suits the device, 0 where it has no opinion.
	StepTokens int
}

// CompileOptions sizes an executable.
type CompileOptions struct {
	KVBytes    int64 // memory for the cache; the number of blocks follows
	KVDType    DType // F32, BF16 or INT8
	BlockSize  int   // positions in a cache block
	MaxTokens  int   // greatest T of a step
	MaxSeqs    int   // greatest number of sequences of a step, and of penalty slots
	MaxContext int   // greatest length of a sequence
	// Quantize, when not 0, stores the matrices in this format instead of the checkpoint's.
	Quantize DType
	// Progress, when set, is told the bytes of weights that are ready, from the compiling
	// goroutine.
	Progress func(done, total int64)
	// Phase, when set, is told that a part of the work begins, and gives what is to be called at
	// its end; parts may overlap.
	Phase func(name string) (end func())
}

// Begin tells Phase, where that is set.
func (o *CompileOptions) Begin(phase string) (end func()) {
	if o.Phase == nil {
		return func() {}
	}
	return o.Phase(phase)
}

// Executable is a compiled program with its cache. It is owned by one goroutine.
type Executable interface {
	// NumBlocks is the number of cache blocks; their ids are 0 to NumBlocks()-1.
	NumBlocks() int
	// Step enqueues one forward pass and the sampling of its sample rows. The batch may be changed
	// once Step has returned. At most one step is in flight: Wait before the next Step.
	Step(b *Batch) (Pending, error)
	io.Closer
}

// Pending is a step in flight.
type Pending interface {
	// Wait blocks until the step has ended. The output is valid until the next Step.
	Wait() (*Output, error)
}
