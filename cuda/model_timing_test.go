//go:build cuda

package cuda

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/bench"
	"basalt/cuda/driver"
	"basalt/models"
	"basalt/runtime"
)

// shapeOfBenches is what models are measured in, with random weights.
const shapeOfBenches = "llama-3.1-8b"

// copyRate is bytes read and written by a copy within the GPU, in a second.
func (c *checker) copyRate(t *testing.T) float64 {
	const n = 2 << 30
	from, err1 := c.alloc(n)
	to, err2 := c.alloc(n)
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
	rate := 2 * n / least.Seconds()
	t.Logf("copy: %.0f GB/s", rate/1e9)
	return rate
}

// productRate is what the best product of many rows does in a second, of the model's widest BF16
// matrix.
func (c *checker) productRate(t *testing.T) float64 {
	const m, n, k = 4096, 14336, 4096
	x, err1 := c.alloc(4 * m * k)
	y, err2 := c.alloc(4 * m * n)
	w, err3 := c.alloc(2 * n * k)
	tiled, err4 := c.alloc(2 * m * k)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	none := driver.Ptr(0)
	least, err := c.best(c.launch("bs_linear_bf16_64", [3]uint32{blocks(n, 32), m / 64, 1}, y, x, w,
		none, none, x, none, none, m, n, k, n, 0, 0, 0))
	if err == nil && c.d.arch.linear {
		var took time.Duration
		took, err = c.best(c.launch("bs_linear_bf16_"+c.d.arch.name,
			[3]uint32{blocks(n, 128), m / 128, 1}, y, tiled, w, none, none, x, m, n, k, n, 0))
		least = min(least, took)
	}
	if err != nil {
		t.Fatal(err)
	}
	rate := 2.0 * m * n * k / least.Seconds()
	t.Logf("product: %.0f TFLOP/s", rate/1e12)
	return rate
}

// ceilingsOf measures in a device of its own, whose memory is free again when the model comes.
func ceilingsOf(t *testing.T) (bytesPerSecond, flops float64) {
	t.Run("ceilings", func(t *testing.T) {
		c := timed(t)
		bytesPerSecond, flops = c.copyRate(t), c.productRate(t)
	})
	return bytesPerSecond, flops
}

// TestTimeOfModel prints decoding by 1 to 256 sequences, and prefill, beside the copy bandwidth and
// the rate of products that were measured a moment before.
func TestTimeOfModel(t *testing.T) {
	for _, f := range []struct {
		name  string
		dtype runtime.DType
		share float64 // of the copy bandwidth that a sequence alone should reach
	}{{"bf16", runtime.BF16, 0.70}, {"f8", runtime.F8_E4M3, 0.65}} {
		t.Run(f.name, func(t *testing.T) { timeModel(t, f.dtype, f.share) })
	}
}

func timeModel(t *testing.T, dtype runtime.DType, share float64) {
	bandwidth, flops := ceilingsOf(t)
	d := timed(t).d
	start := time.Now()
	m, err := models.Load(shapeOfBenches, models.LoadOptions{
		Dummy: &models.DummySpec{Seed: 1, DType: dtype},
	})
	if err != nil {
		t.Fatal(err)
	}
	made := time.Since(start)
	const step, context = 4096, 128
	e := compileFor(t, d, m.Program, m.Checkpoint, runtime.CompileOptions{
		KVBytes: 12 << 30, KVDType: runtime.BF16, BlockSize: 16, MaxTokens: step, MaxSeqs: 256,
		MaxContext: 8192,
	})
	t.Logf("weights made in %.1f s, loaded in %.1f s", made.Seconds(),
		(time.Since(start) - made).Seconds())
	rows, err := bench.Offline(e, bench.OfflineConfig{
		Vocab: m.Program.Vocab, BlockSize: 16, Sequences: []int{1, 16, 64, 256}, Context: context,
		DecodeSteps: 32, Prefill: step, StepTokens: step, Repeats: 3,
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
			work := float64(s.FLOPs) - head + float64(s.FLOPsPerPos)*step/2
			judge(t, "of the product's rate", work*r.TokensPerSec/flops, 0.60)
			continue
		}
		if r.Sequences == 1 {
			read := float64(s.BytesPerStep) + context*perToken
			judge(t, "of the copy bandwidth", read*r.TokensPerSec/bandwidth, share)
		}
	}
}

func judge(t *testing.T, what string, got, want float64) {
	said := "reached"
	if got < want {
		said = "MISSED"
	}
	t.Logf("  %.1f %% %s; %.0f %% is asked: %s", 100*got, what, 100*want, said)
}

// TestRatesThroughHTTP serves random weights by the program beside this one and loads it with 1,
// 16, 64 and 256 streams.
func TestRatesThroughHTTP(t *testing.T) {
	if os.Getenv(realGPU) == "" {
		t.Skip("a measurement needs a GPU: make gpu-bundle, then gpu-test bench there")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	basalt := filepath.Join(filepath.Dir(self), "basalt")
	url := serveShape(t, basalt)
	for _, streams := range []string{"1", "16", "64", "256"} {
		num := map[string]string{"1": "4", "16": "32", "64": "128", "256": "512"}[streams]
		out, err := exec.CommandContext(t.Context(), basalt, "bench", "serve", "--url", url,
			"--vocab", "128000", "--input-len", "128", "--output-len", "128", "--max-concurrency",
			streams, "--num-prompts", num).CombinedOutput()
		if err != nil {
			t.Fatalf("%s streams: %v\n%s", streams, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "Output token throughput") ||
				strings.HasPrefix(line, "Median T") || strings.HasPrefix(line, "Failed") {
				t.Logf("%s streams: %s", streams, strings.TrimSpace(line))
			}
		}
	}
}

// serveShape starts the server and gives its address once it listens.
func serveShape(t *testing.T, basalt string) (url string) {
	t.Helper()
	cmd := exec.Command(basalt, "serve", shapeOfBenches, "--load", "dummy", "--device", "cuda",
		"--listen", "127.0.0.1:0", "--max-seqs", "256", "--step-tokens", "2048", "--ctx", "1024",
		"--log-level", "error")
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
