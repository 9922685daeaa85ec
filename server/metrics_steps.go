package server

import "github.com/prometheus/client_golang/prometheus"

// Steps counts the tokens of a device's steps, for a model's metrics.
type Steps struct{ tokens prometheus.Histogram }

// NewSteps makes a counter for steps of at most limit tokens.
func NewSteps(limit int) *Steps {
	return &Steps{prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "vllm:iteration_tokens_total", Help: "Tokens computed in a step.",
		Buckets: countBuckets(limit),
	})}
}

// Observe counts a step; it serves as batcher.Options.Stepped.
func (s *Steps) Observe(tokens, _ int) { s.tokens.Observe(float64(tokens)) }
