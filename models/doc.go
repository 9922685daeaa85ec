// Package models turns published checkpoints into programs.
//
// config.go is the neutral description of a decoder; hfconfig.go reads it from config.json,
// ggufconfig.go from GGUF metadata, rope.go computes rotary frequencies for all published scalings.
// families.go is the table of architectures; decoder.go records the one decoder that they share.
// load.go opens a directory or file, loadhf.go reads what lies beside safetensors, generation.go
// the defaults of sampling and the end-of-sequence ids. Tensors go by the names of Hugging Face
// checkpoints: ggufnames.go translates GGUF's, fused.go those of experts saved as stacks; scaled.go
// gives FP8, MXFP4 and NVFP4 their scales. dummy.go makes weights up for the named shapes of
// shapes.go, or says how a device makes them; inspect.go prints.
package models
