package server

import (
	"math"
	"math/rand/v2"

	"basalt/runtime"
	"basalt/server/api"
)

// greedyBelow is the temperature under which the most likely token is taken: dividing logits by
// less would overflow, and nothing else could be drawn anyway.
const greedyBelow = 1e-4

// params gives the sampling parameters of a request: what it asked for, else the model's own, else
// the sampler's. MaxTokens and Choice differ between sequences and are set later.
func (m *model) params(req *api.Request) (runtime.SamplingParams, *api.Error) {
	p := runtime.DefaultSampling()
	m.applyDefaults(&p)
	s := &req.Sampling
	setFloat(&p.Temperature, s.Temperature)
	setFloat(&p.TopP, s.TopP)
	setFloat(&p.MinP, s.MinP)
	setFloat(&p.RepetitionPenalty, s.RepetitionPenalty)
	setFloat(&p.PresencePenalty, s.PresencePenalty)
	setFloat(&p.FrequencyPenalty, s.FrequencyPenalty)
	if s.TopK.Set {
		p.TopK = min(max(s.TopK.Value, 0), int(m.vocab))
	}
	if p.Temperature < greedyBelow {
		p.Temperature = 0
	}
	// A nucleus of probability 0 is the most likely token.
	p.TopP = max(p.TopP, math.SmallestNonzeroFloat32)
	p.Seed = s.Seed.Value
	if !s.Seed.Set {
		p.Seed = rand.Uint64()
	}
	if s.Logprobs.Set {
		p.Logprobs = min(s.Logprobs.Value, runtime.MaxLogprobs)
	}
	if !s.IgnoreEOS {
		p.StopIDs = append(p.StopIDs, m.EOS...)
	}
	p.StopIDs = append(p.StopIDs, s.StopIDs...)
	return p, m.applyBias(&p, s)
}

func setFloat(dst *float32, v api.Opt[float64]) {
	if v.Set {
		*dst = float32(v.Value)
	}
}

func (m *model) applyDefaults(p *runtime.SamplingParams) {
	d := &m.Defaults
	if d.Temperature != nil {
		p.Temperature = *d.Temperature
	}
	if d.TopP != nil {
		p.TopP = *d.TopP
	}
	p.TopK, p.MinP = d.TopK, d.MinP
	if d.RepetitionPenalty > 0 {
		p.RepetitionPenalty = d.RepetitionPenalty
	}
}

func (m *model) applyBias(p *runtime.SamplingParams, s *api.Sampling) *api.Error {
	for _, b := range s.LogitBias {
		if b.ID >= m.vocab {
			return api.FieldError("logit_bias",
				"logit_bias names token %d; the vocabulary has %d", b.ID,
				m.vocab)
		}
		p.LogitBias = append(p.LogitBias, runtime.LogitBias{ID: b.ID, Bias: b.Bias})
	}
	return nil
}

// maxTokens is how many tokens a prompt of so many may be answered with. granted is the greatest
// context that the caller may use, 0: the model's.
func (m *model) maxTokens(req *api.Request, numPrompt, granted int) (int, *api.Error) {
	limit, whose := m.MaxContext, "this model's"
	if granted > 0 && granted < limit {
		limit, whose = granted, "your"
	}
	room := limit - numPrompt
	if room < 1 {
		return 0, api.Errorf(api.ContextExceeded,
			"Input is too long for requested model. The prompt "+
				"has %d tokens; %s context length is %d tokens, the answer included.",
			numPrompt, whose, limit)
	}
	want := req.Sampling.MaxTokens
	if want.Set && want.Value > limit {
		field := req.Sampling.MaxTokensField
		return 0, api.FieldError(field, "%s is %d; %s context length is %d tokens", field,
			want.Value, whose, limit)
	}
	return min(want.Or(room), room), nil
}
