package main

import (
	"encoding/json"
	"fmt"

	"basalt/models/tokenizer"
)

// dummyTokenizer is for models without files: a token for each byte, and names for the rest of the
// vocabulary, so that whatever random weights choose is text.
func dummyTokenizer(vocab int) (*tokenizer.Tokenizer, error) {
	ids := make(map[string]int, vocab)
	spare := rune(256) // byte-level BPE shows bytes that are no letters by runes from here on
	for b := range min(256, vocab) {
		r := rune(b)
		if !('!' <= r && r <= '~' || '¡' <= r && r <= '¬' || '®' <= r) {
			r, spare = spare, spare+1
		}
		ids[string(r)] = b
	}
	for id := 256; id < vocab; id++ {
		ids[fmt.Sprintf("Ġt%d", id)] = id // a space, and its name
	}
	level := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}
	data, err := json.Marshal(map[string]any{
		"model":         map[string]any{"type": "BPE", "vocab": ids, "merges": []string{}},
		"pre_tokenizer": level, "decoder": level, "added_tokens": []any{},
	})
	if err != nil {
		return nil, err
	}
	return tokenizer.FromJSON(data)
}
