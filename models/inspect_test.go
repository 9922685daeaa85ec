package models

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/inspect.txt")

func inspected(t *testing.T, m *Model) string {
	t.Helper()
	var out bytes.Buffer
	if err := Inspect(&out, m); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestInspect compares the whole text for the trained checkpoint.
func TestInspect(t *testing.T) {
	m, err := Load("../testdata/stories260K/stories260K-f32.gguf", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	const path = "testdata/inspect.txt"
	got := inspected(t, m)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := Inspect(brokenPipe{}, m); err == nil {
		t.Error("a failed write was not reported")
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestInspectTellsWhatDiffers(t *testing.T) {
	f := func(path string, change map[string]any, want ...string) {
		t.Helper()
		m, err := Load(variant(t, path, change), LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.Close() }()
		for text := inspected(t, m); len(want) > 0; want = want[1:] {
			if !strings.Contains(text, want[0]) {
				t.Errorf("no %q in\n%s", want[0], text)
			}
		}
	}
	f("../testdata/mistral", nil, "-> 128     window 32\n", "16 pairs of halves\n")
	f("../testdata/qwen2", nil, "F16, with bias\n")
	f("../testdata/qwen3-moe", nil, " experts, [", ", of which a token uses ")
	f("../testdata/llama-yarn", nil, "magnified by 1.139")
	f("../testdata/llama-dynamic", nil, "stretched from position 128")
	f("../testdata/llama2", map[string]any{"num_hidden_layers": 1},
		"warning: 9 tensors are not used: model.layers.1.input_layernorm.weight, ", " and 4 more\n")
}
