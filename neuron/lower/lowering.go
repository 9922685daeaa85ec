package lower

import (
	"fmt"

	"basalt/neuron/hlo"
	"basalt/runtime"
)

// value is a register on one rank: a whole array, or query, key and value heads apart.
type value struct {
	array *hlo.Instruction
	heads [3]*hlo.Instruction // each [T, heads, dim]
	given bool                // it came in from another graph
}

// output is a result of a graph: its port, and the tensor that holds it.
type output struct {
	port   string
	tensor Tensor
	value  *hlo.Instruction
	alias  *hlo.Instruction
}

// lowering records one graph.
type lowering struct {
	r      *routine
	o      *Options
	b      *hlo.Builder
	layer  int // of the operation at hand
	tokens int
	rows   int
	regs   map[runtime.Reg]value
	params map[string]*hlo.Instruction // by tensor name
	inputs []Tensor
	outs   []output
	shared map[string]*hlo.Instruction // masks and the like that all layers use
	states int                         // inputs from other graphs
}

func newLowering(r *routine, s segment) *lowering {
	return &lowering{
		r: r, o: &r.out.Options, b: hlo.NewBuilder("basalt"), tokens: r.bucket.Tokens,
		rows: r.bucket.Rows, regs: make(map[runtime.Reg]value),
		params: make(map[string]*hlo.Instruction), shared: make(map[string]*hlo.Instruction),
	}
}

// input gives the parameter behind a tensor, declared at its first use.
func (l *lowering) input(t Tensor) *hlo.Instruction {
	if in, ok := l.params[t.Name]; ok {
		return in
	}
	name := t.Name
	switch {
	case t.Role == State:
		name = fmt.Sprintf("in%d", l.states)
		l.states++
	case l.o.Scope == LayerScope:
		name = local(name, l.layer)
	}
	if t.Role == Control {
		name = controlPort(name, l.r.bucket)
	}
	if t.Role == Cache {
		name += hlo.MustAlias
	}
	l.params[t.Name] = l.b.Param(name, t.Shape)
	l.inputs = append(l.inputs, t)
	return l.params[t.Name]
}

// control is an s32 input that the host writes in every run.
func (l *lowering) control(name string, dims ...int) *hlo.Instruction {
	return l.input(Tensor{
		Name: ControlName(name, l.r.bucket), Shape: hlo.Of(hlo.S32, dims...), Role: Control,
	})
}

// ControlName is the tensor of a control of a bucket: "ids", "positions", "slots", "tables" or
// "rows".
func ControlName(control string, b Bucket) string { return control + "." + b.String() }

// ResultName is the tensor of a result of a bucket: "logits", "top_values", "top_ids" or "lse".
func ResultName(result string, b Bucket) string { return result + "." + b.String() }

func controlPort(name string, b Bucket) string {
	return name[:len(name)-len(b.String())-1]
}

// get gives a register, from another graph if need be.
func (l *lowering) get(r runtime.Reg) value {
	if v, ok := l.regs[r]; ok {
		return v
	}
	t, ok := l.r.held[r]
	if !ok {
		panic(fmt.Sprintf("BUG: register %d has no value", r))
	}
	v := value{array: l.input(t), given: true}
	l.regs[r] = v
	return v
}

// array gives a register as [rows, width].
func (l *lowering) array(r runtime.Reg) *hlo.Instruction {
	v := l.get(r)
	if v.array == nil {
		v.array = l.full(v)
		l.regs[r] = v
	}
	return v.array
}

// full joins heads to rows.
func (l *lowering) full(v value) *hlo.Instruction {
	if v.array != nil {
		return v.array
	}
	var flat []*hlo.Instruction
	for _, h := range v.heads {
		d := h.Shape.Dims
		flat = append(flat, l.b.Reshape(h, d[0], d[1]*d[2]))
	}
	return l.b.Concat(1, flat...)
}

// heads gives a register as query, key and value heads.
func (l *lowering) heads(r runtime.Reg, h runtime.Heads) [3]*hlo.Instruction {
	v := l.get(r)
	if v.heads[0] != nil {
		return v.heads
	}
	h = l.r.place.local(h)
	at := 0
	for i, n := range []int{h.Query, h.KV, h.KV} {
		x := l.b.Slice(v.array, 1, at, at+n*h.Dim)
		v.heads[i] = l.b.Reshape(x, l.tokens, n, h.Dim)
		at += n * h.Dim
	}
	l.regs[r] = v
	return v.heads
}

func (l *lowering) set(r runtime.Reg, x *hlo.Instruction) { l.regs[r] = value{array: x} }

// op lowers one operation.
func (l *lowering) op(op *runtime.Op) {
	l.layer = op.Layer
	switch op.Kind {
	case runtime.OpEmbed:
		l.embed(op)
	case runtime.OpRMSNorm:
		x := l.array(op.In[0])
		l.set(op.Out[0], l.norm(x, op.Weights[0], op.Attr.(runtime.NormAttr).Eps))
	case runtime.OpAddRMSNorm:
		sum := l.b.Add(l.array(op.In[0]), l.array(op.In[1]))
		l.set(op.Out[1], sum)
		l.set(op.Out[0], l.norm(sum, op.Weights[0], op.Attr.(runtime.NormAttr).Eps))
	case runtime.OpLinear:
		l.linear(op)
	case runtime.OpQKNorm:
		l.qkNorm(op)
	case runtime.OpRoPE:
		l.rope(op)
	case runtime.OpAttention:
		l.attention(op)
	case runtime.OpSwiGLU:
		l.set(op.Out[0], l.swiGLU(l.array(op.In[0])))
	case runtime.OpMoE:
		l.moe(op)
	case runtime.OpSampleRows:
		l.sampleRows(op)
	case runtime.OpLogits:
		l.logits(op)
	default:
		panic(fmt.Sprintf("BUG: no graph has %s", op.Kind))
	}
}
