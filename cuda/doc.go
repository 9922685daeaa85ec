// Package cuda is the NVIDIA device: a Program becomes launches of the kernels in package kernels.
//
// device.go opens a GPU through cuda/driver, which finds the driver by dlopen. arch.go and check.go
// take the kernels of its architecture where they give the portable ones' bits; health.go follows
// NVML (cuda/nvml). compile.go and compile_ops.go turn a program into a flat list of launches;
// weights.go uploads weights through pinned memory and packs them on the device, scales.go lays out
// the scales of small floats (package kernels tells the layouts); memory.go sizes what a model
// needs before anything is loaded; library.go lets cuBLASLt (cuda/blas) multiply where any order of
// sums will do. batch.go packs a step into one copy; step.go posts it, replaying a graph for
// batches of decode rows, and waits.
//
// The package is built with the tag cuda, which `make build` sets; without it, Open says so. Every
// sum has one order that depends on weights and absolute positions alone. Its tests run on
// cuda/fake, or on a GPU as `make gpu-bundle`'s one file (bundle_test.go).
package cuda
