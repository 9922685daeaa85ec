// Package quantize stores a model's weights in block formats.
//
// recipe.go says which format each tensor gets, as llama.cpp's quantiser chooses; plan.go lists the
// tensors of a GGUF file, names.go what they are called there; meta.go and vocab.go write the
// metadata of a Hugging Face checkpoint, as llama.cpp's converter does. encode.go turns rows into
// blocks on all processors; file.go puts a file together, tensor by tensor, in bounded memory.
// memory.go does the same with a checkpoint that is only to be run.
package quantize
