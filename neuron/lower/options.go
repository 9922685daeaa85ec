package lower

import (
	"fmt"
	"slices"

	"basalt/neuron/hlo"
	"basalt/runtime"
)

// Scope says how a program is cut into graphs.
type Scope string

// ModelScope is one graph for a whole step; LayerScope one for each different kind of layer.
const (
	ModelScope Scope = "model"
	LayerScope Scope = "layer"
)

// Options shape all graphs of a bundle.
type Options struct {
	Compute    hlo.DType // operands of matrix products: F32 or BF16; everything else is F32
	TwoParts   bool      // BF16 products take activations as the sum of two BF16 numbers
	Weights    hlo.DType // matrices in memory: Compute, or F8E4M3FN with a scale for each column
	KV         hlo.DType // the cache: F32 or BF16
	Blocks     int       // cache blocks beside the scratch block
	BlockSize  int       // positions in a block
	MaxContext int       // positions that the rotary tables cover
	TP         int       // ranks of tensor parallelism, 1 for none
	Scope      Scope
	TopK       int  // candidates that the device selects for each row
	Portable   bool // no custom calls of the accelerator, for other back ends of XLA
	// MaxTensor is the size that no tensor reaches; larger weights are split. 0 is hlo.MaxTensor.
	MaxTensor int
}

// Kind is what a bucket's rows are.
type Kind string

// Prefill takes the new tokens of one sequence, Decode one token of each sequence.
const (
	Prefill Kind = "prefill"
	Decode  Kind = "decode"
)

// Bucket is a set of fixed sizes. A prefill bucket takes up to Tokens tokens, of which up to Rows
// are sampled; a decode bucket takes Rows tokens and sequences and samples all. Context is the
// greatest number of positions that a sequence may have after the step.
type Bucket struct {
	Kind    Kind `json:"kind"`
	Tokens  int  `json:"tokens"`
	Rows    int  `json:"rows"`
	Context int  `json:"context"`
}

// String is the bucket's name in graphs and tensors.
func (b Bucket) String() string {
	if b.Kind == Decode {
		return fmt.Sprintf("decode-s%d-c%d", b.Tokens, b.Context)
	}
	return fmt.Sprintf("prefill-t%d-r%d-c%d", b.Tokens, b.Rows, b.Context)
}

// DefaultTopK is how many candidates of each row leave the device when a row needs no more.
const DefaultTopK = 256

// Check says what is impossible about the options.
func (o *Options) Check(p *runtime.Program) error {
	float := func(what string, d hlo.DType, also ...hlo.DType) error {
		if d == hlo.F32 || d == hlo.BF16 || slices.Contains(also, d) {
			return nil
		}
		return fmt.Errorf("%s cannot be %s: choose f32 or bf16", what, d)
	}
	if err := float("matrix products", o.Compute); err != nil {
		return err
	}
	if err := float("the cache", o.KV); err != nil {
		return err
	}
	switch {
	case o.Weights != o.Compute && o.Weights != hlo.F8E4M3FN:
		return fmt.Errorf("weights of %s cannot be multiplied as %s: choose one type, or "+
			"f8e4m3fn weights", o.Weights, o.Compute)
	case o.BlockSize < 2 || o.Blocks < 1 || o.MaxContext < 2:
		return fmt.Errorf("a cache of %d blocks of %d positions for a context of %d: blocks have "+
			"at least 2 positions, and there is at least 1", o.Blocks, o.BlockSize, o.MaxContext)
	case o.Scope != ModelScope && o.Scope != LayerScope:
		return fmt.Errorf("unknown scope %q: choose model or layer", o.Scope)
	case o.TopK < 1 || o.TP < 1:
		return fmt.Errorf("%d candidates, %d ranks: both must be positive", o.TopK, o.TP)
	}
	if got := o.kvShape(p).Bytes(); got >= o.maxTensor() {
		return fmt.Errorf("the keys of a layer take %d bytes in %d blocks; a tensor must have "+
			"less than %d: give fewer blocks, or more ranks", got, o.Blocks, o.maxTensor())
	}
	return nil
}

func (o *Options) maxTensor() int {
	if o.MaxTensor == 0 {
		return hlo.MaxTensor
	}
	return o.MaxTensor
}

// check says what is impossible about a bucket. Sizes of one are refused: the compiler drops such
// axes of inputs.
func (b Bucket) check(o *Options) error {
	switch {
	case b.Kind != Prefill && b.Kind != Decode:
		return fmt.Errorf("unknown kind of bucket %q", b.Kind)
	case b.Tokens < 2 || b.Rows < 2 || b.Rows > b.Tokens || b.Kind == Decode && b.Rows != b.Tokens:
		return fmt.Errorf("bucket %s has %d tokens and %d sampled rows: at least 2 of each, and "+
			"no more rows than tokens", b, b.Tokens, b.Rows)
	case b.Context%o.BlockSize != 0 || b.Context < 2*o.BlockSize:
		return fmt.Errorf("bucket %s: its context must be a multiple of the block size %d, and at "+
			"least two blocks", b, o.BlockSize)
	case b.Context >= max(o.MaxContext, 2*o.BlockSize)+o.BlockSize:
		return fmt.Errorf("bucket %s exceeds the context of %d tokens", b, o.MaxContext)
	}
	return nil
}

// kvShape is the shape of one layer's keys, or values, on one rank.
func (o *Options) kvShape(p *runtime.Program) hlo.Shape {
	heads := max(p.KV.KVHeads/o.TP, 1)
	return hlo.Of(o.KV, o.Blocks+1, o.BlockSize, heads*p.KV.Dim)
}
