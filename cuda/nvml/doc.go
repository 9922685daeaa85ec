// Package nvml reads a GPU's health from NVIDIA's management library, found by dlopen.
//
// nvml.c holds the functions it found, each possibly absent; a call of an absent one says
// "not supported", so that neither a missing library nor an old one can end the process. library.go
// opens and reads; health.go says what a reading means for an operator; watch.go waits for events.
//
// The package is built with the tag cuda.
package nvml
