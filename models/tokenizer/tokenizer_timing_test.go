package tokenizer

import (
	"math/rand"
	"strings"
	"testing"
)

// prose returns about n bytes of English-like text, with many of a language's rarer words.
func prose(n int) string {
	r := rand.New(rand.NewSource(1))
	zipf := rand.NewZipf(r, 1.1, 8, 20000)
	syllables := strings.Fields("the re in con ta ble mo der ly er is a tion pre s ing lo ve un " +
		"do wa ter")
	var b strings.Builder
	for b.Len() < n {
		w := rand.New(rand.NewSource(int64(zipf.Uint64())))
		for range 1 + w.Intn(4) {
			b.WriteString(syllables[w.Intn(len(syllables))])
		}
		b.WriteString([]string{" ", " ", " ", " ", " ", " ", ", ", ". ", "\n", "'s "}[r.Intn(10)])
	}
	return b.String()[:n]
}

func benchFamilies(b *testing.B, f func(b *testing.B, tok *Tokenizer)) {
	for _, family := range families {
		b.Run(family, func(b *testing.B) {
			tok, err := FromGGUF(readGGUFVocab(b, sharedFile(b, "ggml-vocab-"+family+".gguf")))
			if err != nil {
				b.Fatal(err)
			}
			f(b, tok)
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, text := range []struct{ name, s string }{
		{"prose", prose(64 << 10)},
		{"prompt500", prose(500)},
		{"multilingual", strings.Repeat("Привет, мир! 你好，世界。こんにちは 안녕하세요 नमस्ते — "+
			"naïve café 123. ", 600)},
		{"nospaces", strings.Repeat("abcdefghij", 1<<20/10)},
	} {
		b.Run(text.name, func(b *testing.B) {
			benchFamilies(b, func(b *testing.B, tok *Tokenizer) {
				dst := tok.Encode(nil, text.s, EncodeOptions{})
				b.SetBytes(int64(len(text.s)))
				b.ReportAllocs()
				for b.Loop() {
					dst = tok.Encode(dst[:0], text.s, EncodeOptions{})
				}
			})
		})
	}
}

// BenchmarkEncodeCold has every word merged anew.
func BenchmarkEncodeCold(b *testing.B) {
	text := prose(64 << 10)
	benchFamilies(b, func(b *testing.B, tok *Tokenizer) {
		var dst []int32
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			tok.words = newWordCache()
			dst = tok.Encode(dst[:0], text, EncodeOptions{})
		}
	})
}

// BenchmarkPatterns times the pre-tokenizers that have no scanner by hand.
func BenchmarkPatterns(b *testing.B) {
	text := prose(64 << 10)
	for _, pre := range []string{
		"gpt-4o", "tekken", "deepseek-v3", "starcoder", "falcon",
		"default",
	} {
		b.Run(pre, func(b *testing.B) {
			v := readGGUFVocab(b, sharedFile(b, "ggml-vocab-llama-bpe.gguf"))
			v.Pre = pre
			tok, err := FromGGUF(v)
			if err != nil {
				b.Fatal(err)
			}
			dst := tok.Encode(nil, text, EncodeOptions{})
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				dst = tok.Encode(dst[:0], text, EncodeOptions{})
			}
		})
	}
}

func BenchmarkDecoder(b *testing.B) {
	text := prose(64 << 10)
	benchFamilies(b, func(b *testing.B, tok *Tokenizer) {
		ids := tok.Encode(nil, text, EncodeOptions{})
		var dst []byte
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			d := tok.NewDecoder(true)
			dst = dst[:0]
			for _, id := range ids {
				dst = d.Append(dst, id)
			}
			dst = d.Flush(dst)
		}
	})
}

func BenchmarkFromGGUF(b *testing.B) {
	for _, family := range families {
		b.Run(family, func(b *testing.B) {
			v := readGGUFVocab(b, sharedFile(b, "ggml-vocab-"+family+".gguf"))
			for b.Loop() {
				if _, err := FromGGUF(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFromJSON reads the files that make_goldens.py writes, if it has written whole ones.
func BenchmarkFromJSON(b *testing.B) {
	for _, family := range families {
		b.Run(family, func(b *testing.B) {
			data := readGzip(b, goldensDir(), family+".json.gz")
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := FromJSON(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
