package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"basalt/server/jobs"
)

// jobCollector tells of jobs for one request. An empty tenant stands for all.
type jobCollector struct {
	store                                *jobs.Store
	tenant                               string
	all, records, byTenant, tenantRecord *prometheus.Desc
}

func newJobCollector(store *jobs.Store, tenant string) *jobCollector {
	return &jobCollector{
		store: store, tenant: tenant,
		all: prometheus.NewDesc("basalt_jobs", "Jobs that are kept, by state.",
			[]string{"state"}, nil),
		records: prometheus.NewDesc("basalt_job_records_total",
			"Records of jobs that were done since the start, by result.", []string{"result"}, nil),
		byTenant: prometheus.NewDesc("basalt_tenant_jobs",
			"A tenant's jobs that are kept, by state.", []string{"tenant", "state"}, nil),
		tenantRecord: prometheus.NewDesc("basalt_tenant_job_records_total",
			"Records of a tenant's jobs that were done since the start, by result.",
			[]string{"tenant", "result"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *jobCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.all, c.records, c.byTenant, c.tenantRecord} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Every state has a sample among the sums, so that a graph
// has no gaps; a tenant has those that it has jobs in.
func (c *jobCollector) Collect(ch chan<- prometheus.Metric) {
	sum := jobs.Tally{States: make(map[jobs.Status]int)}
	for tenant, t := range c.store.Tallies() {
		for state, n := range t.States {
			sum.States[state] += n
		}
		sum.Succeeded += t.Succeeded
		sum.Failed += t.Failed
		if c.tenant != "" && c.tenant != tenant {
			continue
		}
		for state, n := range t.States {
			ch <- gauge(c.byTenant, n, tenant, string(state))
		}
		count(ch, c.tenantRecord, &t, tenant)
	}
	for _, state := range jobs.Statuses() {
		ch <- gauge(c.all, sum.States[state], string(state))
	}
	count(ch, c.records, &sum)
}

func gauge(d *prometheus.Desc, n int, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func count(ch chan<- prometheus.Metric, d *prometheus.Desc, t *jobs.Tally, labels ...string) {
	for _, r := range []struct {
		name string
		n    int64
	}{{"succeeded", t.Succeeded}, {"failed", t.Failed}} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(r.n),
			append(append([]string(nil), labels...), r.name)...)
	}
}
