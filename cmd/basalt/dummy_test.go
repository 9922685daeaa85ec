package main

import (
	"testing"

	"basalt/models/tokenizer"
)

// TestDummyTokenizer: text comes back as it went in, and every id is text.
func TestDummyTokenizer(t *testing.T) {
	for _, vocab := range []int{300, 128256} {
		tok, err := dummyTokenizer(vocab)
		if err != nil {
			t.Fatal(err)
		}
		text := "Hello, Wörld!\n"
		ids := tok.Encode(nil, text, tokenizer.EncodeOptions{})
		if got := tok.Decode(ids, false); got != text {
			t.Errorf("%d: %q came back as %q", vocab, text, got)
		}
		if got := tok.Decode([]int32{int32(vocab - 1)}, false); len(got) < 4 {
			t.Errorf("%d: the last id is %q", vocab, got)
		}
	}
	if _, err := dummyTokenizer(100); err != nil {
		t.Error(err)
	}
}
