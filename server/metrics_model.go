package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"basalt/server/api"
)

// modelMetrics are one model's.
type modelMetrics struct {
	ttft, itl, e2e, perToken         prometheus.Histogram // seconds
	queue, prefill, decode, computed prometheus.Histogram // seconds
	input, output, longest           prometheus.Histogram // tokens
	limit, choices                   prometheus.Histogram
	inputTokens, outputTokens        prometheus.Counter
	success                          *prometheus.CounterVec // by finished_reason
}

func ttftBuckets() []float64 {
	return []float64{
		0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5,
		7.5,
		10, 20, 40, 80, 160, 640, 2560,
	}
}

func itlBuckets() []float64 {
	return []float64{
		0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5,
		7.5, 10,
		20, 40, 80,
	}
}

func latencyBuckets() []float64 {
	return []float64{
		0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480,
		960,
		1920, 7680,
	}
}

// countBuckets are 1, 2, 5, 10 ... up to the greatest context.
func countBuckets(limit int) []float64 {
	var b []float64
	for scale := 1; scale <= limit; scale *= 10 {
		for _, m := range []int{1, 2, 5} {
			if m*scale <= limit {
				b = append(b, float64(m*scale))
			}
		}
	}
	return b
}

func newModelMetrics(r *prometheus.Registry, m *model) *modelMetrics {
	labels := prometheus.Labels{"model_name": m.ID, "engine": "0"}
	hist := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vllm:" + name, Help: help,
			Buckets: buckets, ConstLabels: labels,
		})
		r.MustRegister(h)
		return h
	}
	count := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vllm:" + name, Help: help,
			ConstLabels: labels,
		})
		r.MustRegister(c)
		return c
	}
	tokens := countBuckets(m.MaxContext)
	out := &modelMetrics{
		ttft: hist("time_to_first_token_seconds", "Arrival to first token.", ttftBuckets()),
		itl:  hist("inter_token_latency_seconds", "Between tokens.", itlBuckets()),
		e2e:  hist("e2e_request_latency_seconds", "Arrival to end.", latencyBuckets()),
		perToken: hist("request_time_per_output_token_seconds",
			"Mean time of a token after the first.", itlBuckets()),
		queue: hist("request_queue_time_seconds", "Arrival to the first step.", latencyBuckets()),
		prefill: hist("request_prefill_time_seconds", "First step to first token.",
			latencyBuckets()),
		decode: hist("request_decode_time_seconds", "First to last token.", latencyBuckets()),
		computed: hist("request_inference_time_seconds", "First step to last token.",
			latencyBuckets()),
		longest: hist("request_max_num_generation_tokens", "Tokens of the longest choice.",
			tokens),
		input:        hist("request_prompt_tokens", "Tokens of the prompt.", tokens),
		output:       hist("request_generation_tokens", "Tokens generated.", tokens),
		limit:        hist("request_params_max_tokens", "Token limit asked for.", tokens),
		choices:      hist("request_params_n", "Choices asked for.", countBuckets(maxChoices)),
		inputTokens:  count("prompt_tokens_total", "Tokens of all prompts."),
		outputTokens: count("generation_tokens_total", "Tokens generated."),
		success: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vllm:request_success_total",
			Help: "Choices by end.", ConstLabels: labels,
		}, []string{"finished_reason"}),
	}
	r.MustRegister(out.success)
	if m.Steps != nil {
		prometheus.WrapRegistererWith(labels, r).MustRegister(m.Steps.tokens)
	}
	return out
}

// maxChoices is the greatest count that the buckets of choices tell apart.
const maxChoices = 128

// observeToken times a token of g.
func (g *generation) observeToken(now time.Time) {
	m := g.s.metrics.models[g.model]
	m.outputTokens.Inc()
	if g.first == 0 {
		g.first = now.Sub(g.r.arrived)
		m.ttft.Observe(g.first.Seconds())
		m.inputTokens.Add(float64(g.usage.Input))
	} else if len(g.seqs) == 1 {
		m.itl.Observe(now.Sub(g.last).Seconds())
	}
	g.last = now
}

// finished counts a choice that ended by itself.
func (m *metrics) finished(g *generation, r api.FinishReason) {
	m.models[g.model].success.WithLabelValues(finishName(r)).Inc()
}

// request counts a generation that is over.
func (m *metrics) request(rec *record) {
	g := rec.generation
	mm := m.models[g.model]
	mm.e2e.Observe(time.Since(g.r.arrived).Seconds())
	mm.phases(g)
	longest := 0
	for _, q := range g.seqs {
		longest = max(longest, q.tokens)
	}
	mm.longest.Observe(float64(longest))
	mm.input.Observe(float64(g.usage.Input))
	mm.output.Observe(float64(g.usage.Output))
	mm.choices.Observe(float64(len(g.seqs)))
	if limit := g.req.Sampling.MaxTokens; limit.Set {
		mm.limit.Observe(float64(limit.Value))
	}
	if rest := g.usage.Output - len(g.seqs); rest > 0 && len(g.seqs) == 1 {
		mm.perToken.Observe(g.last.Sub(g.r.arrived.Add(g.first)).Seconds() / float64(rest))
	}
}

// phases times what a generation waited for; one that never got a token counts in none.
func (m *modelMetrics) phases(g *generation) {
	if g.first == 0 {
		return
	}
	start, last := time.Duration(g.started.Load()), g.last.Sub(g.r.arrived)
	m.queue.Observe(start.Seconds())
	m.prefill.Observe((g.first - start).Seconds())
	m.decode.Observe((last - g.first).Seconds())
	m.computed.Observe((last - start).Seconds())
}
