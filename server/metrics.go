package server

import (
	"bytes"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/zap"

	"basalt/server/api"
	"basalt/server/audit"
)

// metrics are the server's own counts, under the names that routers for vLLM read without
// configuration. What the loops count is asked of them at each scrape (loopCollector).
type metrics struct {
	registry *prometheus.Registry
	panics   prometheus.Counter
	refused  prometheus.Counter
	models   map[*model]*modelMetrics
}

// modelMetrics are one model's.
type modelMetrics struct {
	ttft, itl, e2e, perToken      prometheus.Histogram // seconds
	input, output, limit, choices prometheus.Histogram
	inputTokens, outputTokens     prometheus.Counter
	success                       *prometheus.CounterVec // by finished_reason
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

func newMetrics(s *Server) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), models: make(map[*model]*modelMetrics)}
	count := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	m.panics = count("basalt_panics_total", "Requests that failed by a fault of the server.")
	m.refused = count("basalt_requests_refused_total", "Requests refused before they were queued.")
	inFlight := prometheus.GaugeOpts{
		Name: "basalt_requests_in_flight",
		Help: "Generations being answered.",
	}
	m.registry.MustRegister(newLoopCollector(s.served), prometheus.NewGaugeFunc(inFlight,
		func() float64 { return float64(s.inFlight.Load()) }))
	if s.cfg.Audit != nil {
		m.registry.MustRegister(auditCollectors(s.cfg.Audit)...)
	}
	for _, served := range s.served {
		m.models[served] = newModelMetrics(m.registry, served)
	}
	return m
}

func auditCollectors(log *audit.Log) []prometheus.Collector {
	records := prometheus.CounterOpts{
		Name: "basalt_audit_records_total", Help: "Records of the audit log.",
	}
	failing := prometheus.GaugeOpts{
		Name: "basalt_audit_failing", Help: "1 while the audit log cannot be written.",
	}
	return []prometheus.Collector{
		prometheus.NewCounterFunc(records, func() float64 { return float64(log.Len()) }),
		prometheus.NewGaugeFunc(failing, func() float64 {
			if log.Err() != nil {
				return 1
			}
			return 0
		}),
	}
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

// serveMetrics writes the Prometheus text format.
func (s *Server) serveMetrics(r *request) reply {
	families, err := s.metrics.registry.Gather()
	if err != nil {
		s.log.Warn("cannot gather all metrics", zap.Error(err))
	}
	var body bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	enc := expfmt.NewEncoder(&body, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return s.refuse(r, openaiDialect(), internalError())
		}
	}
	return reply{status: 200, contentType: string(format), body: body.Bytes()}
}
