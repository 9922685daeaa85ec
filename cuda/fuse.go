//go:build cuda

package cuda

import (
	"fmt"

	"basalt/runtime"
)

// node is an operation, with the QKNorm and RoPE that were joined to an attention.
type node struct {
	op     runtime.Op
	qkNorm *runtime.Op
	rope   *runtime.Op
}

// fuse joins QKNorm and RoPE with the attention after them; they do not stand elsewhere.
func fuse(p *runtime.Program) ([]node, *runtime.Program, error) {
	var nodes []node
	var n node
	for i := range p.Ops {
		op := &p.Ops[i]
		joined := n.qkNorm != nil || n.rope != nil
		if joined && (op.Kind == runtime.OpQKNorm || op.Kind == runtime.OpRoPE ||
			op.Kind == runtime.OpAttention) && op.In[0] != p.Ops[i-1].Out[0] {
			return nil, nil, fmt.Errorf("operation %d (%s) does not read the one before", i,
				op.Kind)
		}
		switch op.Kind {
		case runtime.OpQKNorm:
			n.qkNorm = op
			continue
		case runtime.OpRoPE:
			n.rope = op
			continue
		}
		if joined && op.Kind != runtime.OpAttention {
			return nil, nil, fmt.Errorf("operation %d (%s) stands between positions and attention",
				i, op.Kind)
		}
		n.op = *op
		if joined {
			n.op.In = firstOf(n.qkNorm, n.rope).In
		}
		nodes = append(nodes, n)
		n = node{}
	}
	fused := *p
	fused.Ops = make([]runtime.Op, len(nodes))
	for i := range nodes {
		fused.Ops[i] = nodes[i].op
	}
	return nodes, &fused, nil
}

func firstOf(a, b *runtime.Op) *runtime.Op {
	if a != nil {
		return a
	}
	return b
}
