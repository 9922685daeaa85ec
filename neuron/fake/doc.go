// Package fake is the arithmetic behind the fake runtime library of the tests: the library, written
// in C (neuron/fakelib), keeps the contract, and calls back here to read graphs and to compute runs
// with the evaluator. A program uses it only after its user has allowed the fake library.
package fake
