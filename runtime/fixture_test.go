package runtime

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// memCheckpoint holds float32 tensors made from a seed.
type memCheckpoint map[string]Tensor

func (c memCheckpoint) Tensor(name string) (Tensor, bool) { t, ok := c[name]; return t, ok }

func (c memCheckpoint) Names() []string {
	var names []string
	for n := range c {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func randomCheckpoint(p *Program, seed uint64) memCheckpoint {
	rng, c := rand.New(rand.NewPCG(seed, 1)), memCheckpoint{}
	for _, w := range p.Weights {
		for _, part := range w.Parts {
			t := Tensor{DType: F32, Shape: w.PartShape()}
			t.Data = make([]byte, 4*t.NumValues())
			for i := 0; i < len(t.Data); i += 4 {
				fanIn := float64(t.Shape[len(t.Shape)-1])
				v := float32(rng.NormFloat64() / math.Sqrt(fanIn))
				binary.LittleEndian.PutUint32(t.Data[i:], math.Float32bits(v+1e-3))
			}
			c[part] = t
		}
	}
	return c
}

const (
	fixVocab  = 37
	fixHidden = 24
)

var fixHeads = Heads{Query: 4, KV: 2, Dim: 6}

// fixture is a decoder of two layers with every kind of operation.
func fixture(t testing.TB) *Program {
	b := NewBuilder("fixture", fixVocab, KVSpec{Layers: 2, KVHeads: 2, Dim: 6})
	table := b.Weight("embed", fixVocab, fixHidden)
	x := b.Embed(table)
	n := b.RMSNorm(x, b.Weight("norm0", fixHidden), 1e-5)
	for l := range 2 {
		b.Layer(l)
		n, x = fixLayer(b, l, n, x)
	}
	b.Layer(-1)
	b.Logits(n, table)
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fixLayer(b *Builder, l int, n, x Reg) (normed, sum Reg) {
	name := func(s string) string { return string(rune('0'+l)) + "." + s }
	h := fixHeads
	qkv := b.LinearBias(n, []*Weight{
		b.Weight(name("q"), h.Query*h.Dim, fixHidden), b.Weight(name("k"), h.KV*h.Dim, fixHidden),
		b.Weight(name("v"), h.KV*h.Dim, fixHidden),
	}, []*Weight{b.Weight(name("qb"), h.Query*h.Dim), nil, b.Weight(name("vb"), h.KV*h.Dim)})
	qkv = b.QKNorm(qkv, b.Weight(name("qn"), h.Dim), b.Weight(name("kn"), h.Dim), h, 1e-5)
	qkv = b.RoPE(qkv, RoPEAttr{Heads: h, InvFreq: []float64{1, 0.1, 0.01}, Scale: 1})
	a := b.Attention(qkv, AttentionAttr{Heads: h, Layer: l, Scale: 0.4, Window: 5 * l})
	if l == 1 {
		a, x = b.SampleRows(a), b.SampleRows(x)
	}
	o := b.Linear(a, b.Weight(name("o"), fixHidden, h.Query*h.Dim))
	n, x = b.AddRMSNorm(o, x, b.Weight(name("norm1"), fixHidden), 1e-5)
	var m Reg
	if l == 0 {
		gu := b.Linear(n, b.Weight(name("gate"), 10, fixHidden), b.Weight(name("up"), 10,
			fixHidden))
		m = b.Linear(b.SwiGLU(gu), b.Weight(name("down"), fixHidden, 10))
	} else {
		m = b.MoE(n, b.Weight(name("router"), 3, fixHidden),
			b.Experts(name("eg"), []string{"eg0", "eg1", "eg2"}, 10, fixHidden),
			b.Experts(name("eu"), []string{"eu0", "eu1", "eu2"}, 10, fixHidden),
			b.Experts(name("ed"), []string{"ed0", "ed1", "ed2"}, fixHidden, 10),
			MoEAttr{Experts: 3, TopK: 2, Normalise: true})
	}
	return b.AddRMSNorm(m, x, b.Weight(name("norm2"), fixHidden), 1e-5)
}

var fixOptions = CompileOptions{
	KVBytes: 1 << 20, KVDType: F32, BlockSize: 4, MaxTokens: 64, MaxSeqs: 4, MaxContext: 64,
}

func compileFixture(t testing.TB, dev Device, o CompileOptions) Executable {
	p := fixture(t)
	e, err := dev.Compile(t.Context(), p, randomCheckpoint(p, 7), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// addSeq appends one sequence to a batch: ids are its new tokens after past cached ones, table its
// blocks; the last token is sampled when sample is set.
func addSeq(b *Batch, blockSize int, table, ids []int32, past int, sample bool) {
	for i, id := range ids {
		pos := past + i
		b.TokenIDs = append(b.TokenIDs, id)
		b.Positions = append(b.Positions, int32(pos))
		b.SlotMapping = append(b.SlotMapping,
			table[pos/blockSize]*int32(blockSize)+int32(pos%blockSize))
	}
	b.QueryStart = append(b.QueryStart, int32(len(b.TokenIDs)))
	b.SeqLens = append(b.SeqLens, int32(past+len(ids)))
	b.MaxBlocks = len(table)
	b.BlockTables = append(b.BlockTables, table...)
	if sample {
		b.SampleRows = append(b.SampleRows, int32(len(b.TokenIDs)-1))
		p := DefaultSampling()
		p.Temperature = 0
		b.Sampling = append(b.Sampling, p.Row(past+len(ids)))
	}
}

func newBatch() *Batch {
	b := &Batch{WantLogits: true}
	b.Reset()
	b.WantLogits = true
	return b
}

func step(t testing.TB, e Executable, b *Batch) *Output {
	t.Helper()
	p, err := e.Step(b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
