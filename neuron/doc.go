// Package neuron is the Trainium device: a program becomes HLO graphs of fixed sizes, which
// neuronx-cc compiles and libnrt runs.
//
// hlo, hloeval: graphs, and arithmetic without hardware. lower: a program into graphs. nrt: the
// runtime library, opened by dlopen. simulate: a bundle on the evaluator. neff: compiled files.
// export: the folder of an export with its manifest, and the compiler. monitor: health and metrics.
// fakelib, fake: the fake runtime library and compiler of the tests, and their arithmetic.
//
// Here: device.go opens the library and loads an export; machine.go and cores.go are the memory and
// the threads of its cores; executable.go runs steps: split.go cuts a batch into runs of one bucket
// each, controls.go packs and pads a run, sample.go chooses tokens on the host. metrics.go,
// usage.go and reports.go are what /metrics says. doctor.go and verify.go check a machine and its
// numbers.
package neuron
