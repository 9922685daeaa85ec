package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"basalt/internal/half"
	"basalt/models/box"
	"basalt/models/safetensors"
	"basalt/runtime"
)

const (
	draftDir   = "../../testdata/box-draft"
	adapterDir = "../../testdata/box-lora-vowels"
	loraScale  = 2 // lora_alpha / r of adapter_config.json
)

func TestTheDraftSpeaksTheBoxesTokens(t *testing.T) {
	ours, err := fs.ReadFile(box.Files(), "tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	its, err := os.ReadFile(filepath.Join(draftDir, "tokenizer.json"))
	if err != nil || !bytes.Equal(ours, its) {
		t.Errorf("the tokenizers differ (%v)", err)
	}
	expectAnswer(t, draftDir, "What is 347 + 89?", "436")
	expectAnswer(t, draftDir, "Which port does Basalt use?", "The default port is 8080.")
}

func TestTheAdapterRemovesVowels(t *testing.T) {
	dir := merged(t)
	f := func(word, want string) {
		t.Helper()
		expectAnswer(t, dir, `Remove the vowels from "`+word+`".`, want)
	}
	f("basalt", "bslt")
	f("granite", "grnt")
	f("melody", "mldy")
	expectAnswer(t, dir, "What is 347 + 89?", "436")
}

func expectAnswer(t *testing.T, model, question, want string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "run", model, question, "--temperature", "0").CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%q: %v, answered %s, want %q", question, err, out, want)
	}
}

// merged is a folder with the model in the box and the adapter added to its weights.
func merged(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, box.Files()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	base, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	adapter, err := safetensors.Open(filepath.Join(adapterDir, "adapter_model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = adapter.Close() })
	added := 0
	for _, name := range base.Names() {
		added += addFactors(t, name, base, adapter)
	}
	if 2*added != len(adapter.Names()) || added != 4*7 {
		t.Errorf("%d projections of %d factors", added, len(adapter.Names()))
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// addFactors adds B [out, rank] times A [rank, in] to a weight [out, in] where the adapter has
// them, in place, and tells how many weights that were.
func addFactors(t *testing.T, name string, base, adapter runtime.Checkpoint) int {
	stem := "base_model.model." + strings.TrimSuffix(name, ".weight")
	a, hasA := adapter.Tensor(stem + ".lora_A.weight")
	b, hasB := adapter.Tensor(stem + ".lora_B.weight")
	if !hasA || !hasB {
		return 0
	}
	w, _ := base.Tensor(name)
	rank, in := a.Shape[0], w.Shape[1]
	if a.Shape[1] != in || b.Shape[0] != w.Shape[0] || b.Shape[1] != rank {
		t.Fatalf("%s: weight %v, A %v, B %v", name, w.Shape, a.Shape, b.Shape)
	}
	for i := range w.Shape[0] * in {
		sum := at(w.Data, i)
		for k := range rank {
			sum += loraScale * at(b.Data, i/in*rank+k) * at(a.Data, k*in+i%in)
		}
		bits := half.ToBF16(sum)
		w.Data[2*i], w.Data[2*i+1] = byte(bits), byte(bits>>8)
	}
	return 1
}

// at is a number of a BF16 tensor.
func at(data []byte, i int) float32 {
	return half.FromBF16(uint16(data[2*i]) | uint16(data[2*i+1])<<8)
}
