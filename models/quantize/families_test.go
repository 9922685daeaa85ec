package quantize

import (
	"context"
	"math"
	"testing"

	"basalt/models"
	"basalt/models/tokenizer"
	"basalt/runtime"
)

// logits runs a prompt on the reference device.
func logits(t *testing.T, m *models.Model, c runtime.Checkpoint, prompt []int32) []float32 {
	t.Helper()
	n := len(prompt)
	e, err := runtime.NewReference().Compile(context.Background(), m.Program, c,
		runtime.CompileOptions{
			KVBytes: 1 << 26, KVDType: runtime.F32, BlockSize: n, MaxTokens: n, MaxSeqs: 1,
			MaxContext: n,
		})
	if err != nil {
		t.Fatal(err)
	}
	b := &runtime.Batch{
		TokenIDs: prompt, QueryStart: []int32{0, int32(n)}, SeqLens: []int32{int32(n)},
		BlockTables: []int32{0}, MaxBlocks: 1, SampleRows: []int32{int32(n) - 1}, WantLogits: true,
	}
	for i := range prompt {
		b.Positions = append(b.Positions, int32(i))
		b.SlotMapping = append(b.SlotMapping, int32(i))
	}
	p := runtime.DefaultSampling()
	b.Sampling = append(b.Sampling, p.Row(n))
	pending, err := e.Step(b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pending.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return out.Logits
}

func prompt(m *models.Model) []int32 {
	var ids []int32
	for i := range 50 {
		ids = append(ids, int32(i*7919%m.Config.Vocab))
	}
	return ids
}

// TestFamiliesStayTheSame: written as F32 and read back, each family computes what the checkpoint
// does, and its tokenizer encodes alike.
func TestFamiliesStayTheSame(t *testing.T) {
	f := func(from string) {
		t.Helper()
		source := load(t, "../../testdata/"+from)
		m, report := quantised(t, from, recipe(t, "f32"))
		if report.Error != 0 {
			t.Errorf("%s: widening changed the weights by %g", from, report.Error)
		}
		ids := prompt(source)
		want := logits(t, source, source.Checkpoint, ids)
		for i, x := range logits(t, m, m.Checkpoint, ids) {
			if math.Abs(float64(x-want[i])) > 1e-3 {
				t.Fatalf("%s: logit %d is %g, want %g", from, i, x, want[i])
			}
		}
		compareTokenizers(t, from, source, m)
	}
	f("llama2")
	f("llama3-tied")
	f("llama3-chat")
	f("llama-linear")
	f("llama-yarn")
	f("mistral")
	f("qwen2")
	f("qwen3")
	f("mixtral")
	f("qwen3-moe")
}

func compareTokenizers(t *testing.T, from string, source, m *models.Model) {
	t.Helper()
	a, err := tokenizer.FromJSON(source.TokenizerJSON)
	if err == nil {
		a, err = a.WithConfig(source.TokenizerConfig)
	}
	if err != nil {
		t.Fatal(err)
	}
	v, err := models.GGUFVocab(m.GGUF)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tokenizer.FromGGUF(v)
	if err != nil {
		t.Fatal(err)
	}
	const text = "Once upon a time, there were 12 little\n\n birds' eggs: Größe 東京 🙂."
	o := tokenizer.EncodeOptions{AddSpecial: true}
	ids := a.Encode(nil, text, o)
	if got := b.Encode(nil, text, o); len(got) != len(ids) || b.Decode(got, true) !=
		a.Decode(ids, true) || a.EOS() != b.EOS() || a.BOS() != b.BOS() {
		t.Errorf("%s: %v, want %v", from, got, ids)
	}
}

// TestInMemoryEqualsTheFile: a checkpoint that is quantised at load computes what the file of the
// same recipe does.
func TestInMemoryEqualsTheFile(t *testing.T) {
	f := func(from, name string) {
		t.Helper()
		source, r := load(t, "../../testdata/"+from), recipe(t, name)
		m, _ := quantised(t, from, r)
		c, err := Checkpoint(context.Background(), source, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids := prompt(source)
		want := logits(t, m, m.Checkpoint, ids)
		for i, x := range logits(t, source, c, ids) {
			if math.Abs(float64(x-want[i])) > 1e-3 {
				t.Fatalf("%s: logit %d is %g, want %g", from, i, x, want[i])
			}
		}
	}
	f("llama3-tied", "q4_k_m")
	f("llama3-tied", "q4_0_search")
	f("mixtral", "q8_0")
	f("qwen3-moe", "q4_0_search")
}
