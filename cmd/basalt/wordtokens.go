package main

import "basalt/models/tokenizer"

// wordTokens are the tokens whose text is a space at most and then letters. No part of such text
// is withheld to see what follows (a rune's next byte, the end of a tool call's mark), so that a
// stream of them has one event for each token, as clients that count events take for granted.
func wordTokens(t *tokenizer.Tokenizer) []int32 {
	var ids []int32
	for id := range int32(t.Vocab()) {
		if !t.IsSpecial(id) && isWord(t.TokenBytes(id)) {
			ids = append(ids, id)
		}
	}
	return ids
}

func isWord(text []byte) bool {
	if len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	for _, c := range text {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return len(text) > 0
}
