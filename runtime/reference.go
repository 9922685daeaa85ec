package runtime

import (
	"context"
	"fmt"
	"math"

	"basalt/internal/half"
)

// Reference is the oracle: it interprets a program operation by operation in float32 with float64
// sums, one row at a time, from weights decoded to float32. It is slow on purpose.
type Reference struct{}

// NewReference gives the reference device.
func NewReference() *Reference { return &Reference{} }

// Info implements Device.
func (*Reference) Info() DeviceInfo {
	return DeviceInfo{Kind: "reference", Name: "float32 reference", Threads: 1}
}

// Close implements Device.
func (*Reference) Close() error { return nil }

// Compile implements Device. Quantize is not supported.
func (*Reference) Compile(_ context.Context, p *Program, c Checkpoint,
	o CompileOptions,
) (Executable, error) {
	if err := CheckWeights(p, c); err != nil {
		return nil, err
	}
	if o.Quantize != 0 {
		return nil, fmt.Errorf("the reference device cannot quantise to %s", o.Quantize)
	}
	blocks, err := NumKVBlocks(p, o)
	if err != nil {
		return nil, err
	}
	e := &refExec{p: p, o: o, blocks: blocks, weights: make(map[string][]float32, len(p.Weights))}
	for _, w := range p.Weights {
		e.weights[w.Name] = decodeWeight(w, c)
	}
	perLayer := blocks * o.BlockSize * p.KV.KVHeads * p.KV.Dim
	for range p.KV.Layers {
		e.keys = append(e.keys, make([]float32, perLayer))
		e.values = append(e.values, make([]float32, perLayer))
	}
	e.sampler.setup(p.Vocab, o.MaxSeqs)
	return e, nil
}

func decodeWeight(w *Weight, c Checkpoint) []float32 {
	all := make([]float32, w.NumValues())
	dst := all
	for _, part := range w.Parts {
		t, _ := c.Tensor(part)
		n := t.NumValues()
		t.Decode(dst[:n], 0)
		dst = dst[n:]
	}
	return all
}

type refExec struct {
	p            *Program
	o            CompileOptions
	blocks       int
	weights      map[string][]float32
	keys, values [][]float32 // per layer: [block * BlockSize + offset][KVHeads * Dim]
	regs         [][]float32
	sampler      refSampler
	out          Output
}

func (e *refExec) NumBlocks() int { return e.blocks }
func (e *refExec) Close() error   { return nil }

type refPending struct{ out *Output }

func (p refPending) Wait() (*Output, error) { return p.out, nil }

func (e *refExec) Step(b *Batch) (Pending, error) {
	err := b.Check(Limits{
		NumBlocks: e.blocks, BlockSize: e.o.BlockSize, Vocab: e.p.Vocab, MaxTokens: e.o.MaxTokens,
		MaxSeqs: e.o.MaxSeqs, MaxSlots: e.o.MaxSeqs, PrevRows: len(e.out.IDs),
	})
	if err != nil {
		return nil, fmt.Errorf("BUG: inconsistent batch: %w", err)
	}
	e.regs = make([][]float32, len(e.p.Values))
	for i := range e.p.Ops {
		e.run(&e.p.Ops[i], b)
	}
	logits := e.regs[e.p.Ops[len(e.p.Ops)-1].Out[0]]
	e.out = e.sampler.sample(b, logits)
	return refPending{&e.out}, nil
}

// newReg allocates the value of r for this step.
func (e *refExec) newReg(r Reg, b *Batch) []float32 {
	rows := b.NumTokens()
	if e.p.Values[r].Rows == SampleRows {
		rows = len(b.SampleRows)
	}
	e.regs[r] = make([]float32, rows*e.p.Values[r].Width)
	return e.regs[r]
}

func (e *refExec) width(r Reg) int            { return e.p.Values[r].Width }
func (e *refExec) weight(w *Weight) []float32 { return e.weights[w.Name] }

// round writes a head to y with the cache's precision.
func (e *refExec) round(y, x []float32) {
	copy(y, x)
	switch e.o.KVDType {
	case BF16:
		for i := range y {
			y[i] = half.FromBF16(half.ToBF16(y[i]))
		}
	case F16:
		for i := range y {
			y[i] = half.FromF16(half.ToF16(y[i]))
		}
	case INT8:
		roundToBytes(y)
	}
}

func roundToBytes(y []float32) {
	var most float32
	for _, v := range y {
		most = max(most, v, -v)
	}
	if most < 1e-30 {
		clear(y)
		return
	}
	inverse, scale := 127/most, most/127
	for i, v := range y {
		y[i] = float32(math.RoundToEven(float64(v*inverse))) * scale
	}
}
