package quantize

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"basalt/models"
	"basalt/models/gguf"
	"basalt/runtime"
)

func load(t *testing.T, path string) *models.Model {
	t.Helper()
	m, err := models.Load(path, models.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func recipe(t *testing.T, name string) Recipe {
	t.Helper()
	r, err := ParseRecipe(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// quantised writes a checkpoint of testdata by a recipe and loads the file.
func quantised(t *testing.T, from string, r Recipe) (*models.Model, Report) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	report, err := File(context.Background(), load(t, "../../testdata/"+from), path,
		Config{Recipe: r})
	if err != nil {
		t.Fatal(err)
	}
	return load(t, path), report
}

// TestFilesEqualLlamaCpp: every tensor of the file that llama.cpp's converter and quantiser wrote,
// byte for byte.
func TestFilesEqualLlamaCpp(t *testing.T) {
	f := func(from, with string, r Recipe) {
		t.Helper()
		m, _ := quantised(t, from, r)
		want := load(t, "../../testdata/gguf/"+with+"/model.gguf").GGUF
		if got := m.GGUF.Names(); !slices.Equal(got, want.Names()) {
			t.Errorf("%s: tensors %q, want %q", with, got, want.Names())
		}
		for _, name := range want.Names() {
			a, _ := m.GGUF.Tensor(name)
			b, _ := want.Tensor(name)
			if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) {
				t.Errorf("%s: tensor %q is %s %v, want %s %v", with, name, a.DType, a.Shape,
					b.DType, b.Shape)
			} else if name != "rope_freqs.weight" && !bytes.Equal(a.Data, b.Data) {
				t.Errorf("%s: tensor %q has other bytes", with, name)
			}
		}
	}
	f("llama3-chat", "llama3-chat-F32", recipe(t, "f32"))
	f("llama3-chat", "llama3-chat-F16", recipe(t, "f16"))
	f("llama3-chat", "llama3-chat-BF16", recipe(t, "bf16"))
	f("llama3-tied", "llama3-tied-Q8_0", recipe(t, "q8_0"))
	f("llama3-tied", "llama3-tied-Q4_0", recipe(t, "q4_0").Pure())
	f("qwen3", "qwen3-Q8_0", recipe(t, "q8_0"))
}

// TestMetadataEqualsLlamaCpp: the keys that the converter wrote are there, with the same values.
func TestMetadataEqualsLlamaCpp(t *testing.T) {
	// The test files are made in a folder without a name; a converter can say less of a size.
	ignored := []string{
		"general.name", "general.size_label", "general.finetune",
		"general.basename", "tokenizer.ggml.add_sep_token",
	}
	f := func(from, with string, r Recipe) {
		t.Helper()
		m, _ := quantised(t, from, r)
		want := load(t, "../../testdata/gguf/"+with+"/model.gguf").GGUF
		compared := 0
		for _, key := range want.Keys() {
			if slices.Contains(ignored, key) {
				continue
			}
			compared++
			if got, wanted := spell(m.GGUF, key), spell(want, key); got != wanted {
				t.Errorf("%s: %s is %.80q, want %.80q", with, key, got, wanted)
			}
		}
		if compared < 20 {
			t.Errorf("%s: %d keys compared", with, compared)
		}
	}
	f("llama3-chat", "llama3-chat-BF16", recipe(t, "bf16"))
	f("llama3-tied", "llama3-tied-Q8_0", recipe(t, "q8_0"))
	f("qwen3", "qwen3-Q8_0", recipe(t, "q8_0"))
}

// spell writes a value in a form that can be compared.
func spell(f *gguf.File, key string) string {
	m := &gguf.Meta{}
	m.Copy(f)
	return string(m.Value(key))
}

// TestMixturesEqualLlamaCpp: the formats of its mixed recipe.
func TestMixturesEqualLlamaCpp(t *testing.T) {
	m, report := quantised(t, "llama3-tied", recipe(t, "q4_k_m"))
	want := load(t, "../../testdata/gguf/llama3-tied-Q4_K_M/model.gguf").GGUF
	for _, name := range want.Names() {
		a, _ := m.GGUF.Tensor(name)
		b, _ := want.Tensor(name)
		if a.DType != b.DType {
			t.Errorf("tensor %q is %s, want %s", name, a.DType, b.DType)
		}
	}
	if report.Error < 0.02 || report.Error > 0.08 || len(report.Misfits) > 0 {
		t.Errorf("report %+v", report)
	}
}

// TestErrorIsAtMostLlamaCpps: searched scales represent the checkpoint at least as well as those of
// llama.cpp's quantiser.
func TestErrorIsAtMostLlamaCpps(t *testing.T) {
	source := load(t, "../../testdata/llama3-tied")
	f := func(with string, r Recipe, least float64) {
		t.Helper()
		m, report := quantised(t, "llama3-tied", r.Pure())
		theirs := load(t, "../../testdata/gguf/"+with+"/model.gguf")
		ours, want := distance(source, m), distance(source, theirs)
		t.Logf("%s: squared error %.3f of llama.cpp's; relative error %.3f %%", r.Name, ours/want,
			100*report.Error)
		if ours > least*want {
			t.Errorf("%s: squared error %g, llama.cpp's is %g", r.Name, ours, want)
		}
	}
	f("llama3-tied-Q4_0", recipe(t, "q4_0_search"), 0.9)
	f("llama3-tied-Q4_K", recipe(t, "q4_k_m"), 1)
	f("llama3-tied-Q5_K", recipe(t, "q5_k_m"), 1)
	f("llama3-tied-Q6_K", recipe(t, "q6_k"), 1)
}

// distance is the squared difference of the matrices whose rows have the same order in both.
func distance(a, b *models.Model) float64 {
	var sum float64
	for _, w := range a.Program.Weights {
		if len(w.Shape) != 2 || strings.Contains(w.Name, "q_proj") ||
			strings.Contains(w.Name, "k_proj") {
			continue
		}
		x, _ := a.Checkpoint.Tensor(w.Name)
		y, _ := b.Checkpoint.Tensor(w.Name)
		u, v := make([]float32, x.NumValues()), make([]float32, x.NumValues())
		x.DType.Decode(u, x.Data)
		y.DType.Decode(v, y.Data)
		for i := range u {
			sum += float64(u[i]-v[i]) * float64(u[i]-v[i])
		}
	}
	return sum
}

// TestGGUFIsQuantisedAlike: from a GGUF file the same bytes come out as from the checkpoint.
func TestGGUFIsQuantisedAlike(t *testing.T) {
	f := func(from string, r Recipe) {
		t.Helper()
		direct, _ := quantised(t, from, r)
		plain, _ := quantised(t, from, recipe(t, "f32"))
		path := filepath.Join(t.TempDir(), "again.gguf")
		if _, err := File(context.Background(), plain, path, Config{Recipe: r}); err != nil {
			t.Fatal(err)
		}
		again := load(t, path)
		for _, name := range direct.GGUF.Names() {
			a, _ := direct.GGUF.Tensor(name)
			b, _ := again.GGUF.Tensor(name)
			if a.DType != b.DType || !bytes.Equal(a.Data, b.Data) {
				t.Errorf("%s: tensor %q is %s, want %s; or the bytes differ", from, name, b.DType,
					a.DType)
			}
		}
		if again.ChatTemplate != direct.ChatTemplate ||
			again.Config.Family != direct.Config.Family {
			t.Errorf("%s: metadata has changed", from)
		}
	}
	f("llama3-chat", recipe(t, "q4_k_m"))
	f("mixtral", recipe(t, "q4_0_search"))
	f("qwen3-moe", recipe(t, "q8_0"))
}

func TestFileRefuses(t *testing.T) {
	dir := t.TempDir()
	f := func(from, to string, c Config, ctx context.Context, want string) {
		t.Helper()
		_, err := File(ctx, load(t, from), filepath.Join(dir, to), c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", from, err, want)
		}
		left, _ := filepath.Glob(filepath.Join(dir, ".*"))
		if len(left) > 0 {
			t.Errorf("%s: %q is left behind", from, left)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "there.gguf"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	q8, live := Config{Recipe: recipe(t, "q8_0")}, context.Background()
	ended, cancel := context.WithCancel(live)
	cancel()
	f("../../testdata/qwen3", "there.gguf", q8, live, "the file exists; --force overwrites it")
	f("../../testdata/qwen3", "no/such/x.gguf", q8, live, "no such file")
	f("../../testdata/qwen3", "a.gguf", q8, ended, "context canceled")
	f("../../testdata/llama-dynamic", "a.gguf", q8, live, "rope scaling is dynamic")
	f("../../testdata/gguf/qwen3-Q4_K/model.gguf", "a.gguf", q8, live, "--requantize")
	if data, err := os.ReadFile(filepath.Join(dir, "there.gguf")); string(data) != "mine" {
		t.Errorf("the file that was there has changed: %q, %v", data, err)
	}
	q8.Force, q8.Requantize = true, true
	_, err := File(live, load(t, "../../testdata/gguf/qwen3-Q4_K/model.gguf"),
		filepath.Join(dir, "there.gguf"), q8)
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a.gguf")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused file is there: %v", err)
	}
}

// TestNoFiniteNumber: a weight that is no number is refused by name.
func TestNoFiniteNumber(t *testing.T) {
	m := load(t, "../../testdata/qwen3")
	name := m.Program.Weights[0].Name
	m.Checkpoint = spoilt{m.Checkpoint, name}
	_, err := File(context.Background(), m, filepath.Join(t.TempDir(), "a.gguf"),
		Config{Recipe: recipe(t, "q8_0")})
	if err == nil || !strings.Contains(err.Error(), `"token_embd.weight": it has a value that is `+
		`no finite number`) {
		t.Errorf("got error %v", err)
	}
}

// spoilt has a tensor with an infinite value.
type spoilt struct {
	runtime.Checkpoint
	name string
}

func (s spoilt) Tensor(name string) (runtime.Tensor, bool) {
	t, ok := s.Checkpoint.Tensor(name)
	if name == s.name {
		t.Data = bytes.Clone(t.Data)
		t.Data[101] = 0x7f
		t.Data[100] = 0x80 // BF16 infinity
	}
	return t, ok
}
