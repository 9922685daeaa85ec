package tokenizer

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestExportGGUF: the exported vocabulary is that of the GGUF file of the same family, and encodes
// the goldens as the tokenizer.json does.
func TestExportGGUF(t *testing.T) {
	f := func(family, model, pre string) {
		t.Helper()
		data := readGzip(t, "testdata", family+".json.gz")
		size := mustJSON(t, data).Vocab() + 3
		v, err := ExportGGUF(data, nil, size)
		if err != nil {
			t.Errorf("%s: %v", family, err)
			return
		}
		if v.Model != model || v.Pre != pre || len(v.Tokens) != size {
			t.Errorf("%s: model %q, pre %q, %d tokens", family, v.Model, v.Pre, len(v.Tokens))
		}
		if v.Tokens[size-1] != "[PAD"+strconv.Itoa(size-1)+"]" || v.Types[size-1] != typeUnused {
			t.Errorf("%s: padding is %q of type %d", family, v.Tokens[size-1], v.Types[size-1])
		}
		exported, err := FromGGUF(v)
		if err != nil {
			t.Fatal(err)
		}
		g := readGoldens(t, "testdata", family)
		g.compare(t, exported, "special", "plain")
	}
	f("llama-bpe", "gpt2", "llama-bpe")
	f("qwen2", "gpt2", "qwen2")
	f("gpt-2", "gpt2", "gpt-2")
	f("deepseek-llm", "gpt2", "deepseek-llm")
}

// TestExportGGUFOfCheckpoints: those of testdata, with their configuration.
func TestExportGGUFOfCheckpoints(t *testing.T) {
	f := func(name, model string, addBOS bool) {
		t.Helper()
		dir := filepath.Join("../../testdata", name)
		data := []byte(readText(t, filepath.Join(dir, "tokenizer.json")))
		config := []byte(readText(t, filepath.Join(dir, "tokenizer_config.json")))
		v, err := ExportGGUF(data, config, 2000)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if v.Model != model || *v.AddBOS != addBOS || v.EOS < 0 {
			t.Errorf("%s: model %q, BOS added %v, EOS %d", name, v.Model, *v.AddBOS, v.EOS)
		}
		if model == "llama" && (v.Types[v.BOS] != typeControl ||
			!slices.Contains(v.Types, typeByte) || !*v.AddSpacePrefix) {
			t.Errorf("%s: types %v", name, v.Types[:8])
		}
	}
	f("llama2", "llama", true)
	f("mixtral", "llama", true)
	f("mistral", "llama", true)
	f("llama3-chat", "gpt2", true)
	f("qwen3", "gpt2", false)
}

// TestExportGGUFWithoutNormalizer: GGUF has no name for the words of Qwen2 in text left as it is.
func TestExportGGUFWithoutNormalizer(t *testing.T) {
	data := string(readGzip(t, "testdata", "qwen2.json.gz"))
	plain := strings.Replace(data, `{"type": "NFC"}`, "null", 1)
	v, err := ExportGGUF([]byte(plain), nil, mustJSON(t, []byte(data)).Vocab())
	if err != nil || v.Pre != "qwen2" || plain == data {
		t.Errorf("pre %q, error %v", v.Pre, err)
	}
}

func TestExportGGUFRefuses(t *testing.T) {
	data := string(readGzip(t, "testdata", "qwen2.json.gz"))
	f := func(old, with string, size int, want string) {
		t.Helper()
		changed := strings.Replace(data, old, with, 1)
		if old != "" && changed == data {
			t.Fatalf("%q is not in the file", old)
		}
		_, err := ExportGGUF([]byte(changed), nil, size)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	n := mustJSON(t, []byte(data)).Vocab()
	f("", "", n-1, "ids, the model")
	f("", "", maxVocab+1, "more than")
	f(`"NFC"`, `"NFD"`, n, "no pre-tokenizer that GGUF has a name for")
	f(`\\p{N}|`, `\\p{N}{1,2}|`, n, "no pre-tokenizer that GGUF has a name for")
	f(`"lstrip": false`, `"lstrip": true`, n, "would be encoded otherwise")
	f(`{`, `[`, n, "cannot read tokenizer.json")
	// Its cut vocabulary has "qu" but no "q": scores would merge what merges cannot.
	data = string(readGzip(t, "testdata", "llama-spm.json.gz"))
	f("", "", 1<<16, "would be encoded otherwise")
}
