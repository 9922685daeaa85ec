// Package kernels carries the CUDA kernels.
//
// <op>/<op>.cu are the sources; each begins with what it computes and how its data lies. ptx/ holds
// what nvcc makes of them for compute_80, committed, so that a binary built without nvcc runs on
// any NVIDIA GPU from Ampere on: the driver compiles it when a model is loaded. `make kernels`
// makes it anew, with machine code for each architecture in fatbin/ (build.py), and checks
// registers and spills against table.txt. common/ is what the sources share; common/emulate.h lets
// the tests run the same sources on the host.
package kernels
