// Package box is the model in the box: basalt.box-v1, a decoder of 2.75 million parameters that is
// part of the binary, so that a machine without weights or network gets real answers.
//
// Its files, in the layout of Hugging Face (Qwen3ForCausalLM, weights in BF16), are in files/;
// models.LoadFS reads them. README.md is the model card; tools/box trains and scores it.
package box
