package models

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"basalt/runtime"
)

// variant copies a checkpoint and changes its config.json.
func variant(t *testing.T, from string, change map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			continue // a folder
		}
		if e.Name() == "config.json" {
			data = edit(t, data, change)
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// edit sets keys; nil deletes one.
func edit(t *testing.T, data []byte, change map[string]any) []byte {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	for k, v := range change {
		if v == nil {
			delete(config, k)
		} else {
			config[k] = v
		}
	}
	out, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBadConfigs(t *testing.T) {
	f := func(change map[string]any, want string) {
		t.Helper()
		m, err := Load(variant(t, "../testdata/llama2", change), LoadOptions{})
		if err == nil {
			_ = m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", change, err, want)
		}
	}
	set := func(k string, v any) map[string]any { return map[string]any{k: v} }
	f(set("architectures", []string{"GPT9"}),
		`unknown architecture "GPT9"; known are LlamaForCausalLM`)
	f(set("architectures", nil), "names no architecture")
	f(set("hidden_size", -1), "hidden size is -1")
	f(set("hidden_size", 1<<30), "must be 1 to")
	f(set("hidden_size", "x"), "config.json")
	f(set("num_hidden_layers", 0), "number of layers is 0")
	f(set("num_hidden_layers", 1<<40), "number of layers")
	f(set("num_hidden_layers", 3), `tensor "model.layers.2.input_layernorm.weight" is missing`)
	f(set("num_attention_heads", 0), "number of query heads is 0")
	f(set("num_key_value_heads", 3), "query heads must be a positive multiple")
	f(set("vocab_size", 99), `tensor "model.embed_tokens.weight" has shape`)
	f(set("intermediate_size", 7), "asks for [7 ")
	f(set("rms_norm_eps", 0), "epsilon is 0")
	f(set("hidden_act", "gelu"), `hidden_act "gelu" is not supported`)
	f(set("max_position_embeddings", 1e308), "config.json")
	f(set("quantization_config", map[string]any{"quant_method": "gptq"}), "quantization_config")
	f(set("rope_parameters", map[string]any{"rope_type": "longrope", "factor": 2}),
		`rope scaling "longrope" is not supported`)
	f(set("rope_parameters", map[string]any{"rope_type": "linear"}), "has the factor 0")
	f(set("head_dim", 1), "cannot rotate")
	f(set("attention_bias", true), `"model.layers.0.self_attn.q_proj.bias" is missing`)
}

func TestUnusedTensorsAreReported(t *testing.T) {
	m, err := Load(variant(t, "../testdata/llama2", map[string]any{"num_hidden_layers": 1}),
		LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	if len(m.Unused) == 0 || !strings.HasPrefix(m.Unused[0], "model.layers.1.") {
		t.Errorf("unused: %q", m.Unused)
	}
}

// TestTruncatedFilesAreRefused cuts real files at many places; every byte of small ones is tried by
// the readers' own tests.
func TestTruncatedFilesAreRefused(t *testing.T) {
	f := func(path, name string) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, keep := range []int{
			0, 1, 7, 8, 9, 100, len(data) / 3, len(data) / 2,
			len(data) - 1,
		} {
			dir := variant(t, "../testdata/llama2", nil)
			cut := filepath.Join(dir, name)
			if err := os.WriteFile(cut, data[:keep], 0o600); err != nil {
				t.Fatal(err)
			}
			if m, err := Load(cut, LoadOptions{}); err == nil {
				_ = m.Close()
				t.Errorf("%s cut to %d of %d bytes was loaded", name, keep, len(data))
			}
		}
	}
	f("../testdata/llama2/model.safetensors", "model.safetensors")
	f("../testdata/stories260K/stories260K-f32.gguf", "cut.gguf")
}

// TestPublishedConfigsOfBothGenerations: what transformers 4 writes gives the same model as 5.
func TestPublishedConfigsOfBothGenerations(t *testing.T) {
	old, err := filepath.Glob("../testdata/*/v4/config.json")
	if err != nil || len(old) == 0 {
		t.Fatal("no configs of transformers 4", err)
	}
	for _, path := range old {
		four, five := readConfig(t, path), readConfig(t,
			filepath.Dir(filepath.Dir(path))+"/config.json")
		if a, b := describe(t, four), describe(t, five); a != b {
			t.Errorf("%s:\n%s\n5:\n%s", path, a, b)
		}
	}
}

func readConfig(t *testing.T, path string) Config {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHF(data)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.config()
	if err != nil {
		t.Fatal(path, err)
	}
	return c
}

func describe(t *testing.T, c Config) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGenerationDefaults(t *testing.T) {
	m, err := Load("../testdata/llama3-chat", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	p := m.Generation.Sampling()
	if p.Temperature != 0.6 || p.TopP != 0.9 || len(m.Generation.EOS) != 3 {
		t.Errorf("sampling %+v, end of sequence %v", p, m.Generation.EOS)
	}
	if m.BOSToken != "<|begin_of_text|>" || !strings.Contains(m.ChatTemplate,
		"<|start_header_id|>") {
		t.Errorf("tokens %q, %q", m.BOSToken, m.EOSToken)
	}
}

func TestDummyShapes(t *testing.T) {
	if _, err := Load("no-such-shape", LoadOptions{Dummy: &DummySpec{}}); err == nil ||
		!strings.Contains(err.Error(), "llama-3.2-1b") {
		t.Errorf("an unknown shape: %v", err)
	}
	want := map[string]int64{ // published parameter counts
		"llama-3.2-1b": 1235814400, "qwen3-0.6b": 596049920, "tinyllama-1.1b": 1100048384,
		"llama-3.1-8b": 8030261248, "llama-3.2-3b": 3212749824, "qwen3-4b": 4022468096,
		"qwen3-8b": 8190735360, "qwen3-30b-a3b": 30532122624, "mixtral-8x7b": 46702792704,
	}
	for name, n := range want {
		c := shapes()[name]
		p, err := Program(name, c)
		if err != nil {
			t.Fatal(err)
		}
		if s := runtime.ProgramStats(p, tensorSet{}); s.Params != n {
			t.Errorf("%s has %d parameters, want %d", name, s.Params, n)
		}
	}
}

func TestWhatIsNoModel(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		m, err := Load(path, LoadOptions{})
		if err == nil {
			_ = m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	put := func(name string, content ...byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f("/absent", "no such file")
	f(t.TempDir(), "neither model.safetensors nor")
	f(filepath.Dir(put("model.bin")), "pickle files can run code")
	f(put("consolidated.00.pth"), "pickle files can run code")
	f(put("model", append([]byte("PK\x03\x04"), make([]byte, 64)...)...), "pickle or zip")
	f(put("model.gguf", make([]byte, 64)...), "does not begin with GGUF")
	f(put("model.gguf"), "0 bytes, too few")
	f("../testdata/stories260K", "holds GGUF files: give one of them, such as "+
		"../testdata/stories260K/stories260K-f32.gguf")
}
