package models

import (
	"math"
	"reflect"
	"slices"
	"testing"
)

// TestFormatsAgree: a checkpoint and the GGUF file that llama.cpp's converter made of it describe
// the same model.
func TestFormatsAgree(t *testing.T) {
	f := func(hf, converted string, interleaved bool) {
		t.Helper()
		a, b := open(t, "../testdata/"+hf), open(t, "../testdata/gguf/"+converted+"/model.gguf")
		if b.Config.RoPE.Interleaved != interleaved {
			t.Errorf("%s: pairs lie side by side: %v", converted, !interleaved)
		}
		want, got := a.Config, b.Config
		for i, x := range want.RoPE.InvFreq {
			if math.Abs(got.RoPE.InvFreq[i]-x) > 1e-6*x { // rope_freqs are float32
				t.Errorf("%s: frequency %d is %g, want %g", converted, i, got.RoPE.InvFreq[i], x)
			}
		}
		want.RoPE = got.RoPE
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", converted, got, want)
		}
		if a.BOSToken != b.BOSToken || a.EOSToken != b.EOSToken ||
			a.ChatTemplate != b.ChatTemplate {
			t.Errorf("%s: tokens %q and %q, want %q and %q; or the templates differ", converted,
				b.BOSToken, b.EOSToken, a.BOSToken, a.EOSToken)
		}
		for _, id := range a.Generation.EOS {
			if !slices.Contains(b.Generation.EOS, id) {
				t.Errorf("%s: id %d does not end a sequence: %v", converted, id, b.Generation.EOS)
			}
		}
	}
	f("llama3-chat", "llama3-chat-BF16", true)
	f("llama3-tied", "llama3-tied-Q8_0", true)
	f("qwen3", "qwen3-Q8_0", false)
}

func open(t *testing.T, path string) *Model {
	t.Helper()
	m, err := Load(path, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}
