// Package nrt calls libnrt, the Neuron runtime library, which is opened by dlopen and never linked.
//
// abi.h has our own declarations of its functions and structures, library_linux.c the table of
// pointers and the runs of several calls; status.go says what each status means and what to do
// about it. runtime.go opens and initialises the library; core.go is one logical core with one
// locked thread, which makes all calls for it; memory.go, model.go and run.go have tensors, tensor
// sets, loaded graphs and prebuilt runs. All have owners and an order of release: runs, then models
// and sets, then tensors, then cores, then the runtime; what is released too early, or not at all,
// is an error that names it.
package nrt
