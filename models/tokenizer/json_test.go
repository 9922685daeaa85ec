package tokenizer

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// tinyJSON is a tokenizer.json with a handful of tokens; fields replaces its sections, by name.
func tinyJSON(t testing.TB, fields ...string) string {
	t.Helper()
	patch := map[string]json.RawMessage{}
	for i := 0; i < len(fields); i += 2 {
		patch[fields[i]] = json.RawMessage(fields[i+1])
	}
	return string(patchJSON(t, []byte(`{
		"version": "1.0",
		"added_tokens": [
			{"id": 0, "content": "<s>", "special": true},
			{"id": 1, "content": "</s>", "special": true}],
		"normalizer": null, "pre_tokenizer": null, "post_processor": null,
		"decoder": {"type": "Fuse"},
		"model": {"type": "BPE", "vocab": {"<s>": 0, "</s>": 1, "a": 2, "b": 3, "ab": 4, "aab": 5},
			"merges": ["a b", "a ab"]}}`), patch))
}

func TestFromJSON(t *testing.T) {
	f := func(text, want string, fields ...string) {
		t.Helper()
		tok := mustJSON(t, []byte(tinyJSON(t, fields...)))
		var got []string
		o := EncodeOptions{AddSpecial: true, ParseSpecial: true}
		for _, id := range tok.Encode(nil, text, o) {
			got = append(got, tok.Token(id))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%v: Encode(%q) is %q, want %q", fields, text, s, want)
		}
	}
	f("aab", "aab")
	f("aaab?b", "a aab b")
	f("a<s>b", "a <s> b")
	f("ab", "ab", "model.merges", `[["a", "b"]]`)
	f("ab", "a b", "model.merges", `[]`)
	f("ab", "a b", "model.merges", `null`)
	f("aab", "aab", "model.merges", `["a ab", "a b"]`)
	f("a?b", "a <s> b", "model.unk_token", `"<s>"`)
	f("\u00e4", "\u00e4", "model.vocab", `{"<s>": 0, "</s>": 1, "\u00e4": 7}`, "model.merges", "[]")
	f("\U0001f600\"\\/\n", "\U0001f600 \" \\ / \n", "model.merges", "[]", "model.vocab",
		`{"<s>": 0, "</s>": 1, "\ud83d\uDE00": 2, "\"": 3, "\\": 4, "\/": 5, "\n": 6}`)

	special := `"special_tokens": {"B": {"ids": [0]}, "E": {"ids": [1, 2]}}`
	f("ab", "<s> ab </s> a", "post_processor", `{"type": "TemplateProcessing", "single":
		[{"SpecialToken": {"id": "B"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "E"}}],
		`+special+`}`)
	f("ab", "ab", "post_processor", `{"type": "ByteLevel"}`)
	roberta := `{"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 1]}`
	f("ab", "<s> ab </s>", "post_processor", roberta)
	f("ab", "b <s> ab </s>", "post_processor", `{"type": "Sequence", "processors": [
		{"type": "ByteLevel"}, `+roberta+`, {"type": "TemplateProcessing", "single":
		[{"SpecialToken": {"id": "X"}}, {"Sequence": {"id": "A"}}],
		"special_tokens": {"X": {"ids": [3]}}}]}`)
}

// refused checks that a bad file is one error that names what is wrong with it.
func refused(t *testing.T, data, want string) {
	t.Helper()
	_, err := FromJSON([]byte(data))
	if err == nil || !strings.Contains(err.Error(), want) ||
		!strings.HasPrefix(err.Error(), "cannot read tokenizer.json: ") {
		t.Errorf("%.80q: error %v, want %q", data, err, want)
	}
}

func TestSyntaxErrors(t *testing.T) {
	file := func(data, want string) {
		t.Helper()
		refused(t, data, want)
	}
	file("", "ends too early")
	file("[]", `want '{', have '['`)
	file("{}", "only BPE models are supported")
	file(`{"model": {}} x`, "more text after the end")
	file(`{"model": {"vocab": {"a": 1.5}}}`, "want a whole number")
	file(`{"model": {"vocab": {"a": 1e3}}}`, "want a whole number")
	file(`{"model": {"vocab": {"a": 1}, "vocab": {"a": 1}}}`, "vocab is there twice")
	file(`{"model": {"merges": [], "merges": []}}`, "merges are there twice")
	file(`{"decoder": {}, "decoder": {}}`, `"decoder" is there twice`)
	file(`{"decoder": tru}`, `"decoder" is not JSON`)
	file(`{"a": `+strings.Repeat("[", 1<<16), "levels deep")
	file(`{"a": "\ud800"}`, "lone surrogate")
	file(`{"a": "\q"}`, "unknown escape")
	file(`{"a": "\u12g4"}`, "hexadecimal")
	file("{\"a\": \"\n\"}", "control character")
	file(`{"a" 1}`, `want ':'`)
	file(`{"a": 1,}`, `want '"'`)
	file(`{"a": "`, "ends too early")
}

func TestModelErrors(t *testing.T) {
	f := func(want string, fields ...string) {
		t.Helper()
		refused(t, tinyJSON(t, fields...), want)
	}
	f(`token "a" has two ids, 2 and 7`, "model.vocab", `{"a": 2, "b": 3, "a": 7}`,
		"added_tokens", "[]")
	f(`id 2 has two tokens, "a" and "b"`, "model.vocab", `{"a": 2, "b": 2}`)
	f(`id 2 has two tokens, "a" and "x"`, "added_tokens", `[{"id": 2, "content": "x"}]`)
	f("has id -1", "model.vocab", `{"a": -1}`)
	f("has id 1048576; ids lie in 0 to 1048575", "model.vocab", `{"a": 1048576}`)
	f("want a whole number", "model.vocab", `{"a": 99999999999999999999}`)
	f(`"x" needs an id`, "added_tokens", `[{"content": "x"}]`)
	f(`"x" needs an id`, "added_tokens", `[{"id": 4294967296, "content": "x"}]`)
	f("token 7 is empty", "added_tokens", `[{"id": 7, "content": ""}]`)
	f("more than 4096", "model.vocab", `{"`+strings.Repeat("x", 5000)+`": 0}`, "added_tokens", "[]")
	f(`merge 0, "a" with "x": the parts and the result must be tokens`, "model.merges", `["a x"]`)
	f(`merge 1, "b" with "a": the parts and the result must be tokens`, "model.merges",
		`["a b", "b a"]`)
	f(`is not two tokens and a space`, "model.merges", `["ab"]`)
	f(`is not two tokens and a space`, "model.merges", `["a b c"]`)
	f("a merge must have two parts", "model.merges", `[["a"]]`)
	f("a merge must have two parts", "model.merges", `[["a", "b", "c"]]`)
	f("written in two ways", "model.merges", `[["a", "b"], "a ab"]`)
	f(`type "Unigram" is not supported; BPE is`, "model.type", `"Unigram"`)
	f("dropout 0.1", "model.dropout", "0.1")
	f(`continuing_subword_prefix "##"`, "model.continuing_subword_prefix", `"##"`)
	f(`end_of_word_suffix "</w>"`, "model.end_of_word_suffix", `"</w>"`)
	f(`unk_token "?" is not in the vocabulary`, "model.unk_token", `"?"`)
	f("byte_fallback: ", "model.byte_fallback", `"yes"`)
}

func TestComponentErrors(t *testing.T) {
	f := func(want string, fields ...string) {
		t.Helper()
		refused(t, tinyJSON(t, fields...), want)
	}
	f(`normalizer: type "Nmt" is not supported; NFC`, "normalizer", `{"type": "Nmt"}`)
	f(`Replace needs a pattern`, "normalizer", `{"type": "Replace", "content": "x"}`)
	f(`over 1024 times as long`, "normalizer", `{"type": "Replace", "pattern": {"String": "a"},
		"content": "`+strings.Repeat("a", 2000)+`"}`)
	f(`within each other`, "normalizer", strings.Repeat(`{"type": "Sequence", "normalizers": [`, 9)+
		strings.Repeat(`]}`, 9))
	f(`more than 64 components`, "normalizer",
		`{"type": "Sequence", "normalizers": [{"type": "NFC"}`+
			strings.Repeat(`,{"type": "NFC"}`, 64)+`]}`)
	f(`pre_tokenizer: type "BertPreTokenizer" is not supported; ByteLevel`, "pre_tokenizer",
		`{"type": "BertPreTokenizer"}`)
	f(`missing )`, "pre_tokenizer",
		`{"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}`)
	f(`Split needs a pattern`, "pre_tokenizer", `{"type": "Split", "behavior": "Isolated"}`)
	f(`behavior "Sideways"`, "pre_tokenizer",
		`{"type": "Split", "pattern": {"String": "a"}, "behavior": "Sideways"}`)
	f(`must be one character`, "pre_tokenizer", `{"type": "Metaspace", "replacement": "ab"}`)
	f(`prepend_scheme "last"`, "pre_tokenizer",
		`{"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}`)
	f(`ByteLevel is there twice`, "pre_tokenizer",
		`{"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "ByteLevel"}]}`)
	f(`decoder: there is none`, "decoder", `null`)
	f(`decoder: type "CTC" is not supported`, "decoder", `{"type": "CTC"}`)
	f(`behind Fuse`, "decoder",
		`{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]}`)
	f(`behind ByteLevel`, "decoder",
		`{"type": "Sequence", "decoders": [{"type": "ByteLevel"}, {"type": "Fuse"}]}`)
	f(`Strip is supported`, "decoder", `{"type": "Strip", "content": " ", "start": 1, "stop": 0}`)
	f(`Strip is supported`, "decoder", `{"type": "Sequence", "decoders": [{"type": "Fuse"},
		{"type": "Strip", "content": " ", "start": 0, "stop": 1}]}`)
	f(`post_processor: type "Other" is not supported`, "post_processor", `{"type": "Other"}`)
	f(`special token "B" is not defined`, "post_processor",
		`{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "B"}}]}`)
	f(`has no sequence`, "post_processor", `{"type": "TemplateProcessing", "single": []}`)
	f(`around one sequence`, "post_processor", `{"type": "TemplateProcessing", "single":
		[{"Sequence": {"id": "A"}}, {"Sequence": {"id": "A"}}]}`)
	f(`id 99 is not in the vocabulary`, "post_processor", `{"type": "TemplateProcessing", "single":
		[{"SpecialToken": {"id": "B"}}, {"Sequence": {"id": "A"}}],
		"special_tokens": {"B": {"ids": [99]}}}`)
	f(`must be [token, id]`, "post_processor",
		`{"type": "BertProcessing", "cls": ["a", "b"], "sep": ["c", 1.5]}`)
}

func TestWithConfig(t *testing.T) {
	template := `{"type": "TemplateProcessing", "single":
		[{"SpecialToken": {"id": "B"}}, {"Sequence": {"id": "A"}}],
		"special_tokens": {"B": {"ids": [0]}}}`
	f := func(post, config string, bos, eos int32, addsBOS bool, want ...int32) {
		t.Helper()
		plain := mustJSON(t, []byte(tinyJSON(t, "post_processor", post)))
		tok, err := plain.WithConfig([]byte(config))
		if err != nil {
			t.Fatal(err)
		}
		if tok.BOS() != bos || tok.EOS() != eos || tok.AddsBOS() != addsBOS {
			t.Errorf("%s: BOS %d, EOS %d, AddsBOS %v", config, tok.BOS(), tok.EOS(), tok.AddsBOS())
		}
		if got := tok.Encode(nil, "a", EncodeOptions{AddSpecial: true}); !slices.Equal(got, want) {
			t.Errorf("%s: Encode gives %d, want %d", config, got, want)
		}
	}
	f("null", `{}`, -1, -1, false, 2)
	f("null", `{"bos_token": "<s>", "eos_token": {"content": "</s>"}}`, 0, 1, false, 2)
	f("null", `{"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true,
		"add_eos_token": true}`, 0, 1, true, 0, 2, 1)
	f("null", `{"bos_token": null, "add_bos_token": true}`, -1, -1, false, 2)
	f(template, `{"eos_token": "</s>"}`, 0, 1, true, 0, 2)
	f(template, `{"bos_token": "<s>", "add_bos_token": true}`, 0, -1, true, 0, 2)
	f(template, `{"bos_token": "<s>", "add_bos_token": false}`, 0, -1, false, 2)

	bad := func(config, want string) {
		t.Helper()
		_, err := mustJSON(t, []byte(tinyJSON(t))).WithConfig([]byte(config))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
	}
	bad(`[`, "unexpected end")
	bad(`{"bos_token": "<x>"}`, `bos_token: token "<x>" is not in the vocabulary`)
	bad(`{"eos_token": 3}`, "eos_token")
}

func FuzzFromJSON(f *testing.F) {
	f.Add(tinyJSON(f))
	f.Add(tinyJSON(f, "pre_tokenizer", `{"type": "Sequence", "pretokenizers": [{"type": "Digits"},
		{"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"},
		{"type": "Punctuation"}, {"type": "Split", "pattern": {"Regex": "\\s?\\p{L}+|(?i:'s)"},
		"behavior": "MergedWithNext", "invert": true}]}`,
		"model.byte_fallback", "true", "model.unk_token", `"<s>"`, "model.fuse_unk", "true"))
	f.Add(tinyJSON(f, "pre_tokenizer", `{"type": "ByteLevel"}`, "decoder", `{"type": "ByteLevel"}`,
		"model.ignore_merges", "true", "added_tokens",
		`[{"id": 9, "content": "a ", "lstrip": true, "rstrip": true, "single_word": true,
		"normalized": true}]`))
	f.Add(tinyJSON(f, "normalizer", `{"type": "Sequence", "normalizers": [{"type": "NFKC"},
		{"type": "Lowercase"}, {"type": "Strip", "strip_left": true},
		{"type": "Prepend", "prepend": "_"},
		{"type": "Replace", "pattern": {"Regex": "a*?b"}, "content": "ab"}]}`,
		"decoder", `{"type": "Sequence", "decoders": [{"type": "Metaspace", "replacement": "_"},
		{"type": "Replace", "pattern": {"String": "a"}, "content": "b"},
		{"type": "ByteFallback"}, {"type": "Fuse"},
		{"type": "Strip", "content": " ", "start": 2, "stop": 0}]}`))
	f.Add(tinyJSON(f, "post_processor", `{"type": "Sequence", "processors": [
		{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "B"}},
		{"Sequence": {"id": "A"}}], "special_tokens": {"B": {"ids": [0]}}}]}`))
	f.Fuzz(func(t *testing.T, data string) {
		tok, err := FromJSON([]byte(data))
		if err != nil {
			return
		}
		text := "a <s>ab'S b\xffäaab1.</s>  _"
		for _, parse := range []bool{false, true} {
			ids := tok.Encode(nil, text, EncodeOptions{AddSpecial: true, ParseSpecial: parse})
			for _, id := range ids {
				if !tok.vocab.has(id) {
					t.Fatalf("Encode yields %d", id)
				}
			}
			checkChunks(t, tok, ids, parse)
		}
	})
}
