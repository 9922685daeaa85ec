package server

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// visibleMetrics are those that a request may see: of tenants, its own alone, unless the policy
// grants TenantMetrics.
func (s *Server) visibleMetrics(r *request) prometheus.Gatherer {
	tenant := r.who.Tenant
	if r.who.Grant.MayDo("TenantMetrics", false) {
		tenant = ""
	}
	own := prometheus.NewRegistry()
	own.MustRegister(newTenantCollector(&s.metrics.tenants, tenant))
	if s.backlog.store != nil {
		own.MustRegister(newJobCollector(s.backlog.store, tenant))
	}
	return prometheus.Gatherers{s.metrics.registry, own}
}

// tenantCounts count invocations by tenant. Tenants are those of the policy, so that no client can
// add one.
type tenantCounts struct {
	mu  sync.Mutex
	all map[string]*tenantCount
}

type tenantCount struct {
	requests      [3]uint64 // by result
	input, output uint64    // tokens
	first         float64   // seconds to first tokens, summed
	began         uint64    // requests that had one
}

// Results of an invocation, in the order of tenantCount.requests.
const (
	resultAnswered = iota // also one that its client left
	resultRefused         // before it was queued
	resultFailed
)

// count adds an invocation that is over, by somebody who is known.
func (t *tenantCounts) count(r *request) {
	rec := &r.record
	if r.who == nil || rec.route == nil || !rec.route.invokes {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.all[r.who.Tenant]
	if c == nil {
		if t.all == nil {
			t.all = make(map[string]*tenantCount)
		}
		c = new(tenantCount)
		t.all[r.who.Tenant] = c
	}
	g := rec.generation
	switch {
	case g == nil:
		c.requests[resultRefused]++
		return
	case rec.ended != nil && !errors.Is(rec.ended, errClientGone):
		c.requests[resultFailed]++
	default:
		c.requests[resultAnswered]++
	}
	c.input += uint64(g.usage.Input)
	c.output += uint64(g.usage.Output)
	if g.first > 0 {
		c.first += g.first.Seconds()
		c.began++
	}
}

// tenantCollector tells of tenants for one request. An empty tenant stands for all.
type tenantCollector struct {
	counts                         *tenantCounts
	tenant                         string
	requests, input, output, first *prometheus.Desc
}

func newTenantCollector(counts *tenantCounts, tenant string) *tenantCollector {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("basalt_tenant_"+name, help, append([]string{"tenant"}, more...),
			nil)
	}
	return &tenantCollector{
		counts: counts, tenant: tenant,
		requests: desc("requests_total", "A tenant's invocations that are over, by result.",
			"result"),
		input:  desc("prompt_tokens_total", "Prompt tokens of a tenant's invocations."),
		output: desc("generation_tokens_total", "Tokens generated for a tenant."),
		first: desc("time_to_first_token_seconds",
			"Time from a tenant's requests to their first tokens."),
	}
}

// Describe implements prometheus.Collector.
func (c *tenantCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.requests, c.input, c.output, c.first} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *tenantCollector) Collect(ch chan<- prometheus.Metric) {
	c.counts.mu.Lock()
	defer c.counts.mu.Unlock()
	for name, t := range c.counts.all {
		if c.tenant != "" && c.tenant != name {
			continue
		}
		counter := func(d *prometheus.Desc, n uint64, more ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n),
				append([]string{name}, more...)...)
		}
		counter(c.requests, t.requests[resultAnswered], "answered")
		counter(c.requests, t.requests[resultRefused], "refused")
		counter(c.requests, t.requests[resultFailed], "failed")
		counter(c.input, t.input)
		counter(c.output, t.output)
		ch <- prometheus.MustNewConstSummary(c.first, t.began, t.first, nil, name)
	}
}
