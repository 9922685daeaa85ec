// Package fakelib builds, for tests, the fake runtime library and the fake neuronx-cc from the C
// sources below csrc/: shared library variants with and without the batched transfers and the
// asynchronous function, and a compiler that checks its arguments against the documented flags and
// wraps the graph in a file with the header of a compiled one.
package fakelib
