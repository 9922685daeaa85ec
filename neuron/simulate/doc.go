// Package simulate runs the routines of a bundle with the evaluator, on as many ranks as the bundle
// has: memory for every tensor, weights from the checkpoint, collectives between goroutines. It is
// the machine without hardware and without a runtime library, for tests and for comparing a device
// with.
package simulate
