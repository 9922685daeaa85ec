// Package fake builds a libcuda.so.1 without a GPU, for tests.
//
// src/ is one device in host memory (memory.c, driver.c). A module is the committed PTX: it says
// which arguments and how many threads a launch must have (launch.c), and the kernel that runs is
// the same source compiled for the host, its threads fibers (fibers.c, kernels/common/emulate.h).
// The fake keeps the first rule that a caller breaks, and fails on demand. Nothing measured on it
// means anything.
package fake
