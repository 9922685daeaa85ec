// Package nvml reads a GPU's health from NVIDIA's management library, found by dlopen.
//
// github.com/NVIDIA/go-nvml binds the library and leaves its names to the loader, which ends the
// process at the first one that is missing. Here every one of them is a jump (tramp.S, symbols.h)
// through a table (table.c): before Open it answers "uninitialised", and "function not found" where
// the driver's library lacks it. library.go opens and reads, gpm.go measures the bandwidth of
// memory, and health.go says what a reading or an event means for an operator.
//
// Everything but this file has the build tag cuda.
package nvml
