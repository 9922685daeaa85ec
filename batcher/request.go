package batcher

import (
	"fmt"
	"math"
	"time"

	"basalt/runtime"
)

// Config sizes a scheduler; it matches the executable's CompileOptions.
type Config struct {
	MaxTokens  int // token budget of a step; at least MaxSeqs
	MaxSeqs    int // sequences that run at the same time
	MaxContext int // greatest length of a sequence, prompt and answer together
	BlockSize  int // positions in a cache block
	NumBlocks  int // cache blocks
	MaxWaiting int // sequences that may wait
	Vocab      int // token ids of requests must be below it; 0 leaves that to the caller

	// StepTime is how long a step with answers should take while nobody else waits; with a sequence
	// without an answer for each that has one, it is twice as long. Prompts are cut into chunks
	// that fit by the time of earlier steps, of at least 16 tokens and one for each answer. 0 sets
	// no limit, and neither does it for a device with buckets.
	StepTime time.Duration

	Steps runtime.StepShape // what the device wants of steps; a Loop asks its executable
}

// Check says what is impossible about a configuration.
func (c Config) Check() error {
	const most = math.MaxInt32 // a batch counts in 32 bits
	switch {
	case c.MaxSeqs < 1:
		return fmt.Errorf("cannot run %d sequences at a time; at least 1 is needed", c.MaxSeqs)
	case c.MaxTokens < c.MaxSeqs || c.MaxTokens > most:
		return fmt.Errorf("cannot run %d sequences with a budget of %d tokens a step; each needs "+
			"one", c.MaxSeqs, c.MaxTokens)
	case c.BlockSize < 1 || c.NumBlocks < 1 || c.NumBlocks > most/c.BlockSize:
		return fmt.Errorf("cannot use a cache of %d blocks of %d positions", c.NumBlocks,
			c.BlockSize)
	case c.MaxContext < 2 || c.MaxContext > most || c.maxPrompt() < 1:
		return fmt.Errorf("cannot serve a context of %d tokens in %d cache positions; both must "+
			"be at least 2", c.MaxContext, c.NumBlocks*c.BlockSize)
	case c.StepTime < 0:
		return fmt.Errorf("cannot run steps in %v; 0 sets no limit", c.StepTime)
	case c.MaxWaiting < 1 || c.Vocab < 0:
		return fmt.Errorf("cannot queue %d sequences of a vocabulary of %d", c.MaxWaiting, c.Vocab)
	}
	return c.Steps.Check()
}

// maxPrompt is the longest prompt that leaves room for one generated token. A sequence of at most
// so many tokens always fits the pool when it is alone, which is why every sequence ends.
func (c Config) maxPrompt() int {
	return min(c.MaxContext, c.NumBlocks*c.BlockSize) - 1
}

// Request is one sequence to generate.
type Request struct {
	ID     string
	Tenant string // whom the work is for; it does not order the queue
	// Priority orders the queue: a lower number goes first, equal ones in order of arrival. When
	// cache blocks run out, the last in that order gives way.
	Priority int
	// Prompt has at least one id; it belongs to the batcher from Submit on.
	Prompt []int32
	// Params with MaxTokens 0 generate until a stop id or the end of the context.
	Params runtime.SamplingParams
	// Started, when set, is called by the loop's goroutine when the request's first step has been
	// filled. It must be quick. A Scheduler alone does not call it.
	Started func()
}

// TooLongError refuses a request that can never fit: its prompt has Tokens ids, at most Limit fit
// the context and the cache together with one generated token.
type TooLongError struct {
	Tokens, Limit int
}

// Error implements error.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("the prompt has %d tokens; with room for an answer at most %d fit", e.Tokens,
		e.Limit)
}

// InvalidError refuses a request that a device could not compute.
type InvalidError struct {
	Field  string // of Request or of its Params
	Reason string // the value and what it may be
}

// Error implements error.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// admissible refuses what can never run, so that no request fails the step that it shares with
// others.
func (c Config) admissible(r *Request) error {
	if n, limit := len(r.Prompt), c.maxPrompt(); n > limit {
		return &TooLongError{Tokens: n, Limit: limit}
	}
	if len(r.Prompt) == 0 {
		return invalid("Prompt", "it is empty; it must have at least one token")
	}
	for _, ids := range []struct {
		field string
		ids   []int32
	}{{"Prompt", r.Prompt}, {"StopIDs", r.Params.StopIDs}} {
		for i, id := range ids.ids {
			if !c.isToken(id) {
				return invalid(ids.field, "token %d is %d; the vocabulary has %d", i, id, c.Vocab)
			}
		}
	}
	for i, x := range r.Params.LogitBias {
		if !c.isToken(x.ID) || !finite(x.Bias) {
			return invalid("LogitBias", "entry %d adds %g to token %d; the vocabulary has %d", i,
				x.Bias, x.ID, c.Vocab)
		}
	}
	return admissibleParams(&r.Params)
}

func (c Config) isToken(id int32) bool { return id >= 0 && (c.Vocab == 0 || int(id) < c.Vocab) }

func admissibleParams(p *runtime.SamplingParams) error {
	switch {
	case !finite(p.Temperature) || p.Temperature < 0:
		return invalid("Temperature", "%g; it must be at least 0", p.Temperature)
	case !(p.TopP > 0 && p.TopP <= 1):
		return invalid("TopP", "%g; it must be above 0 and at most 1", p.TopP)
	case !(p.MinP >= 0 && p.MinP <= 1):
		return invalid("MinP", "%g; it must be between 0 and 1", p.MinP)
	case p.TopK < 0 || p.TopK > math.MaxInt32:
		return invalid("TopK", "%d; it must be between 0 and %d", p.TopK, math.MaxInt32)
	case !finite(p.RepetitionPenalty) || p.RepetitionPenalty <= 0:
		return invalid("RepetitionPenalty", "%g; it must be above 0", p.RepetitionPenalty)
	case !finite(p.PresencePenalty):
		return invalid("PresencePenalty", "%g; it must be finite", p.PresencePenalty)
	case !finite(p.FrequencyPenalty):
		return invalid("FrequencyPenalty", "%g; it must be finite", p.FrequencyPenalty)
	case p.Logprobs < -1 || p.Logprobs > runtime.MaxLogprobs:
		return invalid("Logprobs", "%d; it must be between -1 and %d", p.Logprobs,
			runtime.MaxLogprobs)
	case p.MaxTokens < 0:
		return invalid("MaxTokens", "%d; it must be at least 0", p.MaxTokens)
	}
	return nil
}

func finite(v float32) bool { return v-v == 0 }
