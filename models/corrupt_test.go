package models

import (
	"slices"
	"testing"

	"basalt/models/gguf"
)

// tinyGGUF is a whole model of one layer and four widths.
func tinyGGUF(t *testing.T) []byte {
	t.Helper()
	return ggufBytes(t, map[string]any{
		"general.architecture": "llama", "llama.embedding_length": 4, "llama.block_count": 1,
		"llama.context_length": 8, "llama.feed_forward_length": 4,
		"llama.attention.head_count": 2, "llama.attention.layer_norm_rms_epsilon": 1e-5,
		"tokenizer.ggml.tokens":     []string{"a", "b", "<|im_end|>"},
		"tokenizer.ggml.token_type": []int32{1, 1, 3}, "tokenizer.ggml.eos_token_id": 1,
	}, map[string][]int{
		"token_embd.weight": {3, 4}, "output_norm.weight": {4}, "blk.0.attn_norm.weight": {4},
		"blk.0.attn_q.weight": {4, 4}, "blk.0.attn_k.weight": {4, 4},
		"blk.0.attn_v.weight": {4, 4}, "blk.0.attn_output.weight": {4, 4},
		"blk.0.ffn_norm.weight": {4}, "blk.0.ffn_gate.weight": {4, 4},
		"blk.0.ffn_up.weight": {4, 4}, "blk.0.ffn_down.weight": {4, 4},
	})
}

func readTiny(data []byte) error {
	f, err := gguf.Parse(data)
	if err != nil {
		return err
	}
	m := &Model{}
	if err := m.readGGUF(f); err != nil {
		return err
	}
	return m.finish("tiny")
}

// TestCorruptAnywhere changes every byte of a model file: it loads or is refused, and nothing else.
// Cut anywhere, it is refused.
func TestCorruptAnywhere(t *testing.T) {
	whole := tinyGGUF(t)
	if err := readTiny(whole); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for at := range whole {
		for _, flip := range []byte{1, 0x80, 0xff} {
			data := slices.Clone(whole)
			data[at] ^= flip
			if readTiny(data) != nil {
				refused++
			}
		}
	}
	if refused < len(whole) {
		t.Errorf("only %d of %d changes were refused", refused, 3*len(whole))
	}
	end := len(whole) - 16 // the last tensor's 48 bytes are padded to 64
	for n := range end {
		if readTiny(whole[:n:n]) == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(whole))
		}
	}
}
