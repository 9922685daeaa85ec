package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"basalt/internal/half"
	"basalt/runtime"
)

// KernelsConfig says which matrix products are measured.
type KernelsConfig struct {
	Formats []runtime.DType
	Rows    []int // tokens that are multiplied at once
	In, Out int   // the matrices are [Out, In] and [In, Out]
	Steps   int   // timed pairs of steps; the median of their differences counts
	// Ceilings measures what the device can do, beside each format; nil where nobody knows.
	Ceilings func() (Ceilings, error)

	now func() time.Time // the clock of tests
}

// Few and many pairs of matrices: even the few do not fit a cache, and the difference of the two
// programs' times is that of the pairs alone.
const (
	fewPairs  = 4
	manyPairs = 8
)

// Kernels measures the device's matrix products through programs that hold nothing else: the time
// of a product is the difference between a program of many and one of few, over their number. The
// two run in turn, so that what else the machine does falls on both.
func Kernels(ctx context.Context, dev runtime.Device, cfg KernelsConfig) (*Result, error) {
	r := &Result{What: fmt.Sprintf("products with matrices of %d x %d", cfg.Out, cfg.In)}
	for _, format := range cfg.Formats {
		times, err := productTimes(ctx, dev, &cfg, format)
		if err != nil {
			return nil, fmt.Errorf("cannot measure products of %s: %w", format, err)
		}
		var c Ceilings
		if cfg.Ceilings != nil {
			if c, err = cfg.Ceilings(); err != nil {
				return nil, err
			}
		}
		for i, rows := range cfg.Rows {
			p := product{
				format, rows, 2 * cfg.Out * format.RowBytes(cfg.In),
				4 * rows * cfg.In * cfg.Out, times[i].Seconds() / (manyPairs - fewPairs),
			}
			p.note(r, &c)
		}
	}
	return r, nil
}

// productTimes gives, for each number of rows, what many pairs take longer than few.
func productTimes(ctx context.Context, dev runtime.Device, cfg *KernelsConfig,
	format runtime.DType,
) ([]time.Duration, error) {
	few, err := openChain(ctx, dev, cfg, format, fewPairs)
	if err != nil {
		return nil, err
	}
	many, err := openChain(ctx, dev, cfg, format, manyPairs)
	if err != nil {
		return nil, errors.Join(err, few.exec.Close())
	}
	var times []time.Duration
	for _, rows := range cfg.Rows {
		var took time.Duration
		if took, err = longer(few, many, rows, cfg.Steps); err != nil {
			break
		}
		times = append(times, took)
	}
	return times, errors.Join(err, many.exec.Close(), few.exec.Close())
}

// longer is how much longer a step of many takes than one of few, beside which it runs. The first
// pair of steps is not counted.
func longer(few, many *driver, rows, steps int) (time.Duration, error) {
	var times []time.Duration
	for range steps + 1 {
		a, err := few.fill(0, few.tableLen(rows), rows)
		if err != nil {
			return 0, err
		}
		b, err := many.fill(0, many.tableLen(rows), rows)
		if err != nil {
			return 0, err
		}
		times = append(times, b-a)
	}
	took := nearest(times[1:], 50)
	if took <= 0 {
		return 0, fmt.Errorf("%d matrices and %d rows take no longer than %d matrices: the "+
			"machine is too busy to measure", 2*manyPairs, rows, 2*fewPairs)
	}
	return took, nil
}

// product is what was measured of a pair of matrices.
type product struct {
	format     runtime.DType
	rows       int
	bytes, ops int // of the weights; of multiplying and adding
	seconds    float64
}

func (p *product) name() string { return fmt.Sprintf("%s, %d rows", p.format, p.rows) }

// note adds the rate, and its share of the nearer ceiling where those are known.
func (p *product) note(r *Result, c *Ceilings) {
	gbs, gops := float64(p.bytes)/p.seconds/1e9, float64(p.ops)/p.seconds/1e9
	if p.rows == 1 {
		r.Add(p.name(), "GB/s", gbs)
	} else {
		r.Add(p.name(), "GOP/s", gops)
	}
	r.Add(p.name()+": "+Intensity, "op/B", gops/gbs)
	if c.ReadGBs > 0 {
		r.Part(p.name(), Ceiling, 100*max(gbs/c.ReadGBs, gops/c.Peak(p.format)))
	}
}

// openChain compiles a chain of pairs.
func openChain(ctx context.Context, dev runtime.Device, cfg *KernelsConfig, format runtime.DType,
	pairs int,
) (*driver, error) {
	p, c, err := chain(cfg, format, pairs)
	if err != nil {
		return nil, err
	}
	most := slices.Max(cfg.Rows)
	o := runtime.CompileOptions{
		KVBytes: 1 << 20, KVDType: runtime.BF16, BlockSize: 16, MaxTokens: most, MaxSeqs: 1,
		MaxContext: most,
	}
	o.KVBytes = int64(p.KV.BytesPerToken(o.KVDType)) * int64(most+16)
	exec, err := dev.Compile(ctx, p, c, o)
	if err != nil {
		return nil, err
	}
	d := newDriver(exec, OfflineConfig{
		Vocab: p.Vocab, BlockSize: o.BlockSize, StepTokens: most,
	})
	if cfg.now != nil {
		d.now = cfg.now
	}
	return d, nil
}

// chainVocab is as small as a device's tiles allow, so that the head costs nothing.
const chainVocab = 256

// chain is a program of so many pairs of matrices, each with weights of its own.
func chain(cfg *KernelsConfig, format runtime.DType, pairs int) (*runtime.Program,
	randomWeights, error,
) {
	b := runtime.NewBuilder("kernels", chainVocab, runtime.KVSpec{Layers: 1, KVHeads: 1, Dim: 64})
	x := b.Embed(b.Weight("embed", chainVocab, cfg.In))
	for i := range pairs {
		x = b.Linear(x, b.Weight(fmt.Sprintf("up%d", i), cfg.Out, cfg.In))
		x = b.Linear(x, b.Weight(fmt.Sprintf("down%d", i), cfg.In, cfg.Out))
	}
	b.Logits(b.SampleRows(x), b.Weight("head", chainVocab, cfg.In))
	p, err := b.Build()
	if err != nil {
		return nil, nil, err
	}
	c := randomWeights{}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, w := range p.Weights {
		d := format
		if w.Name == "embed" || w.Name == "head" {
			d = runtime.BF16
		}
		if w.Shape[1]%d.BlockSize() != 0 {
			return nil, nil, fmt.Errorf("rows of %d values are no whole number of blocks of %d",
				w.Shape[1], d.BlockSize())
		}
		c[w.Name] = randomTensor(d, w.Shape, rng)
	}
	return p, c, nil
}

// randomWeights is a checkpoint of random numbers.
type randomWeights map[string]runtime.Tensor

// Tensor implements runtime.Checkpoint.
func (c randomWeights) Tensor(name string) (runtime.Tensor, bool) {
	t, ok := c[name]
	return t, ok
}

// Names implements runtime.Checkpoint.
func (c randomWeights) Names() []string {
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// randomTensor repeats a row of random values: speed does not depend on them.
func randomTensor(d runtime.DType, shape []int, rng *rand.Rand) runtime.Tensor {
	t := runtime.Tensor{DType: d, Shape: shape, Data: make([]byte, shape[0]*d.RowBytes(shape[1]))}
	row := t.Data[:d.RowBytes(shape[1])]
	if f, ok := d.Quant(); ok {
		f.Random(row, 0.02, rng)
	} else {
		for at := 0; at < len(row); at += d.BlockBytes() {
			putNumber(row[at:], d, float32(rng.NormFloat64()*0.02))
		}
	}
	for at := len(row); at < len(t.Data); at += len(row) {
		copy(t.Data[at:], row)
	}
	return t
}

func putNumber(dst []byte, d runtime.DType, x float32) {
	bits := math.Float32bits(x)
	switch d {
	case runtime.BF16:
		bits >>= 16
	case runtime.F16:
		bits = uint32(half.ToF16(x))
	}
	for i := range d.BlockBytes() {
		dst[i] = byte(bits >> (8 * i))
	}
}
