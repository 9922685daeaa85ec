package server

import (
	"bytes"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/zap"

	"basalt/server/audit"
)

// metrics are the server's own counts, under the names that routers for vLLM read without
// configuration. What the loops count is asked of them at each scrape (loopCollector).
type metrics struct {
	registry *prometheus.Registry
	panics   prometheus.Counter
	refused  prometheus.Counter
	models   map[*model]*modelMetrics
	tenants  tenantCounts
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
		m.registry.MustRegister(courierCollectors(s.courier)...)
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

// DeviceMetrics is a device that measures itself: power, memory, errors.
type DeviceMetrics interface {
	// WriteMetrics writes Prometheus' text format, with names that no other part of a server uses.
	WriteMetrics(w io.Writer) error
}

// serveMetrics writes the Prometheus text format.
func (s *Server) serveMetrics(r *request) reply {
	families, err := s.visibleMetrics(r).Gather()
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
	for _, d := range s.cfg.Devices {
		if err := d.WriteMetrics(&body); err != nil {
			s.log.Warn("a device gives no metrics", zap.Error(err))
		}
	}
	return reply{status: 200, contentType: string(format), body: body.Bytes()}
}
