package models

import (
	"fmt"
	"strings"

	"basalt/runtime"
)

// splitFused gives a checkpoint whose experts are saved as transformers 5 keeps them in memory the
// names that published checkpoints have: experts.gate_up_proj [experts, 2n, k] holds each expert's
// gate and then its up matrix, experts.down_proj [experts, k, n] the other one, and the block is
// called mlp. Other checkpoints come back as they are.
func splitFused(c runtime.Checkpoint, f family) (runtime.Checkpoint, error) {
	const gateUp, down = ".mlp.experts.gate_up_proj", ".mlp.experts.down_proj"
	set, fused := tensorSet{}, false
	for _, name := range c.Names() {
		t, _ := c.Tensor(name)
		stem, isGateUp := strings.CutSuffix(name, gateUp)
		if !isGateUp {
			var isDown bool
			if stem, isDown = strings.CutSuffix(name, down); !isDown {
				set[strings.Replace(name, ".mlp.gate.", "."+f.block+"."+f.router+".", 1)] = t
				continue
			}
		}
		fused = true
		if len(t.Shape) != 3 || t.Shape[0] < 1 || isGateUp && t.Shape[1]%2 != 0 {
			return nil, fmt.Errorf("tensor %q of shape %v is no stack of experts", name, t.Shape)
		}
		expert := func(e int, matrix string) string {
			return fmt.Sprintf("%s.%s.experts.%d.%s.weight", stem, f.block, e, matrix)
		}
		if !isGateUp {
			set.cut(t, func(e int) string { return expert(e, f.downst) })
			continue
		}
		if err := halveScales(&t); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		// Gate and up follow one another, so the stack is one of twice as many half matrices.
		t.Shape = []int{2 * t.Shape[0], t.Shape[1] / 2, t.Shape[2]}
		set.cut(t, func(i int) string {
			if i%2 == 0 {
				return expert(i/2, f.gate)
			}
			return expert(i/2, f.up)
		})
	}
	if !fused {
		return c, nil
	}
	return set, nil
}

// halveScales makes the scales of a stack those of its half matrices: blocks part where the halves
// do, or there is one row of blocks, which each half gets.
func halveScales(t *runtime.Tensor) error {
	s := t.Scales
	switch {
	case s == nil || t.Shape[1]/2%s.Rows == 0:
		return nil
	case s.Rows < t.Shape[1]:
		return fmt.Errorf("scales of %d rows do not part its halves of %d", s.Rows, t.Shape[1]/2)
	}
	twice := *s
	twice.Data = nil
	for e := range t.Shape[0] {
		each := piece(s.Data, e, t.Shape[0])
		twice.Data = append(append(twice.Data, each...), each...)
	}
	t.Scales = &twice
	return nil
}
