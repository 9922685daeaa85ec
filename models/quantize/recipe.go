package quantize

import (
	"fmt"
	"slices"
	"strings"

	"basalt/runtime"
)

// Recipe says in which format each tensor of a model is stored. Matrices get the base format;
// norms, biases and routers stay F32. What else differs follows llama.cpp's quantiser
// (src/llama-quant.cpp), so that a file of the same type has the same formats, with one exception:
// rows that no block of 256 divides are stored as Q8_0, for which llama.cpp takes Q5_0 or Q5_1.
//
//   - the head, or the table of a model whose head is its table, is Q6_K in 4- and 5-bit recipes;
//   - recipes ending in _m give the value and down projections of some layers Q6_K, q4_k_s gives
//     those of the first layers Q5_K;
//   - mixtures of 8 experts keep keys and values in Q8_0;
//   - rows that no block of 32 divides stay F16.
type Recipe struct {
	// Name is the recipe's name, such as "q4_k_m".
	Name string

	base, head runtime.DType
	mix        mixture
	search     bool   // blocks of Q4_0 get the scale of least error
	fileType   uint32 // general.file_type of GGUF
}

// mixture says which layers get more bits.
type mixture uint8

const (
	noMixture mixture = iota
	smallMixture
	mediumMixture
)

// recipes lists all of them.
func recipes() []Recipe {
	const f32, f16, bf16 = runtime.F32, runtime.F16, runtime.BF16
	return []Recipe{
		{"f32", f32, f32, noMixture, false, 0},
		{"f16", f16, f16, noMixture, false, 1},
		{"bf16", bf16, bf16, noMixture, false, 32},
		{"q8_0", runtime.Q8_0, runtime.Q8_0, noMixture, false, 7},
		{"q6_k", runtime.Q6_K, runtime.Q6_K, noMixture, false, 18},
		{"q5_k_m", runtime.Q5_K, runtime.Q6_K, mediumMixture, false, 17},
		{"q5_k_s", runtime.Q5_K, runtime.Q6_K, noMixture, false, 16},
		{"q4_k_m", runtime.Q4_K, runtime.Q6_K, mediumMixture, false, 15},
		{"q4_k_s", runtime.Q4_K, runtime.Q6_K, smallMixture, false, 14},
		{"q4_0_search", runtime.Q4_0, runtime.Q6_K, noMixture, true, 2},
		{"q4_0", runtime.Q4_0, runtime.Q6_K, noMixture, false, 2},
	}
}

// Names lists the recipes.
func Names() []string {
	var names []string
	for _, r := range recipes() {
		names = append(names, r.Name)
	}
	return names
}

// ParseRecipe finds a recipe by its name, in any case; q4_k and q5_k are q4_k_m and q5_k_m.
func ParseRecipe(name string) (Recipe, error) {
	want := strings.ToLower(name)
	if want == "q4_k" || want == "q5_k" {
		want += "_m"
	}
	all := recipes()
	i := slices.IndexFunc(all, func(r Recipe) bool { return r.Name == want })
	if i < 0 {
		return Recipe{}, fmt.Errorf("unknown type %q; known are %s", name,
			strings.Join(Names(), ", "))
	}
	return all[i], nil
}

// Pure gives every matrix the base format, the head and all layers too.
func (r Recipe) Pure() Recipe {
	r.head, r.mix = r.base, noMixture
	return r
}

// shape is what the choice depends on beside the tensor.
type shape struct {
	layers, experts int
	tied            bool // the head is the embedding table
	shared          bool // several query heads share a key-value head
	llama           bool // GGUF's architecture is llama
	pure            bool
}

// quantisable says whether a tensor of a GGUF file is one of the matrices that a recipe is about.
func quantisable(name string, axes int) bool {
	return axes >= 2 && strings.HasSuffix(name, ".weight") &&
		!strings.HasSuffix(name, "_norm.weight") && !strings.HasSuffix(name, "ffn_gate_inp.weight")
}

// choose gives the format of a matrix by its name in a GGUF file and the length of its rows.
func (r Recipe) choose(name string, columns int, s shape) runtime.DType {
	if _, block := r.base.Quant(); !block {
		return r.base
	}
	d := r.base
	layer, stem, _ := splitName(name)
	switch {
	case name == "output.weight" || name == "token_embd.weight" && s.tied:
		if d = r.head; columns%r.base.BlockSize() != 0 {
			d = runtime.Q8_0
		}
	case s.pure:
	case stem == "attn_v":
		d = r.value(layer, s)
	case stem == "attn_k" && s.experts == 8:
		d = runtime.Q8_0
	case stem == "attn_output" && s.experts == 8 && r.base == runtime.Q4_K:
		d = runtime.Q5_K
	case stem == "ffn_down" || stem == "ffn_down_exps":
		d = r.down(layer, s)
	}
	return fit(d, columns)
}

func (r Recipe) value(layer int, s shape) runtime.DType {
	d := r.base
	switch {
	case s.experts == 8:
		return runtime.Q8_0
	case r.mix == mediumMixture && moreBits(layer, s.layers):
		return runtime.Q6_K
	case r.mix == smallMixture && layer < 4:
		d = runtime.Q5_K
	}
	if s.llama && s.layers == 80 && s.shared && d == runtime.Q4_K {
		return runtime.Q5_K // of Llama 70B, whose value matrices are small
	}
	return d
}

func (r Recipe) down(layer int, s shape) runtime.DType {
	switch {
	case r.mix == mediumMixture && moreBits(layer, s.layers):
		return runtime.Q6_K
	case r.mix == smallMixture && layer < s.layers/8:
		return runtime.Q5_K
	}
	return r.base
}

// moreBits picks the first and the last eighth of the layers and every third between.
func moreBits(layer, layers int) bool {
	eighth := layers / 8
	return layer < eighth || layer >= 7*layers/8 || (layer-eighth)%3 == 2
}

// fit replaces a format whose blocks do not divide the rows.
func fit(d runtime.DType, columns int) runtime.DType {
	switch {
	case columns%d.BlockSize() == 0:
		return d
	case columns%runtime.Q8_0.BlockSize() == 0:
		return runtime.Q8_0
	}
	return runtime.F16
}
