package batcher

import (
	"errors"
	"math"
	"strings"
	"testing"

	"basalt/runtime"
)

func TestConfigCheck(t *testing.T) {
	good := Config{
		MaxTokens: 8, MaxSeqs: 4, MaxContext: 64, BlockSize: 4, NumBlocks: 8,
		MaxWaiting: 1,
	}
	f := func(want string, change func(*Config)) {
		t.Helper()
		c := good
		change(&c)
		err := c.Check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
	f("", func(*Config) {})
	f("", func(c *Config) { c.MaxTokens, c.Vocab = 4, 128256 })
	f("run 0 sequences", func(c *Config) { c.MaxSeqs = 0 })
	f("budget of 3 tokens", func(c *Config) { c.MaxTokens = 3 })
	f("budget of", func(c *Config) { c.MaxTokens = math.MaxInt32 + 1 })
	f("blocks of 0 positions", func(c *Config) { c.BlockSize = 0 })
	f("cache of 0 blocks", func(c *Config) { c.NumBlocks = 0 })
	f("cache of 536870912 blocks", func(c *Config) { c.NumBlocks = 1 << 29 })
	f("context of 1 tokens", func(c *Config) { c.MaxContext = 1 })
	f("in 1 cache positions", func(c *Config) { c.BlockSize, c.NumBlocks = 1, 1 })
	f("queue 0", func(c *Config) { c.MaxWaiting = 0 })
	f("vocabulary of -1", func(c *Config) { c.Vocab = -1 })
}

func TestAdmissible(t *testing.T) {
	c := Config{
		MaxTokens: 8, MaxSeqs: 4, MaxContext: 64, BlockSize: 4, NumBlocks: 8,
		MaxWaiting: 1, Vocab: 100,
	}
	f := func(field string, change func(*Request, *runtime.SamplingParams)) {
		t.Helper()
		r := request(5, 3)
		change(r, &r.Params)
		err := c.admissible(r)
		var bad *InvalidError
		if errors.As(err, &bad) != (field != "") || bad != nil && bad.Field != field {
			t.Errorf("%v, want an error about %q", err, field)
		}
		if IsRetryable(err) {
			t.Errorf("%v is retryable", err)
		}
	}
	type params = runtime.SamplingParams
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	f("", func(*Request, *params) {})
	f("", func(_ *Request, p *params) { p.StopIDs = []int32{0, 99} })
	f("", func(_ *Request, p *params) { p.LogitBias = []runtime.LogitBias{{ID: 99, Bias: -100}} })
	f("", func(_ *Request, p *params) { p.MaxTokens, p.TopK = 1<<40, math.MaxInt32 })
	f("Prompt", func(r *Request, _ *params) { r.Prompt = nil })
	f("Prompt", func(r *Request, _ *params) { r.Prompt[4] = 100 })
	f("Prompt", func(r *Request, _ *params) { r.Prompt[0] = -1 })
	f("StopIDs", func(_ *Request, p *params) { p.StopIDs = []int32{5, -2} })
	f("LogitBias", func(_ *Request, p *params) { p.LogitBias = []runtime.LogitBias{{ID: 100}} })
	f("LogitBias", func(_ *Request, p *params) {
		p.LogitBias = []runtime.LogitBias{{ID: 1, Bias: nan}}
	})
	for _, v := range []float32{nan, inf, -1} {
		f("Temperature", func(_ *Request, p *params) { p.Temperature = v })
		f("MinP", func(_ *Request, p *params) { p.MinP = v })
		f("RepetitionPenalty", func(_ *Request, p *params) { p.RepetitionPenalty = v })
	}
	for _, v := range []float32{nan, inf, 0, 1.5} {
		f("TopP", func(_ *Request, p *params) { p.TopP = v })
	}
	f("RepetitionPenalty", func(_ *Request, p *params) { p.RepetitionPenalty = 0 })
	f("PresencePenalty", func(_ *Request, p *params) { p.PresencePenalty = inf })
	f("FrequencyPenalty", func(_ *Request, p *params) { p.FrequencyPenalty = nan })
	f("TopK", func(_ *Request, p *params) { p.TopK = -1 })
	f("TopK", func(_ *Request, p *params) { p.TopK = math.MaxInt32 + 1 })
	f("Logprobs", func(_ *Request, p *params) { p.Logprobs = -2 })
	f("Logprobs", func(_ *Request, p *params) { p.Logprobs = runtime.MaxLogprobs + 1 })
	f("MaxTokens", func(_ *Request, p *params) { p.MaxTokens = -1 })
}

// TestTooLong: the limit is the context, or the pool where that is smaller.
func TestTooLong(t *testing.T) {
	f := func(prompt, context, blocks, limit int) {
		t.Helper()
		c := Config{
			MaxTokens: 8, MaxSeqs: 4, MaxContext: context, BlockSize: 4, NumBlocks: blocks,
			MaxWaiting: 1,
		}
		err := c.admissible(request(prompt, 3))
		var long *TooLongError
		if limit == 0 && err == nil {
			return
		}
		if !errors.As(err, &long) || long.Tokens != prompt || long.Limit != limit {
			t.Errorf("%v, want the limit %d", err, limit)
		}
	}
	f(63, 64, 100, 0)
	f(64, 64, 100, 63)
	f(1000, 64, 100, 63)
	f(31, 64, 8, 0)
	f(32, 64, 8, 31)
}
