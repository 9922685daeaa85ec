package cpu

/*
#include "exec.h"
*/
import "C"

import "basalt/runtime"

// moe loads the experts and lays out the rows of their products: each row has TopK places.
func (k *compiler) moe(n *node, o *C.op) error {
	a, gate := n.op.Attr.(runtime.MoEAttr), n.op.Weights[1]
	o.kind = C.DO_MOE
	m := &array[C.moe](k.mem, 1)[0]
	o.moe = m
	m.experts, m.top_k = C.int32_t(a.Experts), C.int32_t(a.TopK)
	if a.Normalise {
		m.normalise = 1
	}
	if err := k.experts(n, m); err != nil {
		return err
	}
	rows := k.opt.MaxTokens
	ints := func(n int) *C.int32_t { return first(array[C.int32_t](k.mem, n)) }
	m.scores = first(array[C.float](k.mem, rows*a.Experts))
	m.pick, m.row, m.place = ints(rows*a.TopK), ints(rows*a.TopK), ints(rows*a.TopK)
	m.weight = first(array[C.float](k.mem, rows*a.TopK))
	m.start, m.gate_task, m.down_task = ints(a.Experts+1), ints(a.Experts+1), ints(a.Experts+1)
	hidden, outer := gate.Shape[1], gate.Shape[2]
	m.inner = k.newValue(runtime.Value{Width: hidden}, rows*a.TopK,
		k.matrixForms(n.op.Weights[3], false))
	m.outer = k.newValue(runtime.Value{Width: outer}, rows*a.TopK, formF32)
	return nil
}

func (k *compiler) experts(n *node, m *C.moe) error {
	if err := k.projection(&m.router, n.op.Weights[0].Name, nil, 0, true); err != nil {
		return err
	}
	gate, up, down := n.op.Weights[1].Parts, n.op.Weights[2].Parts, n.op.Weights[3].Parts
	gateUp := array[C.projection](k.mem, 2*len(gate))
	downs := array[C.projection](k.mem, len(down))
	m.gate_up, m.down = first(gateUp), first(downs)
	for i := range gate {
		if err := k.projection(&gateUp[2*i], gate[i], nil, 0, false); err != nil {
			return err
		}
		if err := k.projection(&gateUp[2*i+1], up[i], nil, 0, false); err != nil {
			return err
		}
		if err := k.projection(&downs[i], down[i], nil, 0, false); err != nil {
			return err
		}
	}
	return nil
}
