package cpu

import "basalt/runtime"

// node is an operation of the fused program, with what was fused into it.
type node struct {
	op     runtime.Op
	gated  bool        // OpLinear of gate and up that also does the OpSwiGLU after it
	qkNorm *runtime.Op // before an OpRoPE or OpAttention
	rope   *runtime.Op // before an OpAttention
}

// fuse joins operations whose value in between nobody else reads: a gate and up projection with
// SwiGLU, and QKNorm and RoPE with the attention after them. The values between are gone from the
// program, so its buffer plan holds for the fused operations.
func fuse(p *runtime.Program) ([]node, *runtime.Program) {
	uses := make([]int, len(p.Values))
	for i := range p.Ops {
		for _, r := range p.Ops[i].In {
			uses[r]++
		}
	}
	var nodes []node
	for i := 0; i < len(p.Ops); i++ {
		n, taken := join(p.Ops[i:], uses)
		nodes = append(nodes, n)
		i += taken - 1
	}
	fused := *p
	fused.Ops = make([]runtime.Op, len(nodes))
	for i := range nodes {
		fused.Ops[i] = nodes[i].op
	}
	return nodes, &fused
}

// join makes a node of the first operations and says how many it took.
func join(ops []runtime.Op, uses []int) (node, int) {
	n := node{op: ops[0]}
	follows := func(i int, kind runtime.OpKind) bool {
		return i < len(ops) && ops[i].Kind == kind && ops[i].In[0] == ops[i-1].Out[0] &&
			uses[ops[i].In[0]] == 1
	}
	switch ops[0].Kind {
	case runtime.OpLinear:
		if follows(1, runtime.OpSwiGLU) && gateAndUp(&ops[0]) {
			n.gated, n.op.Out = true, ops[1].Out
			return n, 2
		}
	case runtime.OpQKNorm, runtime.OpRoPE:
		taken := 1
		if ops[0].Kind == runtime.OpQKNorm && follows(1, runtime.OpRoPE) {
			taken = 2
		}
		if !follows(taken, runtime.OpAttention) {
			return n, 1
		}
		n.op = ops[taken]
		n.op.In = ops[0].In
		for i := range taken {
			if ops[i].Kind == runtime.OpQKNorm {
				n.qkNorm = &ops[i]
			} else {
				n.rope = &ops[i]
			}
		}
		return n, taken + 1
	}
	return n, 1
}

// gateAndUp says whether a projection has two halves that SwiGLU can join tile by tile.
func gateAndUp(op *runtime.Op) bool {
	return len(op.Weights) == 2 && op.Weights[0].Shape[0] == op.Weights[1].Shape[0]
}
