package models

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"basalt/models/gguf"
)

// ggufBytes writes a file of metadata and of zero F32 tensors, whose shapes are row-major.
func ggufBytes(t testing.TB, meta map[string]any, tensors map[string][]int) []byte {
	t.Helper()
	var b bytes.Buffer
	le := func(vs ...any) {
		for _, v := range vs {
			if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	text := func(s string) { le(uint64(len(s)), []byte(s)) }
	le([]byte("GGUF"), uint32(3), uint64(len(tensors)), uint64(len(meta)))
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		text(key)
		switch v := meta[key].(type) {
		case int:
			le(uint32(4), uint32(v))
		case float64:
			le(uint32(6), float32(v))
		case string:
			le(uint32(8))
			text(v)
		case []int32:
			le(uint32(9), uint32(5), uint64(len(v)), v)
		case []string:
			le(uint32(9), uint32(8), uint64(len(v)))
			for _, s := range v {
				text(s)
			}
		default:
			t.Fatalf("no metadata of type %T", v)
		}
	}
	offset := 0
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		shape, size := tensors[name], 4
		text(name)
		le(uint32(len(shape)))
		for _, d := range slices.Backward(shape) {
			le(uint64(d))
			size *= d
		}
		le(uint32(0), uint64(offset))
		offset += (size + 31) &^ 31
	}
	le(make([]byte, (32-b.Len()%32)%32+offset))
	return b.Bytes()
}

// llamaMeta is the metadata of a small Llama, changed; nil deletes a key.
func llamaMeta(change map[string]any) map[string]any {
	meta := map[string]any{
		"general.architecture": "llama", "llama.embedding_length": 64, "llama.block_count": 2,
		"llama.context_length": 4096, "llama.feed_forward_length": 96,
		"llama.attention.head_count": 4, "llama.attention.head_count_kv": 2,
		"llama.attention.layer_norm_rms_epsilon": 1e-5,
	}
	for k, v := range change {
		if meta[k] = v; v == nil {
			delete(meta, k)
		}
	}
	return meta
}

func ggufConfigOf(t testing.TB, meta map[string]any) (Config, error) {
	t.Helper()
	f, err := gguf.Parse(ggufBytes(t, meta, map[string][]int{"token_embd.weight": {32, 64}}))
	if err != nil {
		t.Fatal(err)
	}
	return ggufConfig(f)
}

// TestGGUFRotaryKeys: metadata gives what config.json with the same settings gives.
func TestGGUFRotaryKeys(t *testing.T) {
	type keys = map[string]any
	f := func(meta, config keys) {
		t.Helper()
		config["max_position_embeddings"] = 4096
		want, err := configOf(t, "LlamaForCausalLM", config)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ggufConfigOf(t, llamaMeta(meta))
		if err != nil {
			t.Fatal(err)
		}
		want.RoPE.Interleaved = true
		if fmt.Sprint(got.RoPE) != fmt.Sprint(want.RoPE) || got.MaxContext != want.MaxContext {
			t.Errorf("%v: %+v, want %+v", meta, got.RoPE, want.RoPE)
		}
	}
	rope := func(k keys) keys { return keys{"rope_scaling": k} }
	f(nil, keys{})
	f(keys{"llama.rope.freq_base": 5e5}, keys{"rope_theta": 5e5})
	f(keys{"llama.rope.scaling.type": "none", "llama.rope.scaling.factor": 4.0}, keys{})
	f(keys{"llama.rope.scaling.type": "linear"}, keys{})
	linear := rope(keys{"type": "linear", "factor": 4})
	f(keys{"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}, linear)
	f(keys{"llama.rope.scaling.factor": 4.0}, linear)
	f(keys{"llama.rope.scale_linear": 4.0}, linear)
	yarn := func(meta, config keys) {
		t.Helper()
		m := keys{
			"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 8.0,
			"llama.rope.scaling.original_context_length": 2048,
		}
		c := keys{"rope_type": "yarn", "factor": 8, "original_max_position_embeddings": 2048}
		maps.Copy(m, meta)
		maps.Copy(c, config)
		f(m, rope(c))
	}
	yarn(nil, nil)
	yarn(keys{"llama.rope.scaling.yarn_beta_fast": 64.0, "llama.rope.scaling.yarn_beta_slow": 2.0},
		keys{"beta_fast": 64, "beta_slow": 2})
	yarn(keys{"llama.rope.scaling.yarn_attn_factor": 0.75}, keys{"attention_factor": 0.75})
	yarn(keys{"llama.rope.scaling.yarn_log_multiplier": 0.5},
		keys{"mscale": 1, "mscale_all_dim": 0.5})
	yarn(keys{"llama.rope.scaling.yarn_attn_factor": 0.5, "llama.rope.scaling.attn_factor": 1.5},
		keys{"attention_factor": 0.75})
}

func TestGGUFSizesForEachLayer(t *testing.T) {
	c, err := ggufConfigOf(t, llamaMeta(map[string]any{
		"llama.attention.head_count": []int32{4, 4}, "llama.feed_forward_length": []int32{96, 96},
	}))
	if err != nil || c.Heads.Query != 4 || c.FFN != 96 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestBadGGUFMetadata(t *testing.T) {
	f := func(key string, value any, want string) {
		t.Helper()
		_, err := ggufConfigOf(t, llamaMeta(map[string]any{key: value}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s = %v: got %v, want %q", key, value, err, want)
		}
	}
	f("general.architecture", nil, "no general.architecture")
	f("general.architecture", "gpt9",
		`unknown architecture "gpt9"; known are llama, qwen2, qwen3, qwen3moe`)
	f("llama.embedding_length", nil, `"llama.embedding_length" is missing or no integer`)
	f("llama.embedding_length", "64", `"llama.embedding_length" is missing or no integer`)
	f("llama.embedding_length", 1<<31, `"llama.embedding_length" is 2147483648`)
	f("llama.block_count", 0, "number of layers is 0")
	f("llama.block_count", 1<<20, "number of layers is 1048576")
	f("llama.context_length", nil, "context_length")
	f("llama.feed_forward_length", 0, "feed-forward size is 0")
	f("llama.attention.head_count", 0, "number of query heads is 0")
	f("llama.attention.head_count_kv", 3, "multiple")
	f("llama.attention.head_count_kv", []int32{2, 1}, "differs by layer")
	f("llama.attention.head_count_kv", []int32{}, "no integer")
	f("llama.attention.key_length", 0, "head dimension is 0")
	f("llama.attention.value_length", 8, "keys of 16 numbers with values of 8")
	f("llama.attention.layer_norm_rms_epsilon", nil, "epsilon is 0")
	f("llama.attention.layer_norm_rms_epsilon", math.NaN(), "epsilon is NaN")
	f("llama.attention.sliding_window", "x", "sliding_window")
	f("llama.rope.freq_base", math.Inf(1), "base +Inf")
	f("llama.rope.freq_base", "x", "freq_base")
	f("llama.rope.dimension_count", 15, "cannot rotate 15 of 16")
	f("llama.rope.dimension_count", 32, "cannot rotate 32 of 16")
	f("llama.rope.scaling.type", "longrope", `"longrope" is not supported`)
	f("llama.rope.scaling.type", "yarn", `"yarn" has the factor 0`)
	f("llama.rope.scaling.factor", -1.0, "has the factor -1")
	f("llama.rope.scaling.attn_factor", -1.0, "scale attention by -1")
	f("llama.expert_count", 4, "expert_used_count")
	f("tokenizer.ggml.tokens", slices.Repeat([]string{"x"}, 33),
		"tokenizer has 33 tokens, the embedding table 32 rows")
	_, err := ggufConfigOf(t, llamaMeta(map[string]any{
		"llama.rope.scaling.type":   "yarn",
		"llama.rope.scaling.factor": 2.0, "llama.rope.scaling.yarn_ext_factor": 0.5,
	}))
	if err == nil || !strings.Contains(err.Error(), "extrapolation factor 0.5") {
		t.Error(err)
	}
}

func TestBadRopeFreqs(t *testing.T) {
	f := func(shape []int, want string) {
		t.Helper()
		file, err := gguf.Parse(ggufBytes(t, llamaMeta(nil),
			map[string][]int{"token_embd.weight": {32, 64}, "rope_freqs.weight": shape}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ggufConfig(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", shape, err, want)
		}
	}
	f([]int{7}, "rope_freqs has 7 numbers, heads have 8 pairs")
	f([]int{2, 8}, "of shape [2 8]")
	f([]int{8}, "frequency +Inf") // zeros
}

// FuzzGGUFConfig: no metadata may panic or ask for much memory.
func FuzzGGUFConfig(f *testing.F) {
	f.Add(ggufBytes(f, llamaMeta(nil), map[string][]int{"token_embd.weight": {32, 64}}))
	f.Add(ggufBytes(f, llamaMeta(map[string]any{
		"llama.expert_count": 2, "llama.expert_used_count": 1,
		"tokenizer.ggml.tokens": []string{"a", "<|im_end|>"}, "tokenizer.ggml.eos_token_id": 1,
		"tokenizer.ggml.token_type": []int32{1, 3},
	}), map[string][]int{"token_embd.weight": {32, 64}, "blk.0.ffn_up_exps.weight": {2, 96, 64}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := gguf.Parse(data)
		if err != nil {
			return
		}
		m := &Model{GGUF: file}
		if m.readGGUF(file) == nil && m.Config.Layers < 64 {
			_ = m.finish("fuzz")
		}
	})
}

// TestUnsupportedBlockFormat: other formats of ggml are refused by name, with the way out.
func TestUnsupportedBlockFormat(t *testing.T) {
	f := func(kind uint32, want string) {
		t.Helper()
		const tensor = "blk.0.ffn_up.weight"
		data := ggufBytes(t, llamaMeta(nil),
			map[string][]int{"token_embd.weight": {32, 64}, tensor: {96, 64}})
		at := bytes.Index(data, []byte(tensor)) + len(tensor) + 4 + 2*8
		binary.LittleEndian.PutUint32(data[at:], kind)
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, LoadOptions{})
		want = fmt.Sprintf("tensor %q is stored as %s, which is not supported; requantise the "+
			"model",
			tensor, want)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(3, "Q4_1")
	f(6, "Q5_0")
	f(10, "Q2_K")
	f(20, "IQ4_NL")
	f(1<<31, "ggml type 2147483648")
}
