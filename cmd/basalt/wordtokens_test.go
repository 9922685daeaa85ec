package main

import (
	"testing"

	"basalt/models"
	"basalt/models/box"
)

func TestWordTokensAreShownAtOnce(t *testing.T) {
	m, err := loadFiles(box.ID, models.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := newTokenizer(m)
	if err != nil {
		t.Fatal(err)
	}
	ids := wordTokens(tok)
	if len(ids) < tok.Vocab()/4 {
		t.Fatalf("%d tokens of %d are words", len(ids), tok.Vocab())
	}
	decoder := tok.NewDecoder(true)
	for _, id := range ids {
		if text := decoder.Append(nil, id); string(text) != string(tok.TokenBytes(id)) {
			t.Fatalf("token %d shows %q of %q at once", id, text, tok.TokenBytes(id))
		}
	}
}

func TestIsWord(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if isWord([]byte(text)) != want {
			t.Fatalf("isWord(%q) is not %v", text, want)
		}
	}
	f("the", true)
	f(" The", true)
	f("", false)
	f(" ", false)
	f("  a", false)
	f("\xc3", false)
	f("<think", false)
	f("a\n", false)
}
