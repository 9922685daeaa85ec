package tokenizer

import (
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestSpecial: what is put around a text, and what becomes of control tokens inside.
func TestSpecial(t *testing.T) {
	f := func(tok *Tokenizer, text string, o EncodeOptions, want string) {
		t.Helper()
		var pieces []string
		for _, id := range tok.Encode(nil, text, o) {
			pieces = append(pieces, tok.Token(id))
		}
		if got := strings.Join(pieces, " "); got != want {
			t.Errorf("Encode(%q, %+v) is %q, want %q", text, o, got, want)
		}
	}
	add, parse := EncodeOptions{AddSpecial: true}, EncodeOptions{ParseSpecial: true}
	for _, load := range []func(testing.TB, string) *Tokenizer{smallJSON, smallGGUF} {
		llama := load(t, "llama-bpe")
		f(llama, "in", add, "<|begin_of_text|> in")
		f(llama, "", add, "<|begin_of_text|>")
		f(llama, "", parse, "")
		f(llama, "in<|eot_id|>in", parse, "in <|eot_id|> in")
		f(llama, "<|eot_id|>", EncodeOptions{}, "< | e ot _ id | >")
		f(llama, "<|eot_id<|eot_id|>", parse, "< | e ot _ id <|eot_id|>")
		spm := load(t, "llama-spm")
		f(spm, "the", add, "<s> ▁the")
		f(spm, "", add, "<s>")
		f(spm, "the</s>the", parse, "▁the </s> ▁the")
		f(spm, "</s>", EncodeOptions{}, "▁< / s >")
		f(load(t, "gpt-2"), " the", add, "Ġthe")
	}
}

// TestInvalidText is encoded as its replacement.
func TestInvalidText(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		for _, family := range families {
			tok := smallGGUF(t, family)
			if got := tok.Decode(tok.Encode(nil, text, EncodeOptions{}), false); got != want {
				t.Errorf("%s: Decode(Encode(%q)) = %q, want %q", family, text, got, want)
			}
		}
	}
	f("a\xffb", "a\uFFFDb")
	f("\xe4\xbd", "\uFFFD")
	f("\xe4\xe4\xbd\xa0", "\uFFFD你")
	f("\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD")
	f("\xf0\x9f\x98a\xc3", "\uFFFDa\uFFFD")
}

// checkEncode holds for all texts and tokenizers.
func checkEncode(t fataler, tok *Tokenizer, text string) {
	ids := tok.Encode([]int32{7}, text, EncodeOptions{})
	if ids[0] != 7 {
		t.Fatalf("Encode(%q) does not append", text)
	}
	for _, id := range ids[1:] {
		if tok.IsSpecial(id) {
			t.Fatalf("Encode(%q) yields the control token %q", text, tok.Token(id))
		}
	}
	want := string(appendLossy(nil, text))
	if len(tok.norm) == 1 && tok.norm[0] == normalizer(unicodeForm(0)) {
		want, _ = tok.norm[0].apply(nil, want)
	}
	if got := tok.Decode(ids[1:], false); got != want {
		t.Fatalf("Decode(Encode(%q)) = %q, want %q", text, got, want)
	}
	parsed := tok.Encode(nil, text, EncodeOptions{ParseSpecial: true})
	for _, id := range append(parsed, ids...) {
		if id < 0 || int(id) >= tok.Vocab() {
			t.Fatalf("Encode(%q) yields %d", text, id)
		}
	}
}

func FuzzEncode(f *testing.F) {
	var toks []*Tokenizer
	for _, family := range families {
		toks = append(toks, smallGGUF(f, family))
	}
	for _, s := range []string{
		"", "Hello, World!", "it's\n\n  \t x", "\xff\xe4", "<|eot_id|></s>",
		"你好 ö", "e\u0301\u0316", strings.Repeat("ab", 40), "1234567 3.14", "\u017f'ſ 'S",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range toks {
			checkEncode(t, tok, text)
		}
	})
}

// TestEncodeProperties is FuzzEncode on texts that look like text.
func TestEncodeProperties(t *testing.T) {
	for _, family := range families {
		fromJSON, fromGGUF := smallJSON(t, family), smallGGUF(t, family)
		t.Run(family, rapid.MakeCheck(func(t *rapid.T) {
			part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
				" the", "\n", "  ", "'s",
				"<|eot_id|>", "<s>", "123", "ing", "你", "\u0301", "ö",
			}))
			parts := rapid.SliceOfN(part, 0, 12).Draw(t, "parts")
			text := strings.Join(parts, "")
			checkEncode(t, fromGGUF, text)
			checkEncode(t, fromJSON, text)
			if family == "llama-spm" {
				return // ranks and scores break ties differently, as their references do
			}
			for _, parse := range []bool{false, true} {
				o := EncodeOptions{ParseSpecial: parse}
				a, b := fromJSON.Encode(nil, text, o), fromGGUF.Encode(nil, text, o)
				if d := cmp.Diff(a, b); d != "" {
					t.Fatalf("Encode(%q): tokenizer.json and GGUF differ:\n%s", text, d)
				}
			}
		}))
	}
}

// TestConcurrent encodes and decodes from many goroutines; run it with -race.
func TestConcurrent(t *testing.T) {
	for _, family := range families {
		tok := smallGGUF(t, family)
		texts := strings.SplitAfter(prose(4000), ".")
		var want [][]int32
		for _, text := range texts {
			want = append(want, tok.Encode(nil, text, EncodeOptions{}))
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range texts {
					k := (i*7 + g) % len(texts)
					got := tok.Encode(nil, texts[k], EncodeOptions{})
					if !slices.Equal(got, want[k]) {
						t.Errorf("Encode(%q) = %d, want %d", texts[k], got, want[k])
					}
					if got := tok.Decode(want[k], true); got != texts[k] {
						t.Errorf("Decode(%d) = %q, want %q", want[k], got, texts[k])
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestLinear encodes long texts that invite quadratic work: 16 times the text would then take 256
// times as long. It looks at the processor's time, which other processes don't change.
func TestLinear(t *testing.T) {
	units := []string{
		"a", " ", "\n", " \n", "'", "<", "<|eot_id", "1", "漢", "\u0301", "aA",
		"\u3000", "!", "\xff", "ö", "the", "\u1100", "\u0316\u0301",
	}
	for _, pre := range []string{
		"llama-bpe", "qwen2", "deepseek-llm", "gpt-4o", "deepseek-v3",
		"falcon", "llama-spm",
	} {
		family := "qwen2"
		if pre == "llama-spm" {
			family = pre
		}
		v := parseGGUFVocab(readGzip(t, "testdata", family+".gguf.gz"))
		v.Pre = pre
		tok, err := FromGGUF(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, unit := range units {
			f := func(n int) time.Duration {
				text := strings.Repeat(unit, n/len(unit)) + "x"
				start := cpuTime(t)
				if len(tok.Encode(nil, text, EncodeOptions{ParseSpecial: true})) == 0 {
					t.Errorf("%s: no ids for %.8q", pre, text)
				}
				return cpuTime(t) - start
			}
			short := max(f(1<<12), 2*time.Millisecond)
			if long := f(1 << 16); long > 80*short {
				t.Errorf("%s: %q repeated takes %v, then %v for 16 times as much", pre, unit, short,
					long)
			}
		}
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestScanners cuts with the scanners and with the patterns that they stand for.
func TestScanners(t *testing.T) {
	for _, pattern := range []string{gpt2Pattern, cl100kPattern, qwen2Pattern, qwen35Pattern} {
		scan := scannerOf(pattern)
		f := func(t fataler, text string) {
			var got []string
			for s := text; len(s) > 0; {
				n := scan(classes(), s)
				got, s = append(got, s[:n]), s[n:]
			}
			if want := findAll(t, pattern, text); !slices.Equal(got, want) {
				t.Fatalf("%q is cut into %q, the pattern %s says %q", text, got, pattern, want)
			}
		}
		f(t, "don't DON'T we'Re y'all 'ſteam x'ſteam 'tis ''s ' s'")
		f(t, "a\u0301b \u0301 \u0301\u0301! \u0301")
		f(t, "  a\n\n b \r\n\t c  \u3000 d\u00a0\u00a0")
		f(t, "1234567 ١٢٣٤ ½²³ a1b2 -5")
		f(t, "()!?\r\n\n ... \t...\n")
		parts := rapid.SampledFrom([]string{
			"a", "B", "é", "你", "1", "٣", " ", "  ", "\n", "\r",
			"\t", "\u3000", "'", "'s", "'RE", "ſ", "!", ".", "\u0301", "😀", "\U00011380",
			"\U0002ebf0",
		})
		rapid.Check(t, func(t *rapid.T) {
			f(t, strings.Join(rapid.SliceOfN(parts, 1, 12).Draw(t, "parts"), ""))
		})
	}
}

// TestNoAllocation: the steady state of encoding and decoding.
func TestNoAllocation(t *testing.T) {
	text := prose(300) // so few words that they don't drive each other out of the cache
	for _, family := range families {
		tok := smallGGUF(t, family)
		e := newEncoder(tok.tables) // the pool may lose one to the collector
		e.text(text)
		dst := make([]byte, 0, 2*len(text))
		d := tok.NewDecoder(true)
		got := testing.AllocsPerRun(100, func() {
			e.dst = e.dst[:0]
			e.text(text)
			dst = dst[:0]
			for _, id := range e.dst {
				dst = d.Append(dst, id)
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations", family, got)
		}
	}
}

// TestMaximalPart holds the lossy conversion against the rules of Unicode 16, table 3-11.
func TestMaximalPart(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		got := string(appendLossy(nil, s))
		if got != want || !utf8.ValidString(got) {
			t.Errorf("appendLossy(%q) = %q, want %q", s, got, want)
		}
	}
	f("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82A", strings.Repeat("\uFFFD", 8)+"A")
	f("\xED\xA0\x80\xED\xBF\xBF\xED\xAFA", strings.Repeat("\uFFFD", 8)+"A")
	f("\xF4\x91\x92\x93\xFFA\x80\xBFB", strings.Repeat("\uFFFD", 5)+"A\uFFFD\uFFFDB")
	f("\xE1\x80\xE2\xF0\x91\x92\xF1\xBFA", strings.Repeat("\uFFFD", 4)+"A")
}
