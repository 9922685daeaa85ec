package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// slowBPE is the definition: of all adjacent pairs the one with the best rank, leftmost first,
// becomes one symbol, until there is none. rank returns a pair's rank, or a negative number.
func slowBPE(symbols []string, rank func(left, right string) int) []string {
	symbols = slices.Clone(symbols)
	for {
		best, bestRank := -1, 0
		for i := 0; i+1 < len(symbols); i++ {
			if r := rank(symbols[i], symbols[i+1]); r >= 0 && (best < 0 || r < bestRank) {
				best, bestRank = i, r
			}
		}
		if best < 0 {
			return symbols
		}
		symbols[best] += symbols[best+1]
		symbols = slices.Delete(symbols, best+1, best+2)
	}
}

// randomVocab draws merges over a few letters, each of tokens that exist by then.
func randomVocab(t *rapid.T) (tokens []string, merges []string) {
	for c := range 256 {
		tokens = append(tokens, string(alphabet(byte(c))))
	}
	known := []string{"a", "b", "c"}
	for range rapid.IntRange(0, 25).Draw(t, "merges") {
		left := rapid.SampledFrom(known).Draw(t, "left")
		right := rapid.SampledFrom(known).Draw(t, "right")
		merge := left + " " + right
		if len(left+right) > 9 || slices.Contains(merges, merge) {
			continue
		}
		merges = append(merges, merge)
		if !slices.Contains(known, left+right) {
			known = append(known, left+right)
			tokens = append(tokens, left+right)
		}
	}
	return tokens, append(merges, "x y")
}

// TestMergesMatchDefinition holds short and long words against slowBPE.
func TestMergesMatchDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens, merges := randomVocab(t)
		tok, err := FromGGUF(GGUFVocab{
			Model: "gpt2", Pre: "gpt-2", Tokens: append(tokens, "xy"),
			Merges: merges, BOS: -1, EOS: -1, UNK: -1,
		})
		if err != nil {
			t.Fatal(err)
		}
		word := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 1, 3*shortWord, -1).Draw(t, "word")
		want := slowBPE(strings.Split(word, ""), func(left, right string) int {
			return slices.Index(merges, left+" "+right)
		})
		checkPieces(t, tok, word, want)
	})
}

// TestScoresMatchDefinition does the same for SentencePiece's scores, equal ones among them.
func TestScoresMatchDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := GGUFVocab{Model: "llama", BOS: -1, EOS: -1, UNK: 0, AddSpacePrefix: new(bool)}
		v.add("<unk>", typeUnknown, 0)
		for b := range 256 {
			v.add(fmt.Sprintf("<0x%02X>", b), 6, 0)
		}
		piece := rapid.StringOfN(rapid.RuneFrom([]rune("abcä")), 1, 6, -1)
		pieces := rapid.SliceOfNDistinct(piece, 0, 25, rapid.ID[string]).Draw(t, "pieces")
		scores := map[string]int{}
		for _, p := range append(pieces, "▁") {
			scores[p] = rapid.IntRange(-5, 5).Draw(t, "score")
			v.add(p, 1, float32(scores[p]))
		}
		tok, err := FromGGUF(v)
		if err != nil {
			t.Fatal(err)
		}
		word := rapid.StringOfN(rapid.RuneFrom([]rune("abcäx")), 1, 3*shortWord, -1).Draw(t, "word")
		want := slowBPE(strings.Split(word, ""), func(left, right string) int {
			score, ok := scores[left+right]
			if !ok {
				return -1
			}
			return 5 - score
		})
		var spelled []string
		for _, w := range want {
			if _, ok := scores[w]; ok {
				spelled = append(spelled, w)
				continue
			}
			for _, b := range []byte(w) {
				spelled = append(spelled, fmt.Sprintf("<0x%02X>", b))
			}
		}
		checkPieces(t, tok, word, spelled)
	})
}

func (v *GGUFVocab) add(piece string, typ int32, score float32) {
	v.Tokens = append(v.Tokens, piece)
	v.Types = append(v.Types, typ)
	v.Scores = append(v.Scores, score)
}

func checkPieces(t fataler, tok *Tokenizer, text string, want []string) {
	var got []string
	for _, id := range tok.Encode(nil, text, EncodeOptions{}) {
		got = append(got, tok.Token(id))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("Encode(%q) is %q, want %q", text, got, want)
	}
}

// TestUnknown: characters that no token and no byte token spells.
func TestUnknown(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		v := GGUFVocab{Model: "llama", BOS: -1, EOS: -1, UNK: 0}
		v.add("<unk>", typeUnknown, 0)
		v.add("▁", 1, 0)
		v.add("a", 1, 0)
		v.add("<0xC3>", 6, 0)
		v.add("<0xA4>", 6, 0)
		tok, err := FromGGUF(v)
		if err != nil {
			t.Fatal(err)
		}
		checkPieces(t, tok, text, want)
	}
	f("a", "▁", "a")
	f("axya", "▁", "a", "<unk>", "a") // a run is one token
	f("xäx", "▁", "<unk>", "<0xC3>", "<0xA4>", "<unk>")
	f("é", "▁", "<unk>") // one of its bytes has no token
}
