// Package tokenizer turns text into token ids and back, with the same ids as the tokenizer that
// the model was trained with.
//
//	tokenizer.go  Tokenizer: Encode, Decode and what is known of each id
//	json.go       FromJSON: Hugging Face tokenizer.json; json_parts.go compiles its components
//	gguf.go       FromGGUF: the tokenizer.ggml.* metadata; presets.go: its pre-tokenizer names
//	export.go     ExportGGUF: a tokenizer.json in GGUF's terms
//	added.go      added and special tokens, found in the text before anything else
//	normalize.go  Unicode normalisation, Prepend, Replace, Lowercase, Strip
//	steps.go      pre-tokenizers: the text is cut into words; scan.go and runes.go do it by hand,
//	              regex.go with a backtracking engine for every other pattern
//	bpe.go        byte pair encoding of a word by ranks or SentencePiece scores; words.go caches
//	decode.go     the incremental Decoder, which never splits a character
//
// References: Sennrich et al. 2016 (BPE), Radford et al. 2019 (byte-level BPE), Kudo and
// Richardson 2018 (SentencePiece), and the behaviour of the tokenizers and sentencepiece libraries.
package tokenizer
