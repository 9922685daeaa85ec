package bench

import (
	"fmt"
	"slices"
	"time"

	"basalt/runtime"
)

// OfflineConfig says what Offline measures.
type OfflineConfig struct {
	Vocab, BlockSize int
	Sequences        []int // decode with so many sequences at once
	Context          int   // tokens in each sequence's cache before decoding starts
	DecodeSteps      int   // timed steps of one token for each sequence
	Prefill          int   // tokens of the prefill prompt; 0 leaves prefill out
	StepTokens       int   // greatest number of tokens in a step
	Repeats          int   // repetitions of each measurement; the median counts
}

// OfflineRow is one measurement.
type OfflineRow struct {
	Work         string  `json:"work"`           // "decode" or "prefill"
	Sequences    int     `json:"sequences"`      // decoded together, or 1
	Context      int     `json:"context"`        // tokens before the first timed step
	TokensPerSec float64 `json:"tokens_per_sec"` // of the median step
	Mean         float64 `json:"mean"`           // tokens of all timed steps over their time
	Best         float64 `json:"best"`
	Worst        float64 `json:"worst"`
	StepMillis   float64 `json:"step_ms"` // median time of a step (decode) or of a prompt (prefill)
	StepP99      float64 `json:"step_p99_ms"`
	// FillPerSec is the rate of prefilling the first sequence's context, before decoding.
	FillPerSec float64 `json:"fill_per_sec,omitempty"`
}

// Offline measures an executable that nobody else uses.
func Offline(exec runtime.Executable, cfg OfflineConfig) ([]OfflineRow, error) {
	d := newDriver(exec, cfg)
	var rows []OfflineRow
	for _, n := range cfg.Sequences {
		row, err := d.decode(n)
		if err != nil {
			return rows, fmt.Errorf("cannot measure decoding of %d sequences: %w", n, err)
		}
		rows = append(rows, row)
	}
	if cfg.Prefill == 0 {
		return rows, nil
	}
	row, err := d.prefill()
	if err != nil {
		return rows, fmt.Errorf("cannot measure a prefill of %d tokens: %w", cfg.Prefill, err)
	}
	return append(rows, row), nil
}

// driver lays sequences out in consecutive cache blocks.
type driver struct {
	exec   runtime.Executable
	cfg    OfflineConfig
	batch  runtime.Batch
	filled int           // sequences whose context lies in the cache
	first  time.Duration // that the first one's took
	now    func() time.Time
}

func newDriver(exec runtime.Executable, cfg OfflineConfig) *driver {
	return &driver{exec: exec, cfg: cfg, now: time.Now}
}

// tableLen is the number of blocks for n tokens.
func (d *driver) tableLen(n int) int { return (n + d.cfg.BlockSize - 1) / d.cfg.BlockSize }

// add appends the tokens [past, past+n) of sequence s, whose cache starts at block s*blocks.
func (d *driver) add(s, blocks, past, n int, sample bool) {
	b := &d.batch
	for pos := past; pos < past+n; pos++ {
		id := int32((s*7919 + pos*104729) % d.cfg.Vocab)
		b.TokenIDs = append(b.TokenIDs, id)
		b.Positions = append(b.Positions, int32(pos))
		b.SlotMapping = append(b.SlotMapping, int32(s*blocks*d.cfg.BlockSize+pos))
	}
	b.QueryStart = append(b.QueryStart, int32(len(b.TokenIDs)))
	b.SeqLens = append(b.SeqLens, int32(past+n))
	b.MaxBlocks = blocks
	for i := range blocks {
		b.BlockTables = append(b.BlockTables, int32(s*blocks+i))
	}
	if sample {
		p := runtime.DefaultSampling()
		p.Temperature = 0
		b.SampleRows = append(b.SampleRows, int32(len(b.TokenIDs)-1))
		b.Sampling = append(b.Sampling, p.Row(past+n))
	}
}

func (d *driver) step() (time.Duration, error) {
	start := d.now()
	p, err := d.exec.Step(&d.batch)
	if err != nil {
		return 0, err
	}
	_, err = p.Wait()
	return d.now().Sub(start), err
}

// fill prefills sequence s with n tokens in steps of at most StepTokens.
func (d *driver) fill(s, blocks, n int) (time.Duration, error) {
	var sum time.Duration
	for past := 0; past < n; {
		chunk := min(n-past, d.cfg.StepTokens)
		d.batch.Reset()
		d.add(s, blocks, past, chunk, past+chunk == n)
		took, err := d.step()
		if err != nil {
			return 0, err
		}
		sum += took
		past += chunk
	}
	return sum, nil
}

func (d *driver) decode(n int) (OfflineRow, error) {
	blocks := d.tableLen(d.cfg.Context + d.cfg.DecodeSteps)
	if need := n * blocks; need > d.exec.NumBlocks() {
		return OfflineRow{}, fmt.Errorf("%d cache blocks are needed, there are %d: "+
			"give more memory for the cache", need, d.exec.NumBlocks())
	}
	// Decoding leaves the contexts as they are, so that each is filled once.
	for ; d.filled < n; d.filled++ {
		took, err := d.fill(d.filled, blocks, d.cfg.Context)
		if err != nil {
			return OfflineRow{}, err
		}
		if d.filled == 0 {
			d.first = took
		}
	}
	var times []time.Duration
	for range d.cfg.Repeats {
		for i := range d.cfg.DecodeSteps {
			d.batch.Reset()
			for s := range n {
				d.add(s, blocks, d.cfg.Context+i, 1, true)
			}
			took, err := d.step()
			if err != nil {
				return OfflineRow{}, err
			}
			times = append(times, took)
		}
	}
	row := summarise("decode", n, n, times)
	row.Context, row.FillPerSec = d.cfg.Context, float64(d.cfg.Context)/d.first.Seconds()
	return row, nil
}

func (d *driver) prefill() (OfflineRow, error) {
	var times []time.Duration
	blocks := d.tableLen(d.cfg.Prefill)
	for range max(d.cfg.Repeats, 1) + 1 {
		took, err := d.fill(0, blocks, d.cfg.Prefill)
		if err != nil {
			return OfflineRow{}, err
		}
		times = append(times, took)
	}
	return summarise("prefill", 1, d.cfg.Prefill, times[1:]), nil
}

// summarise turns times for so many tokens each into rates.
func summarise(work string, sequences, tokens int, times []time.Duration) OfflineRow {
	slices.Sort(times)
	var sum time.Duration
	for _, t := range times {
		sum += t
	}
	rate := func(d time.Duration) float64 { return float64(tokens) / d.Seconds() }
	median := times[len(times)/2]
	return OfflineRow{
		Work: work, Sequences: sequences, TokensPerSec: rate(median),
		Mean: rate(sum) * float64(len(times)), Best: rate(times[0]),
		Worst: rate(times[len(times)-1]), StepMillis: millis(median),
		StepP99: millis(nearest(times, 99)),
	}
}
