package export

import (
	"fmt"

	"basalt/neuron/hlo"
	"basalt/runtime"
)

// coreShare is the part of a core's memory that an export plans to use; the rest is for the
// program's code and the library's own buffers.
const coreShare = 0.9

// Fit chooses the number of cache blocks: enough for so many sequences of the whole context, as far
// as the memory of a logical core and the size of one tensor allow.
func (s *Settings) Fit(p *runtime.Program, seqs int) error {
	perSeq := (s.MaxContext + s.BlockSize - 1) / s.BlockSize
	s.Blocks = perSeq // the least that is of use
	m, _, err := Plan(p, *s)
	if err != nil {
		return err
	}
	perBlock := m.Memory.Cache / int64(s.Blocks+1)
	want := int64(max(seqs, 1)) * int64(perSeq)
	if kv := perBlock / int64(2*max(p.KV.Layers, 1)); kv > 0 {
		want = min(want, (hlo.MaxTensor-1)/kv-1)
	}
	if memory := CoreMemory(s.Target) * int64(s.LNC); memory > 0 {
		left := int64(coreShare*float64(memory)) - m.Memory.Weights - m.Memory.Other
		want = min(want, left/perBlock-1)
	}
	if want < int64(perSeq) {
		return fmt.Errorf("a logical core of %s with %d physical ones has %d MiB; weights take %d "+
			"MiB, one sequence of %d tokens %d MiB: use more cores (--tp), a shorter --ctx, or "+
			"f8e4m3fn weights", s.Target, s.LNC, CoreMemory(s.Target)*int64(s.LNC)>>20,
			m.Memory.Weights>>20, s.MaxContext, int64(perSeq)*perBlock>>20)
	}
	s.Blocks = int(want)
	return nil
}
