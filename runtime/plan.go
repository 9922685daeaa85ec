package runtime

// Plan is a buffer assignment: values whose lives do not overlap share a buffer. Buffers hold token
// rows or sample rows, never both.
type Plan struct {
	Buffer  []int   // for each Reg its buffer
	Buffers []Value // for each buffer its rows and the greatest width it must hold
}

// PlanBuffers walks the program once. An operation's outputs never share a buffer with its inputs,
// except for OpQKNorm and OpRoPE, which may work in place when their input dies there.
func PlanBuffers(p *Program) Plan {
	last := lastUses(p)
	plan := Plan{Buffer: make([]int, len(p.Values))}
	var free []int
	for i, op := range p.Ops {
		inPlace := op.Kind == OpQKNorm || op.Kind == OpRoPE
		for j, r := range op.Out {
			if inPlace && last[op.In[j]] == i {
				plan.Buffer[r] = plan.Buffer[op.In[j]]
				continue
			}
			free = plan.take(p.Values[r], r, free)
		}
		for _, r := range op.In {
			if last[r] == i && !(inPlace && plan.Buffer[op.Out[0]] == plan.Buffer[r]) {
				free = append(free, plan.Buffer[r])
				last[r] = -1 // an operation may read a register twice; free it once
			}
		}
		for _, r := range op.Out {
			if last[r] < 0 && op.Kind != OpLogits {
				free = append(free, plan.Buffer[r])
			}
		}
	}
	return plan
}

// lastUses gives for each register the index of the last operation that reads it, -1 for none.
func lastUses(p *Program) []int {
	last := make([]int, len(p.Values))
	for i := range last {
		last[i] = -1
	}
	for i, op := range p.Ops {
		for _, r := range op.In {
			last[r] = i
		}
	}
	return last
}

// take gives r a free buffer of its row kind, the one whose width fits best, or a new one.
func (plan *Plan) take(v Value, r Reg, free []int) []int {
	best := -1
	for i, buf := range free {
		if plan.Buffers[buf].Rows != v.Rows {
			continue
		}
		if best < 0 || plan.waste(buf, v) < plan.waste(free[best], v) {
			best = i
		}
	}
	if best < 0 {
		plan.Buffer[r] = len(plan.Buffers)
		plan.Buffers = append(plan.Buffers, v)
		return free
	}
	buf := free[best]
	plan.Buffer[r] = buf
	plan.Buffers[buf].Width = max(plan.Buffers[buf].Width, v.Width)
	return append(free[:best], free[best+1:]...)
}

// waste is how far a buffer's width is from the value's, in either direction.
func (plan *Plan) waste(buf int, v Value) int {
	return max(plan.Buffers[buf].Width-v.Width, v.Width-plan.Buffers[buf].Width)
}
