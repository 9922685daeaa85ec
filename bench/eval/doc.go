// Package eval measures how well a model predicts a text, and how far its predictions are from
// another model's.
//
// chunks.go cuts the ids of a text as llama.cpp's llama-perplexity does and drives executables,
// score.go turns logits into sums and figures, report.go prints them. The definitions are
// llama-perplexity's, so that figures can be compared: the text is cut into chunks of N ids, each
// begins anew (its first id replaced by BOS where the tokenizer adds one), and the ids from N/2+1
// to the chunk's end count, each predicted from all before it in the chunk. Perplexity is
// exp(mean negative log-likelihood); divergence is KL(other || model) of the whole distributions at
// the same positions, in nats.
package eval
