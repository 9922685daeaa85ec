package runtime

import "fmt"

// SamplingParams says how the tokens of one sequence are chosen. The chain is the one of Hugging
// Face transformers: bias, penalties, temperature, top-k, top-p, min-p; then one draw from what is
// left. Use DefaultSampling and change fields.
type SamplingParams struct {
	// Temperature divides the logits; 0 takes the most likely token (the lowest id wins a tie).
	Temperature float32
	// TopK keeps the K most likely tokens; 0 keeps all. TopP keeps the smallest set whose
	// probability reaches it; 1 keeps all. MinP drops tokens less likely than MinP times the most
	// likely one.
	TopK int
	TopP float32
	MinP float32
	// RepetitionPenalty divides positive and multiplies negative logits of tokens seen in prompt or
	// output (CTRL, arXiv:1909.05858); PresencePenalty and FrequencyPenalty are subtracted once,
	// and once for each occurrence, for tokens of the output. 1, 0, 0 are off.
	RepetitionPenalty float32
	PresencePenalty   float32
	FrequencyPenalty  float32
	LogitBias         []LogitBias
	// Seed and Choice key the counter-based generator together with the token's position.
	Seed   uint64
	Choice uint32
	// Logprobs asks for log-probabilities: -1 none, n the sampled token's and the n best.
	Logprobs int
	// MaxTokens ends the sequence after so many generated tokens. StopIDs end it earlier; the stop
	// id itself is reported as the last token, for the caller to drop.
	MaxTokens int
	StopIDs   []int32
}

// DefaultSampling samples from the unchanged distribution.
func DefaultSampling() SamplingParams {
	return SamplingParams{Temperature: 1, TopP: 1, RepetitionPenalty: 1, Logprobs: -1}
}

// HasPenalties says whether the device must count the sequence's tokens.
func (p *SamplingParams) HasPenalties() bool {
	return p.RepetitionPenalty != 1 || p.PresencePenalty != 0 || p.FrequencyPenalty != 0
}

// SamplingRow is the fixed-size form of SamplingParams for one row of a batch. Its layout is shared
// with C.
type SamplingRow struct {
	Seed     uint64
	Choice   uint32
	Position uint32 // absolute position of the token that is drawn
	Slot     int32  // penalty counts; -1 when the sequence has no penalties
	TopK     int32
	Logprobs int32
	// BiasStart and BiasEnd cut Batch.Bias.
	BiasStart, BiasEnd int32
	Temperature        float32
	TopP, MinP         float32
	RepetitionPenalty  float32
	PresencePenalty    float32
	FrequencyPenalty   float32
	_                  int32
}

// MaxLogprobs is the greatest number of alternatives that a row may ask for.
const MaxLogprobs = 64

func (r *SamplingRow) check(numBias int, l Limits) error {
	switch {
	case int(r.Slot) >= l.MaxSlots:
		return fmt.Errorf("slot %d of %d", r.Slot, l.MaxSlots)
	case r.BiasStart < 0 || r.BiasEnd < r.BiasStart || int(r.BiasEnd) > numBias:
		return fmt.Errorf("bias [%d, %d) of %d", r.BiasStart, r.BiasEnd, numBias)
	case r.Logprobs < -1 || r.Logprobs > MaxLogprobs:
		return fmt.Errorf("%d log-probabilities; at most %d", r.Logprobs, MaxLogprobs)
	case !(r.Temperature >= 0) || !(r.TopP > 0) || !(r.MinP >= 0) || !(r.RepetitionPenalty > 0):
		return fmt.Errorf("temperature %g, top-p %g, min-p %g, repetition penalty %g",
			r.Temperature, r.TopP, r.MinP, r.RepetitionPenalty)
	}
	return nil
}

// Row is the batch form of p for a token drawn at position pos; the caller sets Slot and the bias
// cut.
func (p *SamplingParams) Row(pos int) SamplingRow {
	return SamplingRow{
		Seed: p.Seed, Choice: p.Choice, Position: uint32(pos), Slot: -1,
		TopK: int32(p.TopK), Logprobs: int32(p.Logprobs), Temperature: p.Temperature,
		TopP: p.TopP, MinP: p.MinP, RepetitionPenalty: p.RepetitionPenalty,
		PresencePenalty: p.PresencePenalty, FrequencyPenalty: p.FrequencyPenalty,
	}
}
