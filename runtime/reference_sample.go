package runtime

import (
	"cmp"
	"math"
	"slices"
)

// refSampler is the definition of sampling; devices give the same ids from the same logits, up to
// draws that fall within rounding of a boundary.
type refSampler struct {
	vocab  int
	counts []slotCounts
}

// slotCounts is what a slot has seen.
type slotCounts struct {
	prompt map[int32]bool
	output map[int32]int
}

func (s *refSampler) setup(vocab, slots int) {
	s.vocab, s.counts = vocab, make([]slotCounts, slots)
	for i := range s.counts {
		s.counts[i].reset()
	}
}

func (c *slotCounts) reset() { c.prompt, c.output = map[int32]bool{}, map[int32]int{} }

func (s *refSampler) sample(b *Batch, logits []float32) Output {
	for _, slot := range b.ResetCounts {
		s.counts[slot].reset()
	}
	for i, slot := range b.CountSlots {
		if id := b.CountIDs[i]; id >= 0 {
			s.counts[slot].output[id]++
		} else {
			s.counts[slot].prompt[-1-id] = true
		}
	}
	out := Output{TopStart: []int32{0}}
	for i := range b.Sampling {
		s.sampleRow(&out, b, &b.Sampling[i], logits[i*s.vocab:(i+1)*s.vocab])
	}
	if b.WantLogits {
		out.Logits = logits
	}
	return out
}

func (s *refSampler) sampleRow(out *Output, b *Batch, row *SamplingRow, logits []float32) {
	z := slices.Clone(logits)
	for _, x := range b.Bias[row.BiasStart:row.BiasEnd] {
		z[x.ID] += x.Bias
	}
	if row.Slot >= 0 {
		s.counts[row.Slot].penalise(z, row)
	}
	id := choose(z, row)
	if row.Slot >= 0 {
		s.counts[row.Slot].output[id]++
	}
	out.IDs = append(out.IDs, id)
	out.addLogprobs(row, logits, id)
}

func (c *slotCounts) penalise(z []float32, row *SamplingRow) {
	for i := range z {
		n := c.output[int32(i)]
		if n > 0 || c.prompt[int32(i)] {
			if z[i] > 0 {
				z[i] /= row.RepetitionPenalty
			} else {
				z[i] *= row.RepetitionPenalty
			}
		}
		if n > 0 {
			z[i] -= row.PresencePenalty + row.FrequencyPenalty*float32(n)
		}
	}
}

type candidate struct {
	id int32
	z  float32
	p  float64
}

// choose draws from z by the row's temperature, top-k, top-p and min-p.
func choose(z []float32, row *SamplingRow) int32 {
	best := int32(0)
	for i, v := range z {
		if v > z[best] {
			best = int32(i)
		}
	}
	if row.Temperature == 0 {
		return best
	}
	kept := make([]candidate, len(z))
	for i, v := range z {
		kept[i] = candidate{int32(i), v, math.Exp(float64((v - z[best]) / row.Temperature))}
	}
	slices.SortFunc(kept, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.z, a.z), cmp.Compare(a.id, b.id))
	})
	kept = filter(kept, row)
	slices.SortFunc(kept, func(a, b candidate) int { return cmp.Compare(a.id, b.id) })
	return draw(kept, float64(row.Uniform()))
}

// filter cuts candidates, sorted from the most likely, to top-k, then top-p, then min-p.
func filter(kept []candidate, row *SamplingRow) []candidate {
	if k := int(row.TopK); k > 0 && k < len(kept) {
		kept = kept[:k]
	}
	if row.TopP < 1 {
		target, sum := float64(row.TopP)*total(kept), 0.0
		for i, c := range kept {
			if sum += c.p; sum >= target {
				kept = kept[:i+1]
				break
			}
		}
	}
	for i, c := range kept {
		if c.p < float64(row.MinP) {
			return kept[:i]
		}
	}
	return kept
}

func total(kept []candidate) float64 {
	sum := 0.0
	for _, c := range kept {
		sum += c.p
	}
	return sum
}

// draw takes the first candidate, in id order, whose cumulative probability exceeds u.
func draw(kept []candidate, u float64) int32 {
	target, sum := u*total(kept), 0.0
	for _, c := range kept {
		if sum += c.p; sum > target {
			return c.id
		}
	}
	return kept[len(kept)-1].id
}

func (out *Output) addLogprobs(row *SamplingRow, logits []float32, id int32) {
	if row.Logprobs < 0 {
		out.Logprobs = append(out.Logprobs, 0)
		out.TopStart = append(out.TopStart, int32(len(out.TopIDs)))
		return
	}
	best, sum := slices.Max(logits), 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v - best))
	}
	norm := float64(best) + math.Log(sum)
	out.Logprobs = append(out.Logprobs, float32(float64(logits[id])-norm))
	ids := make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortFunc(ids, func(a, b int32) int {
		return cmp.Or(cmp.Compare(logits[b], logits[a]), cmp.Compare(a, b))
	})
	for _, i := range ids[:min(int(row.Logprobs), len(ids))] {
		out.TopIDs = append(out.TopIDs, i)
		out.TopLogprobs = append(out.TopLogprobs, float32(float64(logits[i])-norm))
	}
	out.TopStart = append(out.TopStart, int32(len(out.TopIDs)))
}
