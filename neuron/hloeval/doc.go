// Package hloeval computes HLO modules in Go: the reference that graphs are tested against, and the
// arithmetic behind the fake runtime library. Numbers of every floating point type are held as
// float32 and rounded to their type after each instruction; sums run in float64 in one fixed order,
// so that the evaluator's own rounding does not count. value.go has the arrays, eval.go walks a
// computation, elementwise.go, array.go, dot.go, index.go and top.go have the instructions, comm.go
// joins ranks that run the same module.
//
// Gather and scatter refuse an index out of range (ErrRange), where XLA would clamp or drop it:
// graphs must never rely on that.
package hloeval
