//go:build linux

package main

import (
	le "encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"basalt/internal/half"
	"basalt/models/safetensors"
	"basalt/neuron/fakelib"
	"basalt/runtime"
)

// fakes are the fake runtime library and compiler, built once beside the binary.
var fakes = sync.OnceValues(func() (list [2]string, err error) {
	path, err := binary()
	if err != nil {
		return list, err
	}
	dir := filepath.Dir(path)
	if list[0], err = fakelib.Library(dir, fakelib.Variant{Async: true}); err != nil {
		return list, err
	}
	list[1], err = fakelib.Compiler(dir)
	return list, err
})

// useFakes points commands at the fakes, and allows them.
func useFakes(t *testing.T) (compiler string) {
	t.Helper()
	list, err := fakes()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BASALT_LIBNRT", list[0])
	t.Setenv(allowFake, "1")
	t.Setenv("GOGC", "800") // the evaluator makes much garbage
	return list[1]
}

// basaltOutput runs the command to its end.
func basaltOutput(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := basaltOutput(t, args...)
	if err != nil {
		t.Fatalf("basalt %q: %v\n%s", args, err, out)
	}
	return out
}

// tinyModel copies a checkpoint of testdata with all weights in one type.
func tinyModel(t *testing.T, name string, d runtime.DType) string {
	t.Helper()
	from, to := filepath.Join("../../testdata", name), filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{
		"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
	} {
		data, err := os.ReadFile(filepath.Join(from, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, file), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := safetensors.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	file := filepath.Join(to, "model.safetensors")
	if err := os.WriteFile(file, retyped(t, c, d), 0o644); err != nil {
		t.Fatal(err)
	}
	return to
}

// retyped is a safetensors file of the same tensors in another type.
func retyped(t *testing.T, c runtime.Checkpoint, d runtime.DType) []byte {
	t.Helper()
	header, body := map[string]any{}, []byte{}
	for _, name := range c.Names() {
		w, _ := c.Tensor(name)
		xs := make([]float32, w.NumValues())
		w.DType.Decode(xs, w.Data)
		at := len(body)
		for _, x := range xs {
			if d == runtime.F32 {
				body = le.LittleEndian.AppendUint32(body, math.Float32bits(x))
			} else {
				body = le.LittleEndian.AppendUint16(body, half.ToBF16(x))
			}
		}
		header[name] = map[string]any{
			"dtype": d.String(), "shape": w.Shape, "data_offsets": []int{at, len(body)},
		}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, strings.Repeat(" ", (8-len(text)%8)%8)...)
	return slices.Concat(le.LittleEndian.AppendUint64(nil, uint64(len(text))), text, body)
}

// compiledExport exports and compiles a model for the fake.
func compiledExport(t *testing.T, compiler, model string, flags ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	mustRun(t, append([]string{"neuron", "export", model, "--out", dir}, flags...)...)
	mustRun(t, "neuron", "compile", dir, "--compiler", compiler)
	return dir
}

// reference is what transformers computed of a checkpoint of testdata.
type reference struct {
	Cases []struct {
		Prompt, Greedy []int32
	}
}

func readReference(t *testing.T, name string) reference {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../testdata", name, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// ask is a completion of token ids with further fields of the body.
type ask struct {
	prompt []int32
	fields map[string]any
}

// generated is what was generated: the text, and each token with its log-probability and, where two
// alternatives were asked for, the lead of the best over the next.
type generated struct {
	Text     string
	Logprobs struct {
		Tokens []string
		Values []float64            `json:"token_logprobs"`
		Top    []map[string]float64 `json:"top_logprobs"`
	}
}

// askAll sends all requests at once.
func askAll(t *testing.T, url, model string, asks []ask) []generated {
	t.Helper()
	replies := make([]generated, len(asks))
	var wg sync.WaitGroup
	for i, a := range asks {
		wg.Go(func() {
			body := map[string]any{
				"model": model, "prompt": a.prompt, "ignore_eos": true, "logprobs": 2,
			}
			for k, v := range a.fields {
				body[k] = v
			}
			data, err := json.Marshal(body)
			if err != nil {
				t.Error(err)
				return
			}
			status, text := post(t, url+"/v1/completions", string(data))
			var answer struct{ Choices []generated }
			if err := json.Unmarshal([]byte(text), &answer); err != nil ||
				status != http.StatusOK || len(answer.Choices) != 1 {
				t.Errorf("status %d: %s", status, text)
				return
			}
			replies[i] = answer.Choices[0]
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return replies
}

// variety is requests of every kind of sampling, of prompts that are cut into chunks, too many to
// run at once.
func variety(r reference) []ask {
	var list []ask
	for i := range 9 {
		c := r.Cases[i%len(r.Cases)]
		all := slices.Concat(c.Prompt, c.Greedy)
		f := map[string]any{"max_tokens": 24, "seed": 100 + i, "temperature": 0.8}
		switch i {
		case 0, 3, 6:
			f["temperature"] = 0
		case 1:
			f["top_k"], f["top_p"] = 20, 0.9
		case 2:
			f["top_p"] = 0.7
		case 4:
			f["frequency_penalty"], f["presence_penalty"], f["top_k"] = 0.5, 0.3, 50
		case 5:
			f["logit_bias"], f["temperature"] = map[string]int{"7": 5, "9": -100}, 1.2
		case 7:
			f["repetition_penalty"], f["temperature"] = 1.3, 0
		case 8:
			f["min_p"], f["top_k"] = 0.05, 300
		}
		list = append(list, ask{all[i : 25+7*i], f})
	}
	return list
}

// metric is the value of a line of /metrics.
func metric(t *testing.T, url, name string) (v float64) {
	t.Helper()
	_, text := get(t, url+"/metrics")
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+"{"); ok {
			_, value, _ := strings.Cut(rest, "} ")
			if _, err := fmt.Sscan(value, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// tightFlags make chunks, batches of several runs and preemptions.
func tightFlags() []string {
	return []string{"--ctx", "128", "--max-seqs", "6", "--step-tokens", "24"}
}

// exportFlags are small buckets, of which batches fill several.
func exportFlags() []string {
	return []string{
		"--ctx", "128", "--contexts", "64,128", "--tokens", "8,16", "--seqs", "2,4",
		"--kv-blocks", "14", "--top-k", "40",
	}
}

// TestNeuronServesWhatTheCPUServes: through files, compiler, library, device, scheduler and HTTP
// the tokens of each tiny family are the cpu device's, sampled in every way, though the requests
// share steps, their prompts are cut into chunks, and some are preempted.
func TestNeuronServesWhatTheCPUServes(t *testing.T) {
	compiler := useFakes(t)
	preempted := 0.0 // how often depends on when requests arrive
	f := func(name string, more ...string) {
		t.Run(name, func(t *testing.T) {
			model := tinyModel(t, name, runtime.F32)
			dir := compiledExport(t, compiler, model, append(exportFlags(), more...)...)
			asks := variety(readReference(t, name))
			host := serve(t, append([]string{model}, tightFlags()...)...)
			want := askAll(t, host.url, name, asks)
			dev := serve(t, append([]string{
				model, "--device", "neuron", "--neuron-dir", dir,
			}, tightFlags()...)...)
			got := askAll(t, dev.url, name, asks)
			for i := range asks {
				g, w := &got[i], &want[i]
				if g.Text != w.Text || !slices.Equal(g.Logprobs.Tokens, w.Logprobs.Tokens) {
					t.Errorf("request %d, %v:\n%q\nthe cpu device:\n%q", i, asks[i].fields,
						g.Logprobs.Tokens, w.Logprobs.Tokens)
				}
				for j, v := range w.Logprobs.Values {
					if d := math.Abs(g.Logprobs.Values[j] - v); !(d < 1e-3) {
						t.Errorf("request %d: log-probability %d is off by %g", i, j, d)
						break
					}
				}
			}
			preempted += metric(t, dev.url, "vllm:num_preemptions_total")
			if err := dev.stop(t); err != nil {
				t.Errorf("exit: %v\n%s", err, dev.log)
			}
			if !strings.Contains(dev.log.String(), "FAKE") {
				t.Errorf("the log does not say that this is the fake:\n%s", dev.log)
			}
		})
	}
	f("llama2")
	f("llama3-chat", "--scope", "layer")
	f("llama3-tied")
	f("llama-linear")
	f("llama-dynamic", "--tp", "4")
	f("llama-yarn")
	f("mistral", "--scope", "layer", "--tp", "2")
	f("qwen2")
	f("qwen3", "--tp", "2")
	f("mixtral", "--scope", "layer")
	f("qwen3-moe", "--tp", "2")
	if preempted == 0 {
		t.Error("nothing was preempted")
	}
	t.Logf("%g preemptions", preempted)
}

// windows are greedy continuations of a few tokens each along the reference's path, so that a tie
// that falls the other way costs no more than the rest of its window.
func windows(r *reference, every, length int) (list []ask) {
	for i := range r.Cases {
		c := &r.Cases[i]
		prompt := c.Prompt[max(len(c.Prompt)-40, 0):]
		for at := 0; at+length <= len(c.Greedy) && len(prompt)+at+length < 120; at += every {
			list = append(list, ask{
				slices.Concat(prompt, c.Greedy[:at]),
				map[string]any{"max_tokens": length, "temperature": 0},
			})
		}
	}
	return list
}

// lead is how far the best of two alternatives is before the other; 0 where both are spelt alike.
func lead(top map[string]float64) float64 {
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range top {
		least, most = min(least, v), max(most, v)
	}
	return most - least
}

// tally counts tokens up to the first of each answer that is not the other's.
type tally struct{ total, same int }

// compare counts, and gives the place of the first token that differs, -1 for none.
func (c *tally) compare(got, want *generated) int {
	for i, token := range want.Logprobs.Tokens {
		c.total++
		if got.Logprobs.Tokens[i] != token {
			return i
		}
		c.same++
	}
	return -1
}

// TestNeuronServesBF16: in BF16 hardly a token is not the cpu device's, and where a greedy one is
// not, the cpu device's own lead is a near tie, under 0.02. The cpu device multiplies float32
// activations by BF16 weights; --isa keeps it from the instructions of some processors that round
// activations. Here too requests share steps, in chunks, and some are preempted.
func TestNeuronServesBF16(t *testing.T) {
	compiler := useFakes(t)
	var count tally
	preempted := 0.0
	f := func(name string, more ...string) {
		model := tinyModel(t, name, runtime.BF16)
		dir := compiledExport(t, compiler, model, append(exportFlags(), more...)...)
		r := readReference(t, name)
		asks := append(windows(&r, 24, 12), variety(r)...)
		host := serve(t, append([]string{model, "--isa", "portable"}, tightFlags()...)...)
		want := askAll(t, host.url, name, asks)
		dev := serve(t, append([]string{model, "--device", "neuron", "--neuron-dir", dir},
			tightFlags()...)...)
		got := askAll(t, dev.url, name, asks)
		for i := range asks {
			at := count.compare(&got[i], &want[i])
			if at < 0 {
				continue
			}
			d := lead(want[i].Logprobs.Top[at])
			t.Logf("%s: request %d differs at %d, where the cpu device led by %.4f", name, i, at, d)
			if asks[i].fields["temperature"] == 0 && !(d < 0.02) {
				t.Errorf("%s: token %d of request %d led by %.4f", name, at, i, d)
			}
		}
		preempted += metric(t, dev.url, "vllm:num_preemptions_total")
	}
	f("llama2")
	f("llama3-chat", "--scope", "layer")
	f("llama3-tied")
	f("llama-linear")
	f("llama-dynamic", "--tp", "4")
	f("llama-yarn")
	f("mistral", "--scope", "layer", "--tp", "2")
	f("qwen2")
	f("qwen3", "--tp", "2")
	f("mixtral", "--scope", "layer")
	f("qwen3-moe", "--tp", "2")
	if count.same*100 < count.total*99 {
		t.Errorf("%d of %d tokens are the same", count.same, count.total)
	}
	if preempted == 0 {
		t.Error("nothing was preempted")
	}
	t.Logf("%d of %d tokens are the same; %g preemptions", count.same, count.total, preempted)
}
