//go:build cuda

package cuda

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"basalt/bench"
	"basalt/cuda/driver"
	"basalt/models"
	"basalt/runtime"
)

// scale is what a model is measured by.
type scale struct {
	shape                 string // with random weights
	copied                int64  // bytes
	rows, n, k            int    // of the widest BF16 matrix, for the ceiling of products
	step, context, decode int
	cache                 int64
	repeats               int
	sequences             []int
	streams               [][2]string // of HTTP, and requests
	vocab                 int
}

func scaleOfBenches() scale {
	if simulated() {
		return scale{
			shape: "stories-260k", copied: 1 << 20, rows: 128, n: 172, k: 64, step: 32, context: 8,
			decode: 2, cache: 16 << 20, repeats: 1, sequences: []int{1, 2},
			streams: [][2]string{{"4", "4"}}, vocab: 512,
		}
	}
	return scale{
		shape: "llama-3.1-8b", copied: 2 << 30, rows: 4096, n: 14336, k: 4096, step: 4096,
		context: 128, decode: 32, cache: 12 << 30, repeats: 3,
		sequences: []int{1, 16, 64, 256},
		streams:   [][2]string{{"1", "4"}, {"16", "32"}, {"64", "128"}, {"256", "512"}},
		vocab:     128000,
	}
}

// copyRate is bytes read and written by a copy within the GPU, in a second.
func (c *checker) copyRate(t *testing.T, n int64) float64 {
	from, err1 := c.alloc(int(n))
	to, err2 := c.alloc(int(n))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	least := time.Hour
	for range 10 {
		start := time.Now()
		if err := errors.Join(c.stream.Copy(to, from, n), c.stream.Wait()); err != nil {
			t.Fatal(err)
		}
		least = min(least, time.Since(start))
	}
	rate := 2 * float64(n) / least.Seconds()
	t.Logf("copy: %.0f GB/s", rate/1e9)
	return rate
}

// productRate is what the best product of many rows does in a second, of the model's widest BF16
// matrix.
func (c *checker) productRate(t *testing.T, m, n, k int) float64 {
	x, err1 := c.alloc(4 * m * k)
	y, err2 := c.alloc(4 * m * n)
	w, err3 := c.alloc(2 * n * k)
	tiled, err4 := c.alloc(2 * m * k)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	none := driver.Ptr(0)
	least, err := c.best(c.launch("bs_linear_bf16_64",
		[3]uint32{blocks(n, 32), uint32(m / 64), 1}, y, x, w, none, none, x, none, none, m, n, k,
		n, 0, 0, 0))
	if err == nil && c.d.arch.linear {
		var took time.Duration
		took, err = c.best(c.launch("bs_linear_bf16_"+c.d.arch.name,
			[3]uint32{blocks(n, 128), uint32(m / 128), 1}, y, tiled, w, none, none, x, m, n, k, n,
			0))
		least = min(least, took)
	}
	if err != nil {
		t.Fatal(err)
	}
	rate := 2 * float64(m*n*k) / least.Seconds()
	t.Logf("product: %.0f TFLOP/s", rate/1e12)
	return rate
}

// ceilingsOf measures in a device of its own, whose memory is free again when the model comes.
func ceilingsOf(t *testing.T) (bytesPerSecond, flops float64) {
	if !t.Run("ceilings", func(t *testing.T) {
		c, s := timed(t, true, Config{}), scaleOfBenches()
		bytesPerSecond, flops = c.copyRate(t, s.copied), c.productRate(t, s.rows, s.n, s.k)
	}) {
		t.FailNow()
	}
	return bytesPerSecond, flops
}

// TestTimeOfModel prints decoding by 1 to 256 sequences, and prefill, beside the copy bandwidth and
// the rate of products that were measured a moment before.
func TestTimeOfModel(t *testing.T) {
	for _, f := range []struct {
		name  string
		dtype runtime.DType
		share float64 // of the copy bandwidth that a sequence alone should reach
		cfg   Config
	}{
		{"bf16", runtime.BF16, 0.70, Config{}}, {"f8", runtime.F8_E4M3, 0.65, Config{}},
		{"library", runtime.BF16, 0.70, Config{AnyOrder: true}}, // as --deterministic=false
	} {
		t.Run(f.name, func(t *testing.T) { timeModel(t, f.dtype, f.share, f.cfg) })
	}
}

func timeModel(t *testing.T, dtype runtime.DType, share float64, cfg Config) {
	bandwidth, flops := ceilingsOf(t)
	d, with := timed(t, true, cfg).d, scaleOfBenches()
	start := time.Now()
	m, err := models.Load(with.shape, models.LoadOptions{
		Dummy: &models.DummySpec{Seed: 1, DType: dtype, OnDevice: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := compileFor(t, d, m.Program, m.Checkpoint, runtime.CompileOptions{
		KVBytes: with.cache, KVDType: runtime.BF16, BlockSize: 16, MaxTokens: with.step,
		MaxSeqs: slices.Max(with.sequences), MaxContext: 2 * with.step,
	})
	t.Logf("weights made on the GPU in %.1f s", time.Since(start).Seconds())
	rows, err := bench.Offline(e, bench.OfflineConfig{
		Vocab: m.Program.Vocab, BlockSize: 16, Sequences: with.sequences, Context: with.context,
		DecodeSteps: with.decode, Prefill: with.step, StepTokens: with.step, Repeats: with.repeats,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := runtime.ProgramStats(m.Program, m.Checkpoint)
	perToken := float64(m.Program.KV.BytesPerToken(runtime.BF16))
	for _, r := range rows {
		t.Logf("%s, %d sequences: %.0f tokens/s, %.3f ms", r.Work, r.Sequences, r.TokensPerSec,
			r.StepMillis)
		if r.Work == "prefill" {
			// Scores are asked of the last token alone; a token attends to half the others.
			head := float64(m.Config.Vocab) * float64(m.Config.Hidden) * 2
			work := float64(s.FLOPs) - head + float64(s.FLOPsPerPos*int64(with.step))/2
			judge(t, "of the product's rate", work*r.TokensPerSec/flops, 0.60)
			continue
		}
		if r.Sequences == 1 {
			read := float64(s.BytesPerStep) + float64(with.context)*perToken
			judge(t, "of the copy bandwidth", read*r.TokensPerSec/bandwidth, share)
		}
	}
}

// TestTimeOfTrials prints for which shapes of matrices cuBLASLt adds in our order, and the time
// that finding it takes.
func TestTimeOfTrials(t *testing.T) {
	d := timed(t, true, Config{}).d
	if d.library == nil {
		t.Log("there is no cuBLASLt")
		return
	}
	for _, s := range []libraryShape{
		{"bf16", 4096, 4096, 4096}, {"bf16", 4096, 4096, 6144}, {"bf16", 1024, 4096, 6144},
		{"bf16", 14336, 4096, 28672}, {"bf16", 4096, 14336, 4096}, {"f16", 4096, 4096, 4096},
	} {
		start := time.Now()
		if err := d.library.try(d, s, start.Add(time.Minute), trialMemory); err != nil {
			t.Fatal(err)
		}
		choice, tried := d.library.trials[s]
		t.Logf("%v: tried %v, serves %v, %s", s, tried, choice != nil, time.Since(start))
	}
}

func judge(t *testing.T, what string, got, want float64) {
	said := "reached"
	switch {
	case simulated():
		said = "simulated"
	case got < want:
		said = "MISSED"
	}
	t.Logf("  %.1f %% %s; %.0f %% is asked: %s", 100*got, what, 100*want, said)
}

// TestRatesThroughHTTP serves random weights by the program beside this one and loads it with 1,
// 16, 64 and 256 streams. On the fake the load must be refused, and requests answered.
func TestRatesThroughHTTP(t *testing.T) {
	needMeasurable(t, true)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	basalt, with := filepath.Join(filepath.Dir(self), "basalt"), scaleOfBenches()
	url := serveShape(t, basalt, with.shape)
	for _, load := range with.streams {
		out, err := exec.CommandContext(t.Context(), basalt, "bench", "serve", "--url", url,
			"--vocab", fmt.Sprint(with.vocab), "--input-len", fmt.Sprint(with.context),
			"--output-len", fmt.Sprint(with.context), "--max-concurrency", load[0],
			"--num-prompts", load[1]).CombinedOutput()
		if simulated() {
			if err == nil || !strings.Contains(string(out), "the server runs a fake device") {
				t.Errorf("the load on a fake device was not refused: %v\n%s", err, out)
			}
			complete(t, url, with.shape)
			continue
		}
		if err != nil {
			t.Fatalf("%s streams: %v\n%s", load[0], err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "Output token throughput") ||
				strings.HasPrefix(line, "Median T") || strings.HasPrefix(line, "Failed") {
				t.Logf("%s streams: %s", load[0], strings.TrimSpace(line))
			}
		}
	}
}

// complete asks for four tokens.
func complete(t *testing.T, url, model string) {
	t.Helper()
	body := fmt.Sprintf(`{"model":%q,"prompt":[1,2,3],"max_tokens":4,"ignore_eos":true}`, model)
	r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	answer, err := io.ReadAll(r.Body)
	if err != nil || !strings.Contains(string(answer), `"completion_tokens":4`) {
		t.Errorf("a completion gives %d %s, %v", r.StatusCode, answer, err)
	}
}

// serveShape starts the server and gives its address once it listens.
func serveShape(t *testing.T, basalt, shape string) (url string) {
	t.Helper()
	cmd := exec.Command(basalt, "serve", shape, "--load", "dummy", "--device", "cuda", "--listen",
		"127.0.0.1:0", "--max-seqs", "256", "--step-tokens", "2048", "--ctx", "1024",
		"--log-level", "error")
	if simulated() {
		cmd.Env = append(os.Environ(), "BASALT_LIBCUDA="+os.Getenv(fakePath),
			"BASALT_ALLOW_FAKE_CUDA=1")
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), "Listening on "); ok {
			return strings.TrimSpace(url)
		}
	}
	t.Fatalf("the server ended: %s", &log)
	return ""
}
