package neuron

import (
	"math"
	"slices"

	"basalt/runtime"
)

// sampler chooses tokens on the host, by the definition of runtime.SamplingParams. It reads either
// all scores of a row, or the device's selection of the best ones.
type sampler struct {
	vocab  int
	counts []slotCounts
	scaled []float32   // scores after bias and penalties
	kept   []candidate // reused
}

// slotCounts is what the sequence in a slot has seen: for each token how often it was generated,
// and its sign bit when it is in the prompt. seen lists the tokens with an entry.
type slotCounts struct {
	counts []int32
	seen   []int32
}

const inPrompt = math.MinInt32

type candidate struct {
	id int32
	z  float32
	p  float64 // exp((z - best) / temperature)
}

func newSampler(vocab, slots int) *sampler {
	return &sampler{vocab: vocab, counts: make([]slotCounts, slots)}
}

// prepare clears and replays penalty counts.
func (s *sampler) prepare(b *runtime.Batch) {
	for _, slot := range b.ResetCounts {
		c := &s.counts[slot]
		for _, id := range c.seen {
			c.counts[id] = 0
		}
		c.seen = c.seen[:0]
	}
	for i, slot := range b.CountSlots {
		if id := b.CountIDs[i]; id >= 0 {
			*s.entry(slot, id)++
		} else {
			*s.entry(slot, -1-id) |= inPrompt
		}
	}
}

// entry gives a token's count; memory is taken when a slot is first used.
func (s *sampler) entry(slot, id int32) *int32 {
	c := &s.counts[slot]
	if c.counts == nil {
		c.counts = make([]int32, s.vocab)
	}
	if c.counts[id] == 0 {
		c.seen = append(c.seen, id)
	}
	return &c.counts[id]
}

// needsAll says whether a row must be sampled from all scores rather than from the k best.
func needsAll(row *runtime.SamplingRow, k int) bool {
	return row.Slot >= 0 || row.BiasEnd > row.BiasStart || int(row.Logprobs) > k ||
		row.Temperature > 0 && (row.TopK <= 0 || int(row.TopK) > k)
}

// fromAll samples a row from all its scores and counts the token.
func (s *sampler) fromAll(b *runtime.Batch, row *runtime.SamplingRow, scores []float32) int32 {
	z := scores
	if row.BiasEnd > row.BiasStart || row.Slot >= 0 {
		s.scaled = append(s.scaled[:0], scores...)
		z = s.scaled
		for _, x := range b.Bias[row.BiasStart:row.BiasEnd] {
			z[x.ID] += x.Bias
		}
	}
	if row.Slot >= 0 {
		s.penalise(z, row)
	}
	best := int32(0)
	for i, v := range z {
		if v > z[best] {
			best = int32(i)
		}
	}
	id := best
	if row.Temperature > 0 {
		id = s.drawAll(row, z, z[best])
	}
	if row.Slot >= 0 {
		*s.entry(row.Slot, id)++
	}
	return id
}

func (s *sampler) penalise(z []float32, row *runtime.SamplingRow) {
	c := &s.counts[row.Slot]
	for _, id := range c.seen {
		if z[id] > 0 {
			z[id] /= row.RepetitionPenalty
		} else {
			z[id] *= row.RepetitionPenalty
		}
		if n := c.counts[id] &^ inPrompt; n > 0 {
			z[id] -= row.PresencePenalty + row.FrequencyPenalty*float32(n)
		}
	}
}

// weight is a score's unnormalised probability.
func weight(z, best, temperature float32) float64 {
	return math.Exp(float64((z - best) / temperature))
}

// drawAll draws from all scores. Where the row cuts by rank or mass, only scores near the best are
// sorted: as many as reach the cut, found by lowering the threshold step by step.
func (s *sampler) drawAll(row *runtime.SamplingRow, z []float32, best float32) int32 {
	var total float64
	for _, v := range z {
		total += weight(v, best, row.Temperature)
	}
	if row.TopK <= 0 && row.TopP >= 1 {
		s.gather(row, z, best, float64(row.MinP))
		return draw(s.kept, float64(row.Uniform()))
	}
	for least := 1e-2; ; least *= 1e-3 {
		mass := s.gather(row, z, best, least)
		enough := row.TopK > 0 && len(s.kept) >= int(row.TopK) ||
			row.TopK <= 0 && mass >= float64(row.TopP)*total
		if enough || len(s.kept) == len(z) {
			return s.drawKept(row, total)
		}
		if least < 1e-300 {
			least = 0
		}
	}
}

// gather keeps the scores whose weight is at least least, in the order of ids, and gives their
// mass.
func (s *sampler) gather(row *runtime.SamplingRow, z []float32, best float32, least float64,
) (mass float64) {
	s.kept = s.kept[:0]
	for i, v := range z {
		if p := weight(v, best, row.Temperature); p >= least {
			s.kept = append(s.kept, candidate{int32(i), v, p})
			mass += p
		}
	}
	return mass
}

// drawKept sorts the candidates, cuts them to top-k, top-p and min-p, and draws. total is the mass
// of everything, for a row without top-k.
func (s *sampler) drawKept(row *runtime.SamplingRow, total float64) int32 {
	kept := s.kept
	slices.SortFunc(kept, byScore)
	if k := int(row.TopK); k > 0 {
		kept = kept[:min(k, len(kept))]
		total = 0
		for _, c := range kept {
			total += c.p
		}
	}
	if row.TopP < 1 {
		target, sum := float64(row.TopP)*total, 0.0
		for i, c := range kept {
			if sum += c.p; sum >= target {
				kept = kept[:i+1]
				break
			}
		}
	}
	for i, c := range kept {
		if c.p < float64(row.MinP) {
			kept = kept[:i]
			break
		}
	}
	slices.SortFunc(kept, func(a, b candidate) int { return int(a.id) - int(b.id) })
	return draw(kept, float64(row.Uniform()))
}

// byScore orders from the greatest, the lower id first among equals.
func byScore(a, b candidate) int {
	switch {
	case a.z > b.z:
		return -1
	case a.z < b.z:
		return 1
	}
	return int(a.id) - int(b.id)
}

// draw takes the first candidate whose cumulative weight exceeds u of the whole.
func draw(kept []candidate, u float64) int32 {
	var total, sum float64
	for _, c := range kept {
		total += c.p
	}
	for _, c := range kept {
		if sum += c.p; sum > u*total {
			return c.id
		}
	}
	return kept[len(kept)-1].id
}

// sorted takes the device's selection as candidates from the greatest.
func (s *sampler) sorted(values []float32, ids []uint32) {
	s.kept = s.kept[:0]
	for i, v := range values {
		s.kept = append(s.kept, candidate{id: int32(ids[i]), z: v})
	}
	slices.SortFunc(s.kept, byScore)
}

// fromBest samples a row that needsAll lets go by the device's selection, taken by sorted before.
func (s *sampler) fromBest(row *runtime.SamplingRow) int32 {
	if row.Temperature == 0 {
		return s.kept[0].id
	}
	best := s.kept[0].z
	for i := range s.kept {
		s.kept[i].p = weight(s.kept[i].z, best, row.Temperature)
	}
	return s.drawKept(row, 0)
}

// logSum is the logarithm of the sum of exponentials of a row.
func logSum(scores []float32) float64 {
	best, sum := slices.Max(scores), 0.0
	for _, v := range scores {
		sum += math.Exp(float64(v - best))
	}
	return float64(best) + math.Log(sum)
}

// best keeps the n greatest of all scores, from the greatest.
func (s *sampler) best(scores []float32, n int) {
	s.kept = s.kept[:0]
	for i, v := range scores {
		c := candidate{id: int32(i), z: v}
		if len(s.kept) == n && byScore(c, s.kept[n-1]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(s.kept, c, byScore)
		if len(s.kept) == n {
			s.kept = s.kept[:n-1]
		}
		s.kept = slices.Insert(s.kept, at, c)
	}
}
