package quantize

import (
	"encoding/binary"
	"fmt"
	"math"

	"basalt/models"
	"basalt/models/gguf"
	"basalt/runtime"
)

// tensor is one tensor of the file to be written and where its values come from.
type tensor struct {
	gguf.Spec
	// parts lie one behind the other: the experts of a stack, or one tensor.
	parts []runtime.Tensor
	// pairs is the head dimension of query and key matrices whose rows are reordered, so that the
	// two numbers that rotate together lie side by side; 0 leaves the order.
	pairs int
	// search asks for the scales of least error.
	search bool
}

// planner lists the tensors of a model.
type planner struct {
	m      *models.Model
	recipe Recipe
	shape  shape
	// again allows for matrices that are stored in blocks already.
	again bool
	// misfits are matrices whose rows did not fit the recipe's format.
	misfits []string
}

func newPlanner(m *models.Model, r Recipe) *planner {
	c := m.Config
	s := shape{
		layers: c.Layers, tied: c.Tied, shared: c.Heads.Query != c.Heads.KV,
		llama: architecture(c) == "llama", pure: r.head == r.base && r.mix == noMixture,
	}
	if c.MoE != nil {
		s.experts = c.MoE.Experts
	}
	return &planner{m: m, recipe: r, shape: s}
}

// tensors lists those of a GGUF file as they are called there, or what the program of a Hugging
// Face checkpoint reads.
func (p *planner) tensors() ([]tensor, error) {
	if p.m.GGUF != nil {
		return p.fromGGUF()
	}
	var all []tensor
	if f := p.ropeFreqs(); f != nil {
		all = append(all, *f)
	}
	for _, w := range p.m.Program.Weights {
		t, err := p.fromWeight(w)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func (p *planner) fromGGUF() ([]tensor, error) {
	var all []tensor
	for _, name := range p.m.GGUF.Names() {
		x, _ := p.m.GGUF.Tensor(name)
		t := tensor{Spec: gguf.Spec{Name: name, Shape: x.Shape}, parts: []runtime.Tensor{x}}
		if err := p.setFormat(&t, x.DType); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func (p *planner) fromWeight(w *runtime.Weight) (tensor, error) {
	name, ok := ggufName(w.Name)
	if !ok {
		return tensor{}, fmt.Errorf("tensor %q has no name in GGUF", w.Name)
	}
	t := tensor{Spec: gguf.Spec{Name: name, Shape: w.Shape}}
	for _, part := range w.Parts {
		x, _ := p.m.Checkpoint.Tensor(part)
		t.parts = append(t.parts, x)
	}
	_, stem, _ := splitName(name)
	if p.shape.llama && (stem == "attn_q" || stem == "attn_k") {
		t.pairs = p.m.Config.Heads.Dim
	}
	return t, p.setFormat(&t, runtime.F32)
}

// setFormat chooses a matrix's format; other tensors get rest.
func (p *planner) setFormat(t *tensor, rest runtime.DType) error {
	t.DType = rest
	if !quantisable(t.Name, len(t.Shape)) {
		return nil
	}
	columns := t.Shape[len(t.Shape)-1]
	t.DType = p.recipe.choose(t.Name, columns, p.shape)
	t.search = p.recipe.search && t.DType == p.recipe.base
	if columns%p.recipe.base.BlockSize() != 0 {
		p.misfits = append(p.misfits, t.Name)
	}
	if from := t.parts[0].DType; !p.again && from != t.DType {
		if from.Lossy() {
			return fmt.Errorf("tensor %q is stored as %s already, and what was lost does not "+
				"come back: quantise the model's F16, BF16 or F32 files, or insist by --requantize",
				t.Name, from)
		}
	}
	return nil
}

// ropeFreqs is the tensor by which GGUF says llama3's scaling: what each frequency is divided by.
func (p *planner) ropeFreqs() *tensor {
	if p.m.Rope == nil || p.m.Rope.Type != "llama3" {
		return nil
	}
	freq := p.m.Config.RoPE.InvFreq
	data := make([]byte, 0, 4*len(freq))
	for i, f := range freq {
		plain := math.Pow(p.m.Rope.Theta, -float64(i)/float64(len(freq)))
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(plain/f)))
	}
	s := gguf.Spec{Name: "rope_freqs.weight", DType: runtime.F32, Shape: []int{len(freq)}}
	x := runtime.Tensor{DType: runtime.F32, Shape: s.Shape, Data: data}
	return &tensor{Spec: s, parts: []runtime.Tensor{x}}
}
