// Package models turns published checkpoints into programs.
//
// config.go is the neutral description of a decoder; hfconfig.go reads it from config.json,
// ggufconfig.go from GGUF metadata, rope.go computes rotary frequencies for all published scalings.
// families.go is the table of architectures; decoder.go records the one decoder that they share.
// load.go opens a directory or file; ggufnames.go maps GGUF's tensor names to the canonical ones,
// which are those of Hugging Face checkpoints. dummy.go makes weights up for benches; inspect.go
// prints.
package models
