// Package gguf reads GGUF files, versions 2 and 3, little-endian, and writes version 3.
//
// A file is mapped read-only; tensors and strings are views into the mapping. Nothing in it is
// trusted: every count, length, offset, alignment and product is checked against the file's size
// before it is used or anything is allocated (reader.go, parse.go, tensors.go). Metadata values
// stay encoded until they are asked for (meta.go), so that a vocabulary of 128,000 strings costs
// one pass over its bytes. split.go joins the parts of a large model. pairs.go collects
// metadata and write.go streams a file, tensor by tensor. The format is ggml's docs/gguf.md.
//
// A file must not be truncated while it is open: the kernel then ends the process with SIGBUS, as
// with any mapped file.
package gguf
