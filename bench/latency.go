package bench

import (
	"fmt"
	"slices"
	"time"

	"basalt/runtime"
)

// LatencyConfig is one batch of requests that begin and end together.
type LatencyConfig struct {
	Vocab, BlockSize, StepTokens int
	Batch, Input, Output         int // sequences, prompt tokens and generated tokens of each
	Iterations                   int // timed ones, after one that is not

	now func() time.Time // the clock of tests
}

// Latency measures how long a batch takes, as vLLM's latency benchmark does: prefill of all
// prompts, then decoding.
func Latency(exec runtime.Executable, cfg LatencyConfig) (*Result, error) {
	if cfg.Batch < 1 || cfg.Input < 1 || cfg.Output < 1 || cfg.Iterations < 1 {
		return nil, fmt.Errorf("batch %d, input %d, output %d, iterations %d: all must be positive",
			cfg.Batch, cfg.Input, cfg.Output, cfg.Iterations)
	}
	d := newDriver(exec, OfflineConfig{
		Vocab: cfg.Vocab, BlockSize: cfg.BlockSize, StepTokens: cfg.StepTokens,
	})
	if cfg.now != nil {
		d.now = cfg.now
	}
	blocks := d.tableLen(cfg.Input + cfg.Output)
	if need := cfg.Batch * blocks; need > exec.NumBlocks() {
		return nil, fmt.Errorf("%d cache blocks are needed, there are %d: give more memory for "+
			"the "+
			"cache", need, exec.NumBlocks())
	}
	var whole, firsts, steps []time.Duration
	for i := range cfg.Iterations + 1 {
		first, rest, err := d.oneBatch(&cfg, blocks)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			continue
		}
		total := first
		for _, s := range rest {
			total += s
		}
		whole, firsts, steps = append(whole, total), append(firsts, first), append(steps, rest...)
	}
	r := &Result{What: fmt.Sprintf("%d sequences of %d tokens in and %d out", cfg.Batch, cfg.Input,
		cfg.Output)}
	r.AddCost("latency mean", "ms", millis(mean(whole)))
	for _, p := range []int{50, 90, 99} {
		r.AddCost(fmt.Sprintf("latency p%d", p), "ms", millis(nearest(whole, p)))
	}
	r.AddCost("prefill p50", "ms", millis(nearest(firsts, 50)))
	r.AddCost("step p50", "ms", millis(nearest(steps, 50)))
	r.AddCost("step p99", "ms", millis(nearest(steps, 99)))
	return r, nil
}

// oneBatch gives the time of prefilling all prompts, and that of each decoding step.
func (d *driver) oneBatch(cfg *LatencyConfig, blocks int) (time.Duration, []time.Duration, error) {
	var first time.Duration
	for s := range cfg.Batch {
		took, err := d.fill(s, blocks, cfg.Input)
		if err != nil {
			return 0, nil, err
		}
		first += took
	}
	steps := make([]time.Duration, 0, cfg.Output)
	for i := range cfg.Output - 1 {
		d.batch.Reset()
		for s := range cfg.Batch {
			d.add(s, blocks, cfg.Input+i, 1, true)
		}
		took, err := d.step()
		if err != nil {
			return 0, nil, err
		}
		steps = append(steps, took)
	}
	return first, steps, nil
}

func mean(x []time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range x {
		sum += d
	}
	return sum / time.Duration(max(len(x), 1))
}

// nearest is the percentile by nearest rank; 0 of no values.
func nearest(x []time.Duration, p int) time.Duration {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	return x[max((p*len(x)+99)/100, 1)-1]
}

func millis(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
