package runtime

// Stats are the counts that follow from a program and the formats of its weights.
type Stats struct {
	Params       int64 // numbers in all weights, a tied one once
	ActiveParams int64 // numbers that one token multiplies (of experts: those it is routed to)
	WeightBytes  int64 // size of all weights
	BytesPerStep int64 // weight bytes that a decode step of one sequence reads
	FLOPs        int64 // floating point operations for one token without attention over the cache
	FLOPsPerPos  int64 // operations for each position of context that a token attends to
}

// ProgramStats counts; the checkpoint gives the formats of the weights.
func ProgramStats(p *Program, c Checkpoint) Stats {
	var s Stats
	for _, w := range p.Weights {
		s.Params += int64(w.NumValues())
		s.WeightBytes += weightBytes(w, c)
	}
	for i := range p.Ops {
		s.addOp(&p.Ops[i], c)
	}
	return s
}

func (s *Stats) addOp(op *Op, c Checkpoint) {
	switch op.Kind {
	case OpEmbed: // reads one row
		w := op.Weights[0]
		s.BytesPerStep += weightBytes(w, c) / int64(w.Shape[0])
	case OpAttention:
		h := op.Attr.(AttentionAttr).Heads
		s.FLOPsPerPos += int64(4 * h.Query * h.Dim)
	case OpMoE:
		a := op.Attr.(MoEAttr)
		s.addMatrix(op.Weights[0], 1, 1, c)
		for _, w := range op.Weights[1:] {
			s.addMatrix(w, a.TopK, a.Experts, c)
		}
	case OpLinear, OpLogits:
		for _, w := range op.Weights {
			s.addMatrix(w, 1, 1, c)
		}
	default: // norms
		for _, w := range op.Weights {
			s.ActiveParams += int64(w.NumValues())
			s.BytesPerStep += weightBytes(w, c)
		}
	}
}

// addMatrix counts the used parts of a matrix, or used/parts of a stack of experts.
func (s *Stats) addMatrix(w *Weight, used, parts int, c Checkpoint) {
	n := int64(w.NumValues()) * int64(used) / int64(parts)
	s.ActiveParams += n
	s.FLOPs += 2 * n
	s.BytesPerStep += weightBytes(w, c) * int64(used) / int64(parts)
}

func weightBytes(w *Weight, c Checkpoint) int64 {
	var n int64
	for _, part := range w.Parts {
		if t, ok := c.Tensor(part); ok {
			n += int64(t.DataBytes())
		}
	}
	return n
}
