package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// preset is what tokenizer.ggml.pre stands for: the normalizer and pre_tokenizer sections of the
// tokenizer.json that the models of that name were published with.
type preset struct {
	names        []string
	normalizer   string
	steps        []string
	ignoreMerges bool
	addBOS       bool // unless the file says otherwise
}

const (
	nfc        = `{"type":"NFC"}`
	plainBytes = `{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}`
	gpt2Bytes  = `{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}`
	eachDigit  = `{"type":"Digits","individual_digits":true}`
)

// isolate returns a Split section.
func isolate(pattern string) string {
	quoted, err := json.Marshal(pattern)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return `{"type":"Split","behavior":"Isolated","pattern":{"Regex":` + string(quoted) + `}}`
}

const (
	han = `[一-龥ࠀ-一가-퟿]+`
	// Cased letters as of some Unicode version, spelled out.
	deepseekLetters = `\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽ` +
		`Ა-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1F7Dᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥῲ-ῴῶ-ῼ` +
		`ℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ` +
		`𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+`
	deepseekPunctuation = `\s?[!-/:-~！-／：-～‘-‟　-。]+`
	deepseek3           = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+" +
		`|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

	upper      = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
	lower      = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
	suffixes   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
	casedRest  = `| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	casedFirst = `[^\r\n\p{L}\p{N}]?` + upper + `*` + lower + `+`
	casedNext  = `|[^\r\n\p{L}\p{N}]?` + upper + `+` + lower + `*`
	o200k      = casedFirst + suffixes + casedNext + suffixes + `|\p{N}{1,3}` + casedRest
	tekken     = casedFirst + casedNext + `|\p{N}` + casedRest
)

// presets returns the known pre-tokenizers.
func presets() []preset {
	return []preset{
		{
			names: []string{"llama-bpe", "llama3", "llama-v3"}, ignoreMerges: true, addBOS: true,
			steps: []string{isolate(cl100kPattern), plainBytes},
		},
		{
			names: []string{"qwen2", "deepseek-r1-qwen"}, normalizer: nfc,
			steps: []string{isolate(qwen2Pattern), plainBytes},
		},
		{
			names: []string{"qwen35"}, normalizer: nfc,
			steps: []string{isolate(qwen35Pattern), plainBytes},
		},
		{names: []string{"gpt-2", "phi-2"}, steps: []string{gpt2Bytes}},
		{names: []string{"deepseek-llm"}, steps: []string{
			isolate(`[\r\n]`),
			isolate(deepseekLetters), isolate(deepseekPunctuation), isolate(`\s+$`),
			isolate(han), eachDigit, plainBytes,
		}},
		{names: []string{"deepseek-coder"}, steps: []string{
			isolate(`[\r\n]`), isolate(`\s?\p{L}+`),
			isolate(`\s?\p{P}+`), isolate(han), eachDigit, plainBytes,
		}},
		{names: []string{"deepseek-v3"}, steps: []string{
			isolate(`\p{N}{1,3}`),
			isolate(`[一-龥぀-ゟ゠-ヿ]+`), isolate(deepseek3), plainBytes,
		}},
		{names: []string{"gpt-4o"}, steps: []string{isolate(o200k), plainBytes}},
		{
			names: []string{"tekken"}, ignoreMerges: true, addBOS: true,
			steps: []string{isolate(tekken), plainBytes},
		},
		{names: []string{"starcoder", "refact", "smollm"}, steps: []string{eachDigit, gpt2Bytes}},
		{names: []string{"command-r"}, normalizer: nfc, steps: []string{eachDigit, gpt2Bytes}},
		{names: []string{"mpt", "olmo"}, normalizer: nfc, steps: []string{gpt2Bytes}},
		{names: []string{"falcon"}, steps: []string{
			`{"type":"Punctuation","behavior":"Contiguous"}`, gpt2Bytes,
			`{"type":"Digits"}`, isolate(`[0-9][0-9][0-9]`),
		}},
		{names: []string{"default"}, steps: []string{
			isolate(`[\p{P}\$\+<=>\^~\|]+`),
			isolate(gpt2Pattern), isolate(`\p{N}+`), isolate(`[0-9][0-9][0-9]`), plainBytes,
		}},
	}
}

func presetOf(name string) (preset, error) {
	if name == "" {
		name = "default"
	}
	var known []string
	for _, p := range presets() {
		if slices.Contains(p.names, name) {
			return p, nil
		}
		known = append(known, p.names...)
	}
	return preset{}, fmt.Errorf("tokenizer.ggml.pre %q is not supported; %s are", name,
		strings.Join(known, ", "))
}

func (p preset) apply(b *builder) error {
	b.t.model.ignoreMerges = p.ignoreMerges
	if err := b.normalizer(p.normalizer); err != nil {
		return err
	}
	steps := strings.Join(p.steps, ",")
	return b.preTokenizer(`{"type":"Sequence","pretokenizers":[` + steps + `]}`)
}
