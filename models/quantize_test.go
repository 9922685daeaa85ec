package models

import (
	"bytes"
	"testing"

	"basalt/runtime"
)

// TestEncodeEqualsLlamaCpp: quantising the BF16 checkpoint gives the bytes that llama.cpp's
// quantiser wrote. Query and key rows are left out, since GGUF orders them otherwise.
func TestEncodeEqualsLlamaCpp(t *testing.T) {
	source, err := Load("../testdata/llama3-tied", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	f := func(path string, d runtime.DType) {
		t.Helper()
		m, err := Load(path, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.Close() }()
		format, _ := d.Quant()
		compared := 0
		for _, name := range []string{
			"model.embed_tokens.weight", "model.layers.0.self_attn.v_proj.weight",
			"model.layers.1.self_attn.o_proj.weight", "model.layers.0.mlp.gate_proj.weight",
			"model.layers.1.mlp.down_proj.weight",
		} {
			want, ok := m.Checkpoint.Tensor(name)
			if !ok || want.DType != d {
				t.Fatalf("%s: tensor %q is %s", path, name, want.DType)
			}
			from, _ := source.Checkpoint.Tensor(name)
			values := make([]float32, from.NumValues())
			from.DType.Decode(values, from.Data)
			got := make([]byte, len(want.Data))
			format.Encode(got, values)
			if !bytes.Equal(got, want.Data) {
				t.Errorf("%s: tensor %q differs", d, name)
			}
			compared += len(got)
		}
		if compared == 0 {
			t.Error("nothing was compared")
		}
	}
	f("../testdata/gguf/llama3-tied-Q8_0/model.gguf", runtime.Q8_0)
	f("../testdata/gguf/llama3-tied-Q4_0/model.gguf", runtime.Q4_0)
}
