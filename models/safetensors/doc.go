// Package safetensors reads checkpoints in the safetensors format: one file, or shards that an
// index names (https://github.com/huggingface/safetensors, format section of its README).
//
// Files are mapped read-only and tensors are views into the mapping, except in files whose data is
// not aligned: those are copied. The header is JSON and is not trusted: its length, every shape,
// dtype and offset is checked against the file before use, and tensors must cover the data without
// gap or overlap (header.go). checkpoint.go joins shards. Formats that can run code when loaded
// (pickle: .bin, .pt, .pth, .ckpt) are refused by name and by their first bytes.
//
// A file must not be truncated while it is open: the kernel then ends the process with SIGBUS, as
// with any mapped file.
package safetensors
