// Package safetensors reads checkpoints in the safetensors format: one file, or shards that an
// index names (https://github.com/huggingface/safetensors, format section of its README).
//
// Files are mapped read-only and tensors are views into the mapping (file.go). The header is JSON
// and is not trusted: its length, every shape, dtype and offset is checked against the file before
// use, and tensors must cover the data without gap or overlap (header.go). checkpoint.go joins
// shards. Formats that can run code when loaded (pickle: .bin, .pt, .pth, .ckpt) are refused by
// name.
package safetensors
