// Package cpu is the device that runs everywhere: Go that compiles a program, C that runs it.
//
// device.go opens the worker threads (pool.c) and picks the instruction set (kern.c). compile.go
// and its siblings turn a runtime.Program into a flat list of operations (exec.h): fuse.go joins
// operations, weights.go repacks matrices once (pack.c), buffers.go lays out registers. step.go
// copies a batch and posts it: two calls into C a step. exec.c walks the list on all threads;
// op_*.c cut each operation into tasks; kern_*.h are the kernels, written once in sixteen lanes and
// compiled for each instruction set by kern_<isa>.c.
//
// Every sum has one order that depends on nothing but the weights' formats and absolute positions,
// so a row gives the same bits in any batch, chunking and number of threads. Instruction sets agree
// too, but for the one that multiplies pairs of BF16 (testdata/kernels.c holds all of them to it).
package cpu
