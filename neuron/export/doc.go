// Package export is the folder between a checkpoint and a device: manifest.json with the settings,
// graphs and tensors, one NAME.hlo.pb for each graph, and what neuronx-cc made of them, neff/ and
// compiled.json. settings.go and manifest.go write and read the export, which depends on the
// program and the settings alone; compile.go runs the compiler, once for each graph, flags and
// version of the compiler; load.go gives a device the compiled graphs, checked by hash and header.
package export
