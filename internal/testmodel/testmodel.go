package testmodel

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"basalt/internal/half"
	"basalt/models"
	"basalt/runtime"
)

// Families that New knows.
func Families() []string {
	return []string{"llama", "mistral", "qwen2", "qwen3", "mixtral", "qwen3_moe"}
}

// New gives a program of two layers and weights in the given format, of size "odd".
func New(family string, seed uint64, dtype runtime.DType) (*runtime.Program, runtime.Checkpoint,
	error,
) {
	return NewSize(family, "odd", seed, dtype)
}

// Sizes that NewSize knows: "odd" has widths that no vector divides, "narrow" heads of 8 numbers
// and one key-value head, "wide" heads of 128, "many" as many key-value heads as query heads.
func Sizes() []string { return []string{"odd", "narrow", "wide", "many"} }

// NewSize is New for one of Sizes. Block formats get the next widths that are multiples of 256.
func NewSize(family, size string, seed uint64, dtype runtime.DType) (*runtime.Program,
	runtime.Checkpoint, error,
) {
	c, err := config(family, size, dtype)
	if err != nil {
		return nil, nil, err
	}
	p, err := models.Program("test-"+family, c)
	if err != nil {
		return nil, nil, err
	}
	return p, Weights(p, seed, dtype), nil
}

// shape sets the widths.
func shape(c *models.Config, size string, blocks bool) error {
	set := func(hidden, ffn, vocab int, heads runtime.Heads) {
		c.Hidden, c.FFN, c.Vocab, c.Heads = hidden, ffn, vocab, heads
	}
	switch {
	case size == "odd" && blocks:
		set(256, 512, 211, runtime.Heads{Query: 4, KV: 2, Dim: 64})
	case size == "odd":
		set(72, 92, 211, runtime.Heads{Query: 6, KV: 2, Dim: 24})
	case size == "narrow" && blocks:
		set(256, 256, 77, runtime.Heads{Query: 32, KV: 1, Dim: 8})
	case size == "narrow":
		set(40, 172, 77, runtime.Heads{Query: 5, KV: 1, Dim: 8})
	case size == "wide" && blocks:
		set(256, 512, 301, runtime.Heads{Query: 4, KV: 1, Dim: 128})
	case size == "wide":
		set(96, 172, 301, runtime.Heads{Query: 4, KV: 1, Dim: 128})
	case size == "many" && blocks:
		set(512, 256, 130, runtime.Heads{Query: 8, KV: 8, Dim: 64})
	case size == "many":
		set(128, 340, 130, runtime.Heads{Query: 8, KV: 8, Dim: 64})
	default:
		return fmt.Errorf("no test model has the size %q; known are %v", size, Sizes())
	}
	return nil
}

func config(family, size string, dtype runtime.DType) (models.Config, error) {
	_, blocks := dtype.Quant()
	c := models.Config{
		Family: family, Layers: 2, Eps: 1e-5, MaxContext: 512, Windows: []int{0, 0},
		Tied: family == "llama",
	}
	if err := shape(&c, size, blocks); err != nil {
		return c, err
	}
	c.RoPE = runtime.RoPEAttr{Heads: c.Heads, Scale: 1, Interleaved: family == "llama"}
	for i := range c.Heads.Dim / 2 {
		c.RoPE.InvFreq = append(c.RoPE.InvFreq, math.Pow(10000, -2*float64(i)/float64(c.Heads.Dim)))
	}
	switch family {
	case "mistral":
		c.Windows = []int{17, 17}
	case "qwen2":
		c.QKVBias = true
	case "mixtral":
		c.MoE = &models.MoE{Experts: 4, TopK: 2, FFN: c.FFN, Normalise: true}
	case "qwen3_moe":
		c.MoE = &models.MoE{Experts: 5, TopK: 3, FFN: c.FFN, Dense: []bool{true, false}}
	}
	return c, nil
}

// checkpoint is a set of tensors in memory.
type checkpoint map[string]runtime.Tensor

// Tensor implements runtime.Checkpoint.
func (c checkpoint) Tensor(name string) (runtime.Tensor, bool) {
	t, ok := c[name]
	return t, ok
}

// Names implements runtime.Checkpoint.
func (c checkpoint) Names() []string { return slices.Sorted(maps.Keys(c)) }

// Weights draws all weights of a program from a seed. Matrices have the format, with a spread that
// keeps activations near one; vectors are F32.
func Weights(p *runtime.Program, seed uint64, dtype runtime.DType) runtime.Checkpoint {
	c := checkpoint{}
	rng := rand.New(rand.NewPCG(seed, 77))
	for _, w := range p.Weights {
		for _, part := range w.Parts {
			c[part] = draw(rng, w.PartShape(), dtype)
		}
	}
	return c
}

func draw(rng *rand.Rand, shape []int, dtype runtime.DType) runtime.Tensor {
	if len(shape) == 1 {
		t := runtime.Tensor{DType: runtime.F32, Shape: shape, Data: make([]byte, 4*shape[0])}
		for i := range shape[0] {
			putF32(t.Data, i, 1+0.2*rng.NormFloat64())
		}
		return t
	}
	n := shape[0] * shape[1]
	t := runtime.Tensor{DType: dtype, Shape: shape, Data: make([]byte, dtype.RowBytes(n))}
	spread := 1.5 / math.Sqrt(float64(shape[1]))
	switch dtype {
	case runtime.F32:
		for i := range n {
			putF32(t.Data, i, spread*rng.NormFloat64())
		}
	case runtime.BF16:
		for i := range n {
			put16(t.Data[2*i:], half.ToBF16(float32(spread*rng.NormFloat64())))
		}
	case runtime.F16:
		for i := range n {
			put16(t.Data[2*i:], half.ToF16(float32(spread*rng.NormFloat64())))
		}
	default:
		drawBlocks(rng, t, spread)
	}
	return t
}

func putF32(data []byte, i int, v float64) {
	binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(v)))
}

func put16(data []byte, v uint16) { binary.LittleEndian.PutUint16(data, v) }

// drawBlocks fills blocks with random integers and scales that give the wanted spread.
func drawBlocks(rng *rand.Rand, t runtime.Tensor, spread float64) {
	for i := range t.Data {
		t.Data[i] = byte(rng.Uint32())
	}
	size := t.DType.BlockBytes()
	for at := 0; at < len(t.Data); at += size {
		block := t.Data[at : at+size]
		scale := spread * (0.5 + rng.Float64())
		f16 := func(x float64) uint16 { return half.ToF16(float32(x)) }
		switch t.DType {
		case runtime.Q8_0:
			put16(block, f16(scale/74))
		case runtime.Q4_0:
			put16(block, f16(scale/4.6))
		case runtime.Q4_K: // values scale * 0..63 * 0..15, less the minimum
			put16(block, f16(scale/150))
			put16(block[2:], f16(scale/20))
		case runtime.Q5_K:
			put16(block, f16(scale/300))
			put16(block[2:], f16(scale/20))
		case runtime.Q6_K:
			put16(block[208:], f16(scale/1300))
		case runtime.MXFP4:
			block[0] = byte(127 + int(math.Floor(math.Log2(scale/2))))
		default:
			panic(fmt.Sprintf("BUG: no random %s", t.DType))
		}
	}
}
