package main

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"basalt/bench/eval"
)

// command parses a command line and gives the settings.
func command(t *testing.T, args ...string) *cli {
	t.Helper()
	var c cli
	parser, err := newParser(&c)
	if err == nil {
		_, err = parser.Parse(args)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

const storyF32 = "../../testdata/stories260K/stories260K-f32.gguf"

// evaluate runs basalt eval and gives the figures instead of printing them.
func evaluate(t *testing.T, args ...string) eval.Result {
	t.Helper()
	c := &command(t, append([]string{
		"eval", "--text", "testdata/story.txt", "--ctx", "128",
		"--threads", "1",
	}, args...)...).Eval
	text, err := os.ReadFile(c.Text)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := openDevice(&c.modelFlags)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	var other *judged
	model, err := c.open(ctx, dev, c.Model, strings.TrimSuffix(string(text), "\n"))
	if err == nil && c.Against != "" {
		other, err = c.plain().open(ctx, dev, c.Against, strings.TrimSuffix(string(text), "\n"))
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.compare(ctx, model, other)
	if err = errors.Join(err, model.close(), other.close(), dev.Close()); err != nil {
		t.Fatal(err)
	}
	return r
}

// quantized runs basalt quantize on the trained checkpoint.
func quantized(t *testing.T, path, recipe string) {
	t.Helper()
	if status := run([]string{"quantize", storyF32, "-o", path, "--type", recipe}); status != 0 {
		t.Fatalf("basalt quantize ended with %d", status)
	}
}

// TestPerplexityEqualsLlamaCpp: the figures of llama-perplexity -c 128 -ctk f32 -ctv f32, of the
// trained checkpoint and of files that basalt quantize made of it.
func TestPerplexityEqualsLlamaCpp(t *testing.T) {
	f := func(recipe string, want, deviation, tolerance float64) {
		t.Helper()
		path := storyF32
		if recipe != "" {
			path = filepath.Join(t.TempDir(), recipe+".gguf")
			quantized(t, path, recipe)
		}
		got := evaluate(t, path, "--kv-dtype", "f32").Perplexity
		if math.Abs(got.Value/want-1) > tolerance || math.Abs(got.Error/deviation-1) > 0.02 {
			t.Errorf("%s: perplexity %.4f ± %.5f, llama.cpp's is %.4f ± %.5f", path, got.Value,
				got.Error, want, deviation)
		}
	}
	f("", 2.7507, 0.17929, 5e-5)
	// Both round activations to 8 bits, in sums of different order.
	f("q8_0", 2.7523, 0.17966, 2e-3)
	f("q4_0", 2.9520, 0.19534, 5e-3)
}

// TestBytesInTheCache: what a cache of bytes costs where a head has 8 numbers: over so few, each
// error of 1/127/sqrt(12) of the greatest, 0.3 to 0.5 % of a deviation, is that of larger heads,
// but there are fewer to average over. A perplexity within 1 % and a divergence of 0.01 nats are
// those of weights in Q8_0 (docs/quantization.md: 0.2 % and 0.0006) with a margin of several times.
func TestBytesInTheCache(t *testing.T) {
	f := func(kv, against string) eval.Result {
		t.Helper()
		return evaluate(t, storyF32, "--kv-dtype", kv, "--against", storyF32, "--against-kv-dtype",
			against)
	}
	bytes, self := f("int8", "f32"), f("int8", "int8")
	d := bytes.Against
	if d.Ratio.Value == 1 || math.Abs(d.Ratio.Value-1) > 1e-2 || d.KL.Value <= 0 ||
		d.KL.Value > 1e-2 || d.SameTop.Value < 0.95 {
		t.Errorf("bytes in the cache against floats: %+v", d)
	}
	if self.Against.KLMax > 1e-12 || self.Perplexity != bytes.Perplexity {
		t.Errorf("bytes in both caches: %+v, %+v", self.Perplexity, self.Against)
	}
}

// TestQuantizedAtLoad: --quantize with a recipe computes what the file of that recipe does, and
// searched scales are nearer to the original than plain ones.
func TestQuantizedAtLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "search.gguf")
	quantized(t, path, "q4_0_search")
	fromFile := evaluate(t, path, "--against", storyF32)
	atLoad := evaluate(t, storyF32, "--against", storyF32, "--quantize", "q4_0_search")
	if fromFile.Perplexity != atLoad.Perplexity || *fromFile.Against != *atLoad.Against {
		t.Errorf("from the file %+v, at load %+v", fromFile, atLoad)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	quantized(t, path, "q4_0")
	plain := evaluate(t, path, "--against", storyF32).Against.KL.Value
	if kl := fromFile.Against.KL.Value; kl <= 0 || kl >= plain {
		t.Errorf("divergence %g with searched scales, %g without", kl, plain)
	}
	if self := evaluate(t, storyF32, "--against", storyF32).Against; self.KLMax > 1e-12 ||
		self.SameTop.Value != 1 || self.Ratio.Value != 1 {
		t.Errorf("a model differs from itself: %+v", self)
	}
}

func TestQuantizeStatus(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gguf")
	f := func(want int, args ...string) {
		t.Helper()
		if got := run(append([]string{"quantize"}, args...)); got != want {
			t.Errorf("basalt quantize %q ended with %d, want %d", args, got, want)
		}
	}
	f(2, "../../testdata/qwen3") // without -o
	f(1, "../../testdata/qwen3", "-o", path, "--type", "q3")
	f(0, "../../testdata/qwen3", "-o", path, "--type", "Q4_K", "--pure")
	f(1, "../../testdata/qwen3", "-o", path)
	f(0, "../../testdata/qwen3", "-o", path, "--force")
	f(1, path, "-o", filepath.Join(dir, "b.gguf"), "--type", "q8_0")
	f(0, path, "-o", filepath.Join(dir, "b.gguf"), "--type", "q8_0", "--requantize")
	f(1, filepath.Join(dir, "none"), "-o", filepath.Join(dir, "c.gguf"))
}
