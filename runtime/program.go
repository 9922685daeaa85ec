package runtime

import "math"

// OpKind names one kind of operation. Every kind has a reference implementation.
type OpKind uint8

// The kinds. In and Out are given as [rows, width]; D is the head dimension, H and G the numbers of
// query and key-value heads.
const (
	// OpEmbed looks up token ids: -> [T, hidden]. Weights: table [vocab, hidden].
	OpEmbed OpKind = iota
	// OpRMSNorm: [R, n] -> [R, n], x / sqrt(mean(x^2) + eps) * w. Weights: w [n]. Attr: NormAttr.
	OpRMSNorm
	// OpAddRMSNorm: (x, residual) -> (norm(x + residual), x + residual). Weights: w. Attr:
	// NormAttr.
	OpAddRMSNorm
	// OpLinear: [R, k] -> [R, n], y = x W^T + b. Several weights are one projection whose outputs
	// lie side by side. Weights: [n_i, k] each; Biases: nil, or per weight [n_i] or nil.
	OpLinear
	// OpQKNorm normalises each query and key head of [T, (H+2G) D] on its own, leaving values as
	// they are. Weights: q [D], k [D]. Attr: QKNormAttr.
	OpQKNorm
	// OpRoPE rotates the query and key heads of [T, (H+2G) D] by their positions. Attr: RoPEAttr.
	OpRoPE
	// OpAttention writes the keys and values of [T, (H+2G) D] to the paged cache, then attends over
	// each sequence's cache causally: -> [T, H D]. Attr: AttentionAttr.
	OpAttention
	// OpSwiGLU: [R, 2n] -> [R, n], silu(x[:n]) * x[n:].
	OpSwiGLU
	// OpMoE routes each row to its best experts: [R, k] -> [R, k]. Weights: router [E, k], gate and
	// up [E, n, k], down [E, k, n]. Attr: MoEAttr.
	OpMoE
	// OpSampleRows gathers the rows that will be sampled: [T, n] -> [S, n].
	OpSampleRows
	// OpLogits: [S, hidden] -> logits [S, vocab], the input of sampling. Weights: head [vocab,
	// hidden].
	OpLogits
)

// Reg is a value of the program, assigned by exactly one operation.
type Reg int32

// RowKind says how many rows a value has.
type RowKind uint8

// The row counts: one row for each token of the step, or one for each sample row.
const (
	TokenRows RowKind = iota
	SampleRows
)

// Value describes a Reg: its rows and its width in numbers.
type Value struct {
	Rows  RowKind
	Width int
}

// Weight is a tensor that the program reads. A stack of experts has three axes and one part for
// each expert; every other weight has one part, its own name.
type Weight struct {
	Name  string
	Shape []int
	Parts []string
}

// PartShape is the shape of each part: Shape itself, or without the expert axis.
func (w *Weight) PartShape() []int {
	if len(w.Shape) == 3 {
		return w.Shape[1:]
	}
	return w.Shape
}

// NumValues is the product of the shape.
func (w *Weight) NumValues() int {
	n := 1
	for _, d := range w.Shape {
		n *= d
	}
	return n
}

// Op is one operation. Layer is its decoder layer, -1 outside.
type Op struct {
	Kind    OpKind
	Layer   int
	In, Out []Reg
	Weights []*Weight
	Biases  []*Weight
	Attr    any
}

// NormAttr belongs to OpRMSNorm and OpAddRMSNorm.
type NormAttr struct{ Eps float32 }

// Heads is the layout of a fused query-key-value row: H query heads, then G key heads, then G value
// heads, each of D numbers.
type Heads struct{ Query, KV, Dim int }

// Width is the width of the fused row.
func (h Heads) Width() int { return (h.Query + 2*h.KV) * h.Dim }

// QKNormAttr belongs to OpQKNorm.
type QKNormAttr struct {
	Heads Heads
	Eps   float32
}

// RoPEAttr belongs to OpRoPE. The first 2*len(InvFreq) numbers of a head are rotated in pairs by
// the angle position * InvFreq[i]; sine and cosine are multiplied by Scale (1, or YaRN's attention
// factor). Interleaved pairs lie at (2i, 2i+1), as in GGUF's llama files; the others at (i,
// i+len(InvFreq)), as in Hugging Face checkpoints. (Su et al., RoFormer, arXiv:2104.09864.)
type RoPEAttr struct {
	Heads       Heads
	InvFreq     []float64
	Scale       float32
	Interleaved bool
	// NTK, when set, changes the frequencies of late positions.
	NTK *DynamicNTK
}

// DynamicNTK is dynamic NTK scaling: a position p at or beyond MaxPosition turns by frequencies of
// the base that a context of p+1 tokens asks for, Base * (Factor*(p+1)/MaxPosition -
// (Factor-1))^(d/(d-2)) with d = 2*len(InvFreq). Each position keeps the frequencies it was
// computed with, so the cache stays valid as the sequence grows.
type DynamicNTK struct {
	Base, Factor float64
	MaxPosition  int
}

// FrequenciesAt gives the inverse frequencies of a position, in dst when they change with it.
func (a *RoPEAttr) FrequenciesAt(pos int, dst []float64) []float64 {
	if a.NTK == nil || pos < a.NTK.MaxPosition {
		return a.InvFreq
	}
	d := float64(2 * len(a.InvFreq))
	stretch := a.NTK.Factor*float64(pos+1)/float64(a.NTK.MaxPosition) - (a.NTK.Factor - 1)
	base := a.NTK.Base * math.Pow(stretch, d/(d-2))
	dst = dst[:len(a.InvFreq)]
	for i := range dst {
		dst[i] = math.Pow(base, -2*float64(i)/d)
	}
	return dst
}

// AttentionAttr belongs to OpAttention. Layer is the index of the layer's cache. A position attends
// to itself and the Window-1 positions before it; Window 0 is unlimited.
type AttentionAttr struct {
	Heads  Heads
	Layer  int
	Scale  float32
	Window int
}

// MoEAttr belongs to OpMoE. The router's softmax runs over all experts; the TopK best are kept (the
// lower index wins a tie), their weights divided by their sum when Normalise is set.
type MoEAttr struct {
	Experts, TopK int
	Normalise     bool
}

// KVSpec is what one position keeps in the cache: for each layer a key and a value of KVHeads x
// Dim.
type KVSpec struct{ Layers, KVHeads, Dim int }

// BytesPerToken is the cache's size for one position in the given format.
func (k KVSpec) BytesPerToken(d DType) int {
	return 2 * k.Layers * k.KVHeads * d.CacheBytes(k.Dim)
}

// Program is a recorded forward pass. It is immutable once built.
type Program struct {
	Name    string
	Layers  int
	Vocab   int
	KV      KVSpec
	Values  []Value
	Ops     []Op
	Weights []*Weight
}
