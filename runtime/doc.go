// Package runtime is the vocabulary that models, devices and the batcher share.
//
// A model is a recorded Program: a flat list of coarse operations in static single assignment form
// (program.go, builder.go), its shapes checked when it is recorded and against the Checkpoint that
// holds its weights (checkpoint.go; dtype.go has their formats, scales.go those with scales beside
// them). A Device compiles a Program once into an Executable
// (device.go); each step runs one ragged Batch of tokens (batch.go) and samples (sampling.go).
// plan.go assigns buffers by liveness, stats.go counts parameters, bytes and FLOPs.
//
// reference*.go is the reference device: float32, slow and obvious, the oracle every other device
// is tested against. null.go is a device without arithmetic, for tests of schedulers and servers.
//
// Vocabulary: T tokens and S sample rows in a step; a row is one token's activations.
package runtime
