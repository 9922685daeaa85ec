package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"basalt/runtime"
)

// clock is a time that only steps move on.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// timed is an executable whose steps take a known time on a clock.
type timed struct {
	runtime.Executable
	clock *clock
	step  time.Duration
}

func (e timed) Step(b *runtime.Batch) (runtime.Pending, error) {
	e.clock.at = e.clock.at.Add(e.step)
	return e.Executable.Step(b)
}

func TestLatencyOnTheNullDevice(t *testing.T) {
	c := new(clock)
	n := timed{clock: c, step: 2 * time.Millisecond, Executable: runtime.NewNull(runtime.NullConfig{
		NumBlocks: 64, BlockSize: 4, Vocab: 100, MaxTokens: 16, MaxSeqs: 8,
	})}
	cfg := LatencyConfig{
		Vocab: 100, BlockSize: 4, StepTokens: 16, Batch: 3, Input: 20, Output: 6, Iterations: 4,
		now: c.now,
	}
	r, err := Latency(n, cfg)
	if err != nil {
		t.Fatal(err)
	}
	// Three prompts of two chunks, then five steps for the tokens behind the first.
	want := map[string]float64{
		"latency mean": 22, "latency p50": 22, "latency p90": 22, "latency p99": 22,
		"prefill p50": 12, "step p50": 2, "step p99": 2,
	}
	for _, f := range r.Figures {
		if f.Value != want[f.Name] || !f.Lower {
			t.Errorf("%s is %v %s, want %v", f.Name, f.Value, f.Unit, want[f.Name])
		}
	}
	if len(r.Figures) != 7 {
		t.Errorf("figures %+v", r.Figures)
	}
	cfg.Input = 100
	if _, err := Latency(n, cfg); err == nil || !strings.Contains(err.Error(), "81 cache blocks") {
		t.Errorf("error %v", err)
	}
	cfg.Batch = 0
	if _, err := Latency(n, cfg); err == nil || !strings.Contains(err.Error(), "batch 0") {
		t.Errorf("error %v", err)
	}
}

// paced is a device that takes a known time for each byte of weights.
type paced struct {
	runtime.NullDevice
	clock   *clock
	perByte time.Duration
}

func (d paced) Compile(ctx context.Context, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) (runtime.Executable, error) {
	if err := runtime.CheckWeights(p, c); err != nil {
		return nil, err
	}
	exec, err := d.NullDevice.Compile(ctx, p, c, o)
	took := d.perByte * time.Duration(runtime.ProgramStats(p, c).WeightBytes)
	return timed{exec, d.clock, took}, err
}

func TestKernelsTakeTheDifference(t *testing.T) {
	c := new(clock)
	cfg := KernelsConfig{
		Formats: []runtime.DType{runtime.Q4_0, runtime.F16}, Rows: []int{1, 4}, In: 64, Out: 64,
		Steps: 3, now: c.now,
		Ceilings: func() (Ceilings, error) {
			return Ceilings{ReadGBs: 0.01, Int8GOPs: 0.1, FMAGFLOPs: 0.04}, nil
		},
	}
	r, err := Kernels(t.Context(), paced{clock: c, perByte: 400}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	// 1 byte in 400 ns, 2 operations for each weight of 0.5625 or 2 bytes and each row.
	const rate = 1 / 400.0
	want := map[string]float64{
		"Q4_0, 1 rows": rate, "F16, 1 rows": rate, "Q4_0, 4 rows": rate * 4 * 2 / 0.5625,
		"F16, 4 rows": rate * 4 * 2 / 2,

		"Q4_0, 1 rows: intensity": 2 / 0.5625, "F16, 1 rows: intensity": 2 / 2.0,
		"Q4_0, 4 rows: intensity": 8 / 0.5625, "F16, 4 rows: intensity": 8 / 2.0,
		// The nearer ceiling is the memory for F16's one row alone, and for few of Q4_0's.
		"Q4_0, 1 rows: ceiling": 25, "Q4_0, 4 rows: ceiling": 100 * rate * 8 / 0.5625 / 0.1,
		"F16, 1 rows: ceiling": 25, "F16, 4 rows: ceiling": 25,
	}
	for _, f := range r.Figures {
		if w := want[f.Name]; math.Abs(f.Value-w) > 1e-9 {
			t.Errorf("%s is %.6f %s, want %.6f", f.Name, f.Value, f.Unit, w)
		}
		delete(want, f.Name)
	}
	if len(want) != 0 {
		t.Errorf("missing %v", want)
	}
	cfg.In = 48
	if _, err := Kernels(t.Context(), paced{clock: c}, cfg); err == nil ||
		!strings.Contains(err.Error(), "48 values are no whole number of blocks of 32") {
		t.Errorf("error %v", err)
	}
}

func counter(t *testing.T, root, name string, value, limit float64) string {
	t.Helper()
	dir := filepath.Join(root, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, v := range map[string]float64{"energy_uj": value, "max_energy_range_uj": limit} {
		text := []byte(fmt.Sprintf("%.0f\n", v))
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "energy_uj")
}

func TestMeterCountsPackagesAndWraps(t *testing.T) {
	root := t.TempDir()
	if _, err := NewMeter(root); err == nil || !strings.Contains(err.Error(), "virtual machines") {
		t.Errorf("without counters: %v", err)
	}
	counter(t, root, "intel-rapl:0", 9e6, 10e6)
	counter(t, root, "intel-rapl:1", 1e6, 10e6)
	counter(t, root, "intel-rapl:0:0", 1e6, 10e6) // a part of package 0
	m, err := NewMeter(root)
	if err != nil {
		t.Fatal(err)
	}
	counter(t, root, "intel-rapl:0", 2e6, 10e6) // wrapped: 3 J
	counter(t, root, "intel-rapl:1", 1.5e6, 10e6)
	counter(t, root, "intel-rapl:0:0", 9e6, 10e6)
	if got, err := m.Joules(); err != nil || got != 3.5 {
		t.Errorf("%v J, %v", got, err)
	}
	counter(t, root, "intel-rapl:0", 4e6, 10e6)
	if got, err := m.Joules(); err != nil || got != 5.5 {
		t.Errorf("%v J, %v", got, err)
	}
}

func TestEnergyOfDecoding(t *testing.T) {
	root := t.TempDir()
	counter(t, root, "intel-rapl:0", 0, 1e12)
	m, err := NewMeter(root)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	exec := &burning{
		Executable: runtime.NewNull(runtime.NullConfig{
			NumBlocks: 64, BlockSize: 4, Vocab: 100, MaxTokens: 16, MaxSeqs: 8,
			StepTime: time.Millisecond,
		}),
		burn: func(steps int) { // 2 J for each step, and 10 W all the time
			j := 2*float64(steps) + 10*time.Since(began).Seconds()
			counter(t, root, "intel-rapl:0", 1e6*j, 1e12)
		},
	}
	r, err := Energy(exec, m, EnergyConfig{Idle: 20 * time.Millisecond, Offline: OfflineConfig{
		Vocab: 100, BlockSize: 4, StepTokens: 16, Sequences: []int{4}, Context: 8, DecodeSteps: 50,
		Repeats: 1,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if j := r.Figures[0]; j.Unit != "J/token" || j.Value < 0.5 || j.Value > 0.8 {
		t.Errorf("figures %+v", r.Figures)
	}
}

// burning tells at each step that energy was used.
type burning struct {
	runtime.Executable
	steps int
	burn  func(steps int)
}

func (b *burning) Step(batch *runtime.Batch) (runtime.Pending, error) {
	b.steps++
	b.burn(b.steps)
	return b.Executable.Step(batch)
}

func TestResultPrints(t *testing.T) {
	r := &Result{What: "work"}
	r.Add("rate", "tok/s", 123.456)
	r.AddCost("time", "ms", 0.01234)
	var text strings.Builder
	if err := r.Write(&text, false); err != nil || !strings.Contains(text.String(),
		"rate  123     tok/s\n") || !strings.Contains(text.String(), "0.0123") {
		t.Errorf("%v\n%s", err, text.String())
	}
	text.Reset()
	if err := r.Write(&text, true); err != nil || !strings.Contains(text.String(),
		`{"name":"time","unit":"ms","value":0.01234,"lower":true}`) {
		t.Errorf("%v\n%s", err, text.String())
	}
}
