package tokenizer

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPublishedVectors encodes the texts that are published with the vocabularies.
func TestPublishedVectors(t *testing.T) {
	f := func(family string) {
		t.Helper()
		t.Run(family, func(t *testing.T) {
			path := sharedFile(t, "ggml-vocab-"+family+".gguf")
			tok, err := FromGGUF(readGGUFVocab(t, path))
			if err != nil {
				t.Fatal(err)
			}
			texts := strings.Split(readText(t, path+".inp"), "\n__ggml_vocab_test__\n")
			ids := strings.Split(readText(t, path+".out"), "\n") // the last text and line are empty
			if len(texts) != 47 || len(ids) != 47 {
				t.Fatalf("%d texts and %d lines of ids, want 47", len(texts), len(ids))
			}
			for i, text := range texts {
				got, want := tok.Encode(nil, text, EncodeOptions{}), parseIDs(t, ids[i])
				if !slices.Equal(got, want) {
					t.Errorf("Encode(%q) = %d, want %d", text, got, want)
				}
				if back := tok.Decode(got, true); back != text {
					t.Errorf("Decode(Encode(%q)) = %q", text, back)
				}
			}
		})
	}
	f("llama-bpe")
	f("qwen2")
	f("gpt-2")
	f("llama-spm")
	f("deepseek-llm")
}

func readText(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func parseIDs(t testing.TB, line string) []int32 {
	t.Helper()
	ids := []int32{}
	for _, f := range strings.Fields(line) {
		id, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, int32(id))
	}
	return ids
}
