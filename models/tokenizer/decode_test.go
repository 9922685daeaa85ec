package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func smallJSON(t testing.TB, family string) *Tokenizer {
	t.Helper()
	return mustJSON(t, readGzip(t, "testdata", family+".json.gz"))
}

func smallGGUF(t testing.TB, family string) *Tokenizer {
	t.Helper()
	tok, err := FromGGUF(parseGGUFVocab(readGzip(t, "testdata", family+".gguf.gz")))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func mustID(t testing.TB, tok *Tokenizer, piece string) int32 {
	t.Helper()
	id, ok := tok.ID(piece)
	if !ok {
		t.Fatalf("no token %q", piece)
	}
	return id
}

// TestDecoderHoldsBack feeds tokens one by one and looks at each piece of text.
func TestDecoderHoldsBack(t *testing.T) {
	spm, gpt2 := smallGGUF(t, "llama-spm"), smallGGUF(t, "gpt-2")
	f := func(tok *Tokenizer, pieces string, want ...string) {
		t.Helper()
		d := tok.NewDecoder(true)
		for i, piece := range strings.Fields(pieces) {
			if got := string(d.Append(nil, mustID(t, tok, piece))); got != want[i] {
				t.Errorf("%s, %q: text %q, want %q", pieces, piece, got, want[i])
			}
		}
		if got := string(d.Flush(nil)); got != want[len(want)-1] {
			t.Errorf("%s: at the end %q, want %q", pieces, got, want[len(want)-1])
		}
	}
	// The leading space goes, once; later ones stay.
	f(spm, "▁the ▁the", "the", " the", "")
	f(spm, "<s> ▁the <s> ▁the", "", "the", "", " the", "")
	f(spm, "<0x20> ▁the", "", " the", "")
	// A character in bytes comes when it is whole.
	f(spm, "<0xE4> <0xBD> <0xA0>", "", "", "你", "")
	f(spm, "<0xF0> <0x9F> <0x98> <0x80> a", "", "", "", "😀", "a", "")
	// sentencepiece: each byte of what is no character becomes U+FFFD.
	f(spm, "<0xE4> <0xBD> a", "", "", "\uFFFD\uFFFDa", "")
	f(spm, "<0xE4> <0xBD>", "", "", "\uFFFD\uFFFD")
	f(spm, "<0xFF> a", "\uFFFD", "a", "")
	f(spm, "<0xC3> <0xC3> <0xA9>", "", "\uFFFD", "é", "")
	// Byte-level: each maximal part of a character becomes one.
	f(gpt2, "ä ½ ł", "", "", "你", "")
	f(gpt2, "ä ½ a", "", "", "\uFFFDa", "")
	f(gpt2, "ä ½", "", "", "\uFFFD")
	f(gpt2, "ä ä ½ ł", "", "\uFFFD", "", "你", "")
	f(gpt2, "ð Ł ĺ", "", "", "", "\uFFFD")
	f(gpt2, "í ł Ģ a", "", "\uFFFD\uFFFD", "\uFFFD", "a", "") // a surrogate: no part of it is right
	f(gpt2, "½ Ġthe", "\uFFFD", " the", "")
}

// TestDecoderInside: bytes that are no character within one token.
func TestDecoderInside(t *testing.T) {
	tok, err := FromGGUF(tinyGGUF(func(v *GGUFVocab) {
		v.add("ä½a", typeNormal, 0)
		v.add("½aää½", typeNormal, 0)
		v.Scores = nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	f := func(ids []int32, want string) {
		t.Helper()
		if got := tok.Decode(ids, true); got != want {
			t.Errorf("Decode(%s) = %q, want %q", spell(tok, ids), got, want)
		}
		checkChunks(t, tok, ids, true)
	}
	first, second, last := mustID(t, tok, "ä½a"), mustID(t, tok, "½aää½"), mustID(t, tok, "ł")
	f([]int32{first}, "\uFFFDa")
	f([]int32{first, first}, "\uFFFDa\uFFFDa")
	f([]int32{second}, "\uFFFDa\uFFFD\uFFFD")
	f([]int32{second, last}, "\uFFFDa\uFFFD你")
	f([]int32{second, second}, "\uFFFDa\uFFFD佽a\uFFFD\uFFFD")
}

// TestDecoderSkipsSpecial shows control tokens only when asked to.
func TestDecoderSkipsSpecial(t *testing.T) {
	f := func(tok *Tokenizer, ids []int32, all, skipped string) {
		t.Helper()
		if got := tok.Decode(ids, false); got != all {
			t.Errorf("Decode(%d, false) = %q, want %q", ids, got, all)
		}
		if got := tok.Decode(ids, true); got != skipped {
			t.Errorf("Decode(%d, true) = %q, want %q", ids, got, skipped)
		}
	}
	gpt2, spm := smallGGUF(t, "gpt-2"), smallGGUF(t, "llama-spm")
	end, the := mustID(t, gpt2, "<|endoftext|>"), mustID(t, gpt2, "Ġthe")
	f(gpt2, []int32{end, the, end}, "<|endoftext|> the<|endoftext|>", " the")
	f(gpt2, []int32{-1, the, int32(gpt2.Vocab()), 1 << 30}, " the", " the")
	bos, the := mustID(t, spm, "<s>"), mustID(t, spm, "▁the")
	f(spm, []int32{bos, the}, "<s> the", "the")
	f(spm, nil, "", "")
}

// TestDecoderSeed continues a prompt as if its ids had been decoded before.
func TestDecoderSeed(t *testing.T) {
	f := func(tok *Tokenizer, prompt, rest, want string) {
		t.Helper()
		d := tok.NewDecoder(true)
		var ids []int32
		for _, piece := range strings.Fields(prompt) {
			ids = append(ids, mustID(t, tok, piece))
		}
		d.Seed(ids)
		var got []byte
		for _, piece := range strings.Fields(rest) {
			got = d.Append(got, mustID(t, tok, piece))
		}
		if string(d.Flush(got)) != want {
			t.Errorf("%s, then %s: %q, want %q", prompt, rest, got, want)
		}
	}
	spm := smallGGUF(t, "llama-spm")
	f(spm, "", "▁the", "the")
	f(spm, "<s>", "▁the", "the")
	f(spm, "<s> ▁the", "▁the", " the")
	f(spm, "▁the <0xE4> <0xBD>", "<0xA0> ▁the", "你 the")
	f(smallGGUF(t, "gpt-2"), "Ġthe ä", "½ ł", "你")
}

// TestDecoderChunks: whatever the ids, the chunks are whole characters and make up Decode.
func TestDecoderChunks(t *testing.T) {
	for _, family := range families {
		tok := smallGGUF(t, family)
		t.Run(family, rapid.MakeCheck(func(t *rapid.T) {
			ids := rapid.SliceOfN(rapid.Int32Range(-2, int32(tok.Vocab())+1), 0, 40).Draw(t, "ids")
			checkChunks(t, tok, ids, rapid.Bool().Draw(t, "skipSpecial"))
		}))
	}
}

type fataler interface{ Fatalf(string, ...any) }

func checkChunks(t fataler, tok *Tokenizer, ids []int32, skipSpecial bool) {
	d := tok.NewDecoder(skipSpecial)
	var text []byte
	for i, id := range ids {
		n := len(text)
		text = d.Append(text, id)
		if !utf8.Valid(text[n:]) {
			t.Fatalf("id %d of %d gives %q", i, ids, text[n:])
		}
		if d.numTail > 3 {
			t.Fatalf("%d bytes held back", d.numTail)
		}
	}
	text = d.Flush(text)
	if want := tok.Decode(ids, skipSpecial); string(text) != want {
		t.Fatalf("%d in chunks is %q, at once %q", ids, text, want)
	}
	half := len(ids) / 2
	a, b := tok.NewDecoder(skipSpecial), tok.NewDecoder(skipSpecial)
	for _, id := range ids[:half] {
		a.Append(nil, id)
	}
	b.Seed(ids[:half])
	for _, id := range ids[half:] {
		if x, y := string(a.Append(nil, id)), string(b.Append(nil, id)); x != y {
			t.Fatalf("%d after a seed of %d gives %q, want %q", id, half, y, x)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	var toks []*Tokenizer
	for _, family := range families {
		toks = append(toks, smallGGUF(f, family))
	}
	f.Add([]byte("\x01\x02\x03\xf4\x00\x10"), true)
	f.Add([]byte("\x00\xe7\x00\xc0\x00\xa3"), false)
	f.Fuzz(func(t *testing.T, data []byte, skipSpecial bool) {
		for _, tok := range toks {
			var ids []int32
			for i := 0; i+1 < len(data); i += 2 {
				ids = append(ids, (int32(data[i])<<8|int32(data[i+1]))%int32(tok.Vocab()))
			}
			checkChunks(t, tok, ids, skipSpecial)
		}
	})
}

// TestTokenTexts checks what is known of single ids.
func TestTokenTexts(t *testing.T) {
	f := func(tok *Tokenizer, piece, text string, special bool) {
		t.Helper()
		id := mustID(t, tok, piece)
		if got := string(tok.TokenBytes(id)); got != text {
			t.Errorf("TokenBytes(%q) = %q, want %q", piece, got, text)
		}
		if tok.Token(id) != piece || tok.IsSpecial(id) != special {
			t.Errorf("%q: Token %q, IsSpecial %v", piece, tok.Token(id), tok.IsSpecial(id))
		}
	}
	for _, load := range []func(testing.TB, string) *Tokenizer{smallJSON, smallGGUF} {
		f(load(t, "gpt-2"), "Ġthe", " the", false)
		f(load(t, "gpt-2"), "Ċ", "\n", false)
		f(load(t, "gpt-2"), "½", "\xbd", false)
		f(load(t, "gpt-2"), "<|endoftext|>", "<|endoftext|>", true)
		f(load(t, "deepseek-llm"), "<｜end▁of▁sentence｜>", "<｜end▁of▁sentence｜>", true)
		f(load(t, "deepseek-llm"), "ö", "ö", false) // an added token, not the byte 0xF6
		f(load(t, "llama-spm"), "▁the", " the", false)
		f(load(t, "llama-spm"), "<0x0A>", "\n", false)
		f(load(t, "llama-spm"), "<0xE4>", "\xe4", false)
		f(load(t, "llama-spm"), "</s>", "</s>", true)
		f(load(t, "llama-spm"), "<unk>", "<unk>", true)
	}
	tok := smallGGUF(t, "gpt-2")
	for _, id := range []int32{-1, int32(tok.Vocab()), 1 << 30} {
		if tok.Token(id) != "" || tok.TokenBytes(id) != nil || tok.IsSpecial(id) {
			t.Errorf("id %d outside the vocabulary has a token", id)
		}
	}
}
