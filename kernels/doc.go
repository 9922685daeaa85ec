// Package kernels carries the CUDA kernels.
//
// <op>/<op>.cu are the sources; each begins with what it computes and how its data lies. A name
// that ends in an architecture (_sm90a, _sm100f, _sm120f) is for that one alone, one in _tile for
// many rows on all others. ptx/ holds what nvcc makes of them, in gzip, committed, so that a binary
// built without nvcc runs on any NVIDIA GPU from Ampere on: the driver compiles it when the device
// is opened. `make kernels` makes it anew, with machine code for each architecture in fatbin/
// (build.py), and checks registers, spills, shared memory and instructions against table.txt and
// manifest.json. common/ is what the sources share; common/emulate.h lets the tests run the same
// sources on the host.
package kernels
