package tokenizer

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
)

func tinyGGUF(change func(v *GGUFVocab)) GGUFVocab {
	v := GGUFVocab{Model: "gpt2", Pre: "gpt-2", BOS: -1, EOS: 258, UNK: -1, Merges: []string{"a b"}}
	for b := range 256 {
		v.add(string(alphabet(byte(b))), typeNormal, 0)
	}
	v.add("ab", typeNormal, 0)
	v.add("<tool>", typeUserDefined, 0)
	v.add("<end>", typeControl, 0)
	v.add("[PAD259]", typeUserDefined, 0)
	v.Scores = nil
	change(&v)
	return v
}

func tinySPM(change func(v *GGUFVocab)) GGUFVocab {
	v := GGUFVocab{Model: "llama", BOS: 1, EOS: 2, UNK: 0}
	v.add("<unk>", typeUnknown, 0)
	v.add("<s>", typeControl, 0)
	v.add("</s>", typeControl, 0)
	v.add("▁", typeNormal, -3)
	v.add("a", typeNormal, -4)
	v.add("▁a", typeNormal, -1)
	v.add("<tool>", typeUserDefined, 0)
	change(&v)
	return v
}

func TestFromGGUF(t *testing.T) {
	f := func(v GGUFVocab, text string, o EncodeOptions, want string) {
		t.Helper()
		tok, err := FromGGUF(v)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, id := range tok.Encode(nil, text, o) {
			got = append(got, tok.Token(id))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: Encode(%q, %+v) is %q, want %q", v.Model, text, o, s, want)
		}
	}
	yes, no := true, false
	none, add := EncodeOptions{}, EncodeOptions{AddSpecial: true}
	parse := EncodeOptions{ParseSpecial: true}
	same := func(*GGUFVocab) {}
	f(tinyGGUF(same), "ab", add, "ab")
	f(tinyGGUF(func(v *GGUFVocab) { v.AddEOS = &yes }), "ab", add, "ab <end>")
	f(tinyGGUF(func(v *GGUFVocab) { v.BOS, v.AddBOS = 258, &yes }), "ab", add, "<end> ab")
	f(tinyGGUF(func(v *GGUFVocab) { v.BOS, v.Pre = 258, "llama-bpe" }), "ab", add, "<end> ab")
	f(tinyGGUF(func(v *GGUFVocab) { v.BOS, v.Pre, v.AddBOS = 258, "llama-bpe", &no }),
		"ab", add, "ab")
	f(tinyGGUF(same), "a<end>", parse, "a <end>")
	f(tinyGGUF(same), "a<end>", none, "a < e n d >")
	f(tinyGGUF(same), "a<tool>", none, "a <tool>") // user-defined tokens are no control tokens
	f(tinyGGUF(func(v *GGUFVocab) { v.Types[256] = typeControl }), "ab", none, "a b")
	f(tinyGGUF(func(v *GGUFVocab) { v.Types[256] = typeControl }), "ab", parse, "ab")
	f(tinyGGUF(func(v *GGUFVocab) { v.Types[256], v.Pre = typeControl, "tekken" }),
		"ab", none, "a b")
	f(tinyGGUF(same), "[PAD259]", parse, "[ P A D 2 5 9 ]")
	f(tinyGGUF(func(v *GGUFVocab) { v.Types = nil }), "a<end>", parse, "a <end>")

	f(tinySPM(same), "a a", add, "<s> ▁a ▁a")
	f(tinySPM(func(v *GGUFVocab) { v.AddSpacePrefix = &no }), "a a", none, "a ▁a")
	f(tinySPM(func(v *GGUFVocab) { v.AddBOS = &no }), "a", add, "▁a")
	f(tinySPM(func(v *GGUFVocab) { v.AddEOS = &yes }), "a", add, "<s> ▁a </s>")
	f(tinySPM(same), "a<tool>a</s>a", none, "▁a <tool> ▁a <unk> a")
	f(tinySPM(same), "a<tool>a</s>a", parse, "▁a <tool> ▁a </s> ▁a")
}

// TestPresets: all names are known and distinct, and each of them encodes.
func TestPresets(t *testing.T) {
	var names []string
	for _, p := range presets() {
		names = append(names, p.names...)
	}
	text := "It's 1234 Tests,\n\n  I'LL say: «ça» 你好!  "
	for i, name := range append(names, "") {
		if slices.Contains(names[:min(i, len(names))], name) {
			t.Errorf("%q is there twice", name)
		}
		tok, err := FromGGUF(tinyGGUF(func(v *GGUFVocab) { v.Pre = name }))
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if got := tok.Decode(tok.Encode(nil, text, EncodeOptions{}), true); got != text {
			t.Errorf("%q: Decode(Encode(%q)) = %q", name, text, got)
		}
	}
}

func TestFromGGUFErrors(t *testing.T) {
	check := func(v GGUFVocab, want string) {
		t.Helper()
		_, err := FromGGUF(v)
		if err == nil || !strings.Contains(err.Error(), want) ||
			!strings.HasPrefix(err.Error(), "cannot use the GGUF tokenizer: ") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f := func(want string, change func(v *GGUFVocab)) {
		t.Helper()
		check(tinyGGUF(change), want)
	}
	spm := func(want string, change func(v *GGUFVocab)) {
		t.Helper()
		check(tinySPM(change), want)
	}
	f(`tokenizer.ggml.model "t5" is not supported; "gpt2"`, func(v *GGUFVocab) { v.Model = "t5" })
	f(`tokenizer.ggml.pre "new" is not supported; llama-bpe`, func(v *GGUFVocab) { v.Pre = "new" })
	f("tokens is empty", func(v *GGUFVocab) { v.Tokens, v.Types = nil, nil })
	f("more than 1048576", func(v *GGUFVocab) { v.Tokens = make([]string, maxVocab+1) })
	f("3 token types for 260 tokens", func(v *GGUFVocab) { v.Types = v.Types[:3] })
	f("2 scores for 260 tokens", func(v *GGUFVocab) { v.Scores = make([]float32, 2) })
	f("token 5 has type 9", func(v *GGUFVocab) { v.Types[5] = 9 })
	f("token 5 has type -1", func(v *GGUFVocab) { v.Types[5] = -1 })
	f("bos_token_id 260 is not in 0 to 259", func(v *GGUFVocab) { v.BOS = 260 })
	f("eos_token_id -2", func(v *GGUFVocab) { v.EOS = -2 })
	f(`token "ab" has two ids, 0 and 256`, func(v *GGUFVocab) { v.Tokens[0] = "ab" })
	f("is not UTF-8", func(v *GGUFVocab) { v.Tokens[0] = "\xff" })
	f("more than 4096", func(v *GGUFVocab) { v.Tokens[0] = strings.Repeat("x", 4097) })
	f("needs tokenizer.ggml.merges", func(v *GGUFVocab) { v.Merges = nil })
	f("is not two tokens", func(v *GGUFVocab) { v.Merges = []string{"ab"} })
	f(`merge 0, "a" with "c"`, func(v *GGUFVocab) { v.Merges = []string{"a c"} })
	f(`merge 0, "ab" with "zz"`, func(v *GGUFVocab) { v.Merges = []string{"ab zz"} })
	spm("needs tokenizer.ggml.scores", func(v *GGUFVocab) { v.Scores = nil })
	spm("the score of token 4 is not a number", func(v *GGUFVocab) {
		v.Scores[4] = float32(math.NaN())
	})
	spm("neither tokens for all bytes nor an unknown token", func(v *GGUFVocab) {
		v.UNK, v.Types[0] = -1, typeNormal
	})
	spm("must be of type 6 (byte), has 1", func(v *GGUFVocab) { v.add("<0x41>", typeNormal, 0) })
}

// TestScores: infinite, negative and equal scores have an order.
func TestScores(t *testing.T) {
	f := func(better, worse float32) {
		t.Helper()
		m := bpe{vocab: &vocab{flags: make([]flags, 2)}}
		if err := m.setScores([]float32{better, worse}); err != nil {
			t.Fatal(err)
		}
		if cmp.Compare(m.ranks[0], m.ranks[1]) != -cmp.Compare(better, worse) {
			t.Errorf("%v has rank %d, %v has %d", better, m.ranks[0], worse, m.ranks[1])
		}
	}
	inf := float32(math.Inf(1))
	f(1, 0)
	f(0, -1)
	f(-1, -2)
	f(2, -2)
	f(inf, 1e38)
	f(-1e38, -inf)
	f(0, float32(math.Copysign(0, -1)))
	f(1e-45, 0)
}
