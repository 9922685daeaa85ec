package export

import (
	"cmp"
	"fmt"
	"slices"

	"basalt/neuron/hlo"
	"basalt/neuron/lower"
	"basalt/runtime"
)

// Settings are what an export is made with.
type Settings struct {
	Target     string         `json:"target"` // of neuronx-cc: trn3, trn2, ...
	LNC        int            `json:"lnc"`    // physical cores in a logical one, 1 or 2
	TP         int            `json:"tp"`
	Scope      lower.Scope    `json:"scope"`
	Compute    string         `json:"compute"` // f32 or bf16
	TwoParts   bool           `json:"two_parts,omitempty"`
	Weights    string         `json:"weights"` // as Compute, or f8e4m3fn
	KV         string         `json:"kv"`
	Blocks     int            `json:"kv_blocks"`
	BlockSize  int            `json:"block_size"`
	MaxContext int            `json:"max_context"`
	TopK       int            `json:"top_k"`
	Portable   bool           `json:"portable,omitempty"`
	Buckets    []lower.Bucket `json:"buckets"`
}

// Products is what matrix products multiply: f32, bf16, or bf16x2 for activations in two parts.
func (s *Settings) Products() string {
	if s.Compute == "bf16" && s.TwoParts {
		return "bf16x2"
	}
	return s.Compute
}

// Targets are the values of --target. The compiler's reference lists those up to trn2; trn3 is the
// name in AWS's nkipy and in the compiler's own messages.
func Targets() []string { return []string{"trn3", "trn2", "trn1", "trn1n", "inf2"} }

// Trainium3 is the target whose cores multiply f8e4m3fn numbers.
const Trainium3 = "trn3"

// Options checks the settings and gives them to lowering.
func (s *Settings) Options() (lower.Options, error) {
	o := lower.Options{
		Blocks: s.Blocks, BlockSize: s.BlockSize, MaxContext: s.MaxContext, TP: s.TP,
		Scope: s.Scope, TopK: s.TopK, Portable: s.Portable, TwoParts: s.TwoParts,
	}
	for _, t := range []struct {
		name string
		to   *hlo.DType
	}{{s.Compute, &o.Compute}, {s.Weights, &o.Weights}, {s.KV, &o.KV}} {
		d, err := hlo.ParseDType(t.name)
		if err != nil {
			return o, err
		}
		*t.to = d
	}
	switch {
	case !slices.Contains(Targets(), s.Target):
		return o, fmt.Errorf("unknown target %q; known are %v", s.Target, Targets())
	case s.LNC != 1 && s.LNC != 2:
		return o, fmt.Errorf("a logical core has 1 or 2 physical ones, not %d", s.LNC)
	case o.Weights == hlo.F8E4M3FN && s.Target != Trainium3:
		return o, fmt.Errorf("weights cannot be f8e4m3fn on %s: only Trainium3 has this format "+
			"(the compiler refuses it elsewhere, NCC_EVRF051); choose bf16, or --target trn3",
			s.Target)
	}
	return o, nil
}

// Lower makes the graphs.
func (s *Settings) Lower(p *runtime.Program) (*lower.Bundle, error) {
	o, err := s.Options()
	if err != nil {
		return nil, err
	}
	return lower.Program(p, o, s.Buckets)
}

// CoreMemory is the memory of one physical core of a target in bytes, a share of its chip's (AWS
// Neuron documentation, "Trainium3" and "Trainium2" architecture); 0 where it is not known.
func CoreMemory(target string) int64 {
	switch target {
	case "trn3":
		return 144 << 30 / 8
	case "trn2":
		return 96 << 30 / 8
	}
	return 0
}

// Buckets makes the buckets of an export: prefill for each number of tokens, decode for each number
// of sequences, both for each context; contexts are rounded up to whole blocks.
func Buckets(tokens, rows, seqs, contexts []int, blockSize int) []lower.Bucket {
	var list []lower.Bucket
	for _, c := range contexts {
		c = max((c+blockSize-1)/blockSize, 2) * blockSize
		for _, t := range tokens {
			if t > c && t > slices.Min(tokens) {
				continue // a sequence has no more new tokens than positions
			}
			for _, r := range rows {
				b := lower.Bucket{Kind: lower.Prefill, Tokens: max(t, 2), Context: c}
				b.Rows = min(max(r, 2), b.Tokens)
				list = append(list, b)
			}
		}
		for _, n := range seqs {
			n = max(n, 2)
			list = append(list, lower.Bucket{
				Kind: lower.Decode, Tokens: n, Rows: n, Context: c,
			})
		}
	}
	slices.SortFunc(list, func(a, b lower.Bucket) int {
		return cmp.Or(cmp.Compare(b.Kind, a.Kind), cmp.Compare(a.Context, b.Context),
			cmp.Compare(a.Tokens, b.Tokens), cmp.Compare(a.Rows, b.Rows))
	})
	return slices.Compact(list)
}
