// Package blas is NVIDIA's cuBLASLt, found at run time by dlopen: the products of its own kernels.
//
// lt.c holds the functions that it found; library.go opens the library and says which it is, and
// which NCCL there is, which nothing uses yet; product.go is one matrix product, Y = X W^T of rows,
// by an algorithm that the library's heuristic gave and that stays the same.
//
// Everything but this file has the build tag cuda. Its tests, and those of package cuda, build a
// library of testdata/ that checks what it is told and computes on the host.
package blas
