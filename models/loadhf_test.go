package models

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"basalt/runtime"
)

// TestFusedExperts: experts that are saved as stacks give the same tensors as those saved one by
// one.
func TestFusedExperts(t *testing.T) {
	f := func(path, prefix string) {
		t.Helper()
		m, err := Load(path, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.Close() }()
		fam := families[m.Config.Family]
		split, err := splitFused(fuse(m, prefix), fam)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := split.Names(), m.Checkpoint.Names(); !slices.Equal(got, want) {
			t.Fatalf("%s: tensors %q, want %q", path, got, want)
		}
		for _, name := range split.Names() {
			got, _ := split.Tensor(name)
			want, _ := m.Checkpoint.Tensor(name)
			if !slices.Equal(got.Shape, want.Shape) || !bytes.Equal(got.Data, want.Data) {
				t.Errorf("%s: tensor %q differs", path, name)
			}
		}
	}
	f("../testdata/mixtral", "block_sparse_moe")
	f("../testdata/qwen3-moe", "mlp")
}

// fuse stacks a model's experts as transformers 5 keeps them.
func fuse(m *Model, block string) tensorSet {
	set := tensorSet{}
	for _, name := range m.Checkpoint.Names() {
		t, _ := m.Checkpoint.Tensor(name)
		if !strings.Contains(name, ".experts.") {
			set[strings.Replace(name, "."+block+".gate.", ".mlp.gate.", 1)] = t
		}
	}
	fam, c := families[m.Config.Family], m.Config
	for l := range c.Layers {
		var gateUp, down []byte
		for e := range c.MoE.Experts {
			part := func(matrix string) []byte {
				t, _ := m.Checkpoint.Tensor(name(l, fmt.Sprintf("%s.experts.%d.%s.weight", block, e,
					matrix)))
				return t.Data
			}
			gateUp = append(append(gateUp, part(fam.gate)...), part(fam.up)...)
			down = append(down, part(fam.downst)...)
		}
		n, k := c.MoE.FFN, c.Hidden
		set[name(l, "mlp.experts.gate_up_proj")] = runtime.Tensor{
			DType: runtime.BF16,
			Shape: []int{c.MoE.Experts, 2 * n, k}, Data: gateUp,
		}
		set[name(l, "mlp.experts.down_proj")] = runtime.Tensor{
			DType: runtime.BF16,
			Shape: []int{c.MoE.Experts, k, n}, Data: down,
		}
	}
	return set
}

func TestMisshapenFusedExperts(t *testing.T) {
	f := func(name string, shape ...int) {
		t.Helper()
		set := tensorSet{name: {DType: runtime.F32, Shape: shape, Data: make([]byte, 4096)}}
		if _, err := splitFused(set, families["mixtral"]); err == nil ||
			!strings.Contains(err.Error(), fmt.Sprintf("%q of shape %v", name, shape)) {
			t.Errorf("%s %v: %v", name, shape, err)
		}
	}
	f("model.layers.0.mlp.experts.gate_up_proj", 2, 4)
	f("model.layers.0.mlp.experts.gate_up_proj", 2, 3, 4)
	f("model.layers.0.mlp.experts.gate_up_proj", 0, 2, 4)
	f("model.layers.0.mlp.experts.down_proj", 4)
}

// rewrite copies llama2 with a changed header of its safetensors file.
func rewrite(t *testing.T, change func(tensors map[string]map[string]any)) string {
	t.Helper()
	dir := variant(t, "../testdata/llama2", nil)
	path := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(data)
	var tensors map[string]map[string]any
	if err := json.Unmarshal(data[8:8+n], &tensors); err != nil {
		t.Fatal(err)
	}
	change(tensors)
	header, err := json.Marshal(tensors)
	if err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	out = append(append(out, header...), data[8+n:]...)
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBadWeights(t *testing.T) {
	const q = "model.layers.1.self_attn.q_proj.weight"
	f := func(want string, change func(tensors map[string]map[string]any)) {
		t.Helper()
		m, err := Load(rewrite(t, change), LoadOptions{})
		if err == nil {
			_ = m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(`"`+q+`" is missing; the configuration asks for shape [64 64]`,
		func(tensors map[string]map[string]any) {
			tensors["renamed"] = tensors[q]
			delete(tensors, q)
		})
	f(`"`+q+`" has shape [32 128]; the configuration asks for [64 64]`,
		func(tensors map[string]map[string]any) { tensors[q]["shape"] = []int{32, 128} })
	f(`"`+q+`" is stored as I32; F32, F16 and BF16 are supported`,
		func(tensors map[string]map[string]any) { tensors[q]["dtype"] = "I32" })
	f(`"`+q+`" is stored as F64`, func(tensors map[string]map[string]any) {
		tensors[q]["dtype"], tensors[q]["shape"] = "F64", []int{32, 64}
	})
	f("its header is broken", func(tensors map[string]map[string]any) { tensors[q]["x"] = 1 })
}

func TestBadFiles(t *testing.T) {
	f := func(name string, content []byte, want string) {
		t.Helper()
		dir := variant(t, "../testdata/llama2", nil)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Load(dir, LoadOptions{})
		if err == nil {
			_ = m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	for _, name := range []string{
		"config.json", "generation_config.json",
		"tokenizer_config.json",
	} {
		f(name, nil, name)
		f(name, []byte(`{"x":`), name)
		f(name, []byte("[]"), name)
		f(name, make([]byte, maxConfig+1), "16777217 bytes, the limit is 16777216")
	}
	f("generation_config.json", []byte(`{"eos_token_id":"x"}`), "generation_config.json")
	f("tokenizer_config.json", []byte(`{"chat_template":7}`), "neither text nor a list")
	dir := variant(t, "../testdata/llama2", nil)
	if err := os.Remove(filepath.Join(dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, LoadOptions{}); err == nil ||
		!strings.Contains(err.Error(), "config.json: no such file") {
		t.Error(err)
	}
}

// TestEndOfSequence: ids come from generation_config.json, config.json and the tokenizer, those
// that are no tokens are left out.
func TestEndOfSequence(t *testing.T) {
	f := func(generation, tokenizerConfig, tokenizer string, config map[string]any, want string) {
		t.Helper()
		dir := variant(t, "../testdata/llama2", config)
		for name, text := range map[string]string{
			"generation_config.json": generation, "tokenizer_config.json": tokenizerConfig,
			"tokenizer.json": tokenizer,
		} {
			path := filepath.Join(dir, name)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if text == "" {
				continue
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m, err := Load(dir, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.Close() }()
		if got := fmt.Sprint(m.Generation.EOS); got != want {
			t.Errorf("end of sequence %s, want %s", got, want)
		}
	}
	id := func(v any) map[string]any { return map[string]any{"eos_token_id": v} }
	const tokens = `{"version":"1","x":{"added_tokens":1},` +
		`"added_tokens":[{"id":7,"content":"a"},{"id":9,"content":"<e>"}],"model":{}}`
	f("", "", "", id(nil), "[]")
	f("", "", "", id(2), "[2]")
	f("", "", "", id([]int{2, 3}), "[2 3]")
	f(`{"eos_token_id":[5,-1,2,512]}`, "", "", id(2), "[5 2]")
	f(`{"eos_token_id":5}`, `{"eos_token":"<e>"}`, tokens, id(2), "[5 2 9]")
	f(`{"eos_token_id":null}`, `{"eos_token":{"content":"<e>"}}`, tokens, id(nil), "[9]")
	f("", `{"eos_token":"unknown"}`, tokens, id(nil), "[]")
	f("", `{"eos_token":"<e>"}`, `{"added_tokens":7}`, id(nil), "[]")
	f("", `{"eos_token":"<e>"}`, `[`, id(nil), "[]")
}

func TestTemplateForms(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		if got, err := templateText(json.RawMessage(raw)); err != nil || got != want {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
	f(``, "")
	f(`null`, "")
	f(`"x{{ y }}"`, "x{{ y }}")
	f(`[{"name":"tool_use","template":"a"},{"name":"default","template":"b"}]`, "b")
	f(`[{"name":"tool_use","template":"a"}]`, "")
}

// FuzzConfigJSON: no configuration may panic or ask for much memory.
func FuzzConfigJSON(f *testing.F) {
	paths, _ := filepath.Glob("../testdata/*/config.json")
	old, _ := filepath.Glob("../testdata/*/v4/config.json")
	for _, path := range slices.Concat(paths, old) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := parseHF(data)
		if err != nil {
			return
		}
		c, err := h.config()
		if err != nil || c.Layers > 64 || c.MoE != nil && c.MoE.Experts > 64 {
			return
		}
		if _, err := Program("fuzz", c); err != nil {
			t.Errorf("%+v passed its check: %v", c, err)
		}
	})
}

func TestOldGGUFMixtureNames(t *testing.T) {
	f := func(old, want string) {
		t.Helper()
		if got := canonical(old, families["mixtral"]); got != want {
			t.Errorf("%s is %s, want %s", old, got, want)
		}
	}
	const block = "model.layers.3.block_sparse_moe."
	names := map[string]string{
		"blk.3.ffn_gate.0.weight":   block + "experts.0.w1.weight",
		"blk.3.ffn_up.7.weight":     block + "experts.7.w3.weight",
		"blk.3.ffn_down.2.weight":   block + "experts.2.w2.weight",
		"blk.3.ffn_gate_inp.weight": block + "gate.weight",
		"blk.3.attn_q.2.weight":     "blk.3.attn_q.2.weight",
		"blk.3":                     "blk.3",
	}
	for _, old := range slices.Sorted(maps.Keys(names)) {
		f(old, names[old])
	}
}
