// Package quant decodes and encodes the block formats of GGUF files.
//
// A row of K values is stored as K/BlockSize blocks; each block carries its own scales, so rows are
// independent and can be permuted or sliced whole. Layouts are those of the GGUF specification
// (ggml's block_q8_0, block_q4_0, block_q4_K, block_q5_K, block_q6_K), little-endian throughout.
// Decoding here is the exact reference: value = scale * integer (- minimum) in float32, the order
// in which ggml's own dequantisation computes it. Devices have their own fast paths.
package quant
