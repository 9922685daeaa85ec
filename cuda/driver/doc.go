// Package driver is the CUDA driver, found at run time by dlopen, so that one binary runs with and
// without a GPU and needs nothing of NVIDIA's to build.
//
// gorgonia.org/cu serves device, primary context, module, stream, event, memory and copies; its
// calls jump through a table (tramp.S, symbols.h) that shim.c fills once the driver is loaded, and
// its Ctx is never used. shim.c adds what it does not bind: pinned memory, lists of launches in one
// call, stream capture and graphs, function attributes, error names.
//
// Everything but this file has the build tag cuda: gorgonia.org/cu wants a cuda.h, which is
// cuda/include's, by CGO_CFLAGS.
package driver
