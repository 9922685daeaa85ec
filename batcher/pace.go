package batcher

import (
	"math"
	"time"
)

// pace chooses how many tokens of prompts join a step that has answers. Beside answers, a long
// chunk is a long gap between their tokens; a short one lets those wait who have no token yet. So a
// step should take a target, times all sequences over those that have answers: who waits for a
// first token counts as much as who waits for the next. It is told durations and has no clock.
// Chunks never change bits, so neither does it.
type pace struct {
	target float64 // seconds; 0 for chunks of any size
	answer float64 // seconds of a step without prompts: a mean of the last ones, 0 before the first
	// Sums over the steps with prompts, older ones fading: the seconds that the prompts added, and
	// their tokens.
	seconds, tokens float64
	most            float64 // tokens of a chunk while little was seen: it doubles with each step
}

const (
	// leastChunk is what prompts get of a step at least, however slow the device is. Where more
	// answers than that share the step, prompts get a token for each.
	leastChunk = 16
	// fade is the weight of the past at each new step.
	fade = 0.75
)

func newPace(target time.Duration) pace {
	return pace{target: target.Seconds(), most: leastChunk}
}

// took learns from a step with so many tokens of prompts. A step without prompts is no slower than
// one with them; what they add is at least an eighth, lest a stale mean makes them look free.
func (p *pace) took(prompts int, seconds float64) {
	switch {
	case prompts > 0:
		p.answer = min(p.answer, seconds)
		p.seconds = fade*p.seconds + max(seconds-p.answer, seconds/8)
		p.tokens = fade*p.tokens + float64(prompts)
		p.most = min(2*p.most, math.MaxInt32)
	case p.answer == 0:
		p.answer = seconds
	default:
		p.answer = fade*p.answer + (1-fade)*seconds
	}
}

// chunk is the number of tokens that prompts get of a step with so many answers, while others have
// none yet.
func (p *pace) chunk(answers, others int) int {
	target := p.target * (1 + float64(others)/float64(answers))
	tokens := p.most
	if p.seconds > 0 {
		tokens = min(tokens, (target-p.answer)*p.tokens/p.seconds)
	}
	return max(leastChunk, answers, int(tokens))
}

// Took tells how long the oldest step in flight was on the device; before its Commit. Without it,
// prompts that share steps with answers get the least.
func (s *Scheduler) Took(d time.Duration) {
	if s.numSteps == 0 {
		panic("BUG: no step is in flight")
	}
	prompts := 0
	for _, p := range s.steps[0].parts {
		if p.tokens > 1 {
			prompts += p.tokens
		}
	}
	s.pace.took(prompts, d.Seconds())
}

// share leaves prompts what keeps a step with answers near its time. Buckets stay whole.
func (s *Scheduler) share(st *step, r *room) {
	answers := len(st.parts)
	if answers == 0 || s.pace.target == 0 || len(s.cfg.Steps.PrefillBuckets) > 0 {
		return
	}
	others := len(s.running) + len(s.waiting) - answers
	r.tokens = min(r.tokens, s.pace.chunk(answers, others))
}
