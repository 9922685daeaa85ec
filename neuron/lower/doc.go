// Package lower turns a runtime.Program into HLO graphs of fixed shapes, one list of graphs for
// each bucket, and says which tensor every input and output is.
//
// options.go has the settings and buckets, bundle.go the result and the cut into graphs: the whole
// model, or one for each layer where equal layers share a graph. Then one file for each part of the
// work: lowering.go (registers, parameters), ops.go, heads.go, attention.go, moe.go and logits.go
// lower operations, shard.go places them on ranks, tensor.go and source.go say how a tensor comes
// from the checkpoint.
//
// Prefill graphs take the new tokens of one sequence, decode graphs one token of each of several.
// Block 0 of the cache is scratch: what pads a batch up to its bucket is token 0 at position 0,
// reads block 0 and writes its slot 0, so every index of every graph is in range and rows that pad
// are all equal. Values of blocks beyond a sequence's length are replaced by zero, so nothing that
// another sequence left there can matter, not even NaN.
package lower
