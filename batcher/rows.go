package batcher

import (
	"slices"

	"basalt/runtime"
)

// append adds the next n tokens of q to the batch, and a sample row when they are its last.
func (s *Scheduler) append(b *runtime.Batch, st *step, q *Sequence, n int) {
	size := s.cfg.BlockSize
	for pos := q.done; pos < q.done+n; pos++ {
		id := -1 - q.row // sampled by the step in flight
		if pos < len(q.tokens) {
			id = q.tokens[pos]
		}
		b.TokenIDs = append(b.TokenIDs, id)
		b.Positions = append(b.Positions, int32(pos))
		b.SlotMapping = append(b.SlotMapping, q.table[pos/size]*int32(size)+int32(pos%size))
	}
	q.done += n
	q.uses++
	b.QueryStart = append(b.QueryStart, int32(len(b.TokenIDs)))
	b.SeqLens = append(b.SeqLens, int32(q.done))
	p := part{seq: q, tokens: n, sampled: q.done == q.length()}
	if p.sampled {
		p.counted = sample(b, q)
	}
	st.parts = append(st.parts, p)
}

// sample adds a row that draws the token behind the batch's last one, and says whether penalty
// counts are replayed for it.
func sample(b *runtime.Batch, q *Sequence) (counted bool) {
	p := &q.req.Params
	row := p.Row(q.done)
	row.BiasStart = int32(len(b.Bias))
	b.Bias = append(b.Bias, p.LogitBias...)
	row.BiasEnd = int32(len(b.Bias))
	if p.HasPenalties() {
		row.Slot = q.slot
		counted = count(b, q)
	}
	q.row = int32(len(b.SampleRows))
	q.unknown++
	b.SampleRows = append(b.SampleRows, int32(len(b.TokenIDs)-1))
	b.Sampling = append(b.Sampling, row)
	return counted
}

// count replays a sequence's tokens into the device's counts, once for each stay in a slot: from
// then on the device counts what it samples.
func count(b *runtime.Batch, q *Sequence) bool {
	if q.counted {
		return false
	}
	q.counted = true
	b.ResetCounts = append(b.ResetCounts, q.slot)
	for i, id := range q.tokens {
		if i < q.prompt {
			id = -1 - id
		}
		b.CountSlots, b.CountIDs = append(b.CountSlots, q.slot), append(b.CountIDs, id)
	}
	return true
}

// layTables writes the block tables, padded with zeros to the longest.
func (s *Scheduler) layTables(b *runtime.Batch, st *step) {
	for _, n := range b.SeqLens {
		b.MaxBlocks = max(b.MaxBlocks, s.blocksFor(int(n)))
	}
	size := len(st.parts) * b.MaxBlocks
	b.BlockTables = slices.Grow(b.BlockTables[:0], size)[:size]
	for i, p := range st.parts {
		row := b.BlockTables[i*b.MaxBlocks:][:b.MaxBlocks]
		n := copy(row, p.seq.table[:s.blocksFor(int(b.SeqLens[i]))])
		clear(row[n:])
	}
}
