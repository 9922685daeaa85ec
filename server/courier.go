package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"basalt/server/delivery"
)

// newCourier makes what takes records of invocations to buckets, nil where there are none.
func (s *Server) newCourier() *delivery.Courier {
	if s.cfg.Audit == nil {
		return nil
	}
	return delivery.New(delivery.Config{
		Log: s.cfg.Audit, Buckets: s.cfg.Buckets, Region: s.place().Region, Every: s.cfg.LogEvery,
		Logger: s.log,
	})
}

func (s *Server) startCourier() {
	if s.courier != nil {
		s.courier.Start()
	}
}

// closeCourier delivers what the last requests left, if the buckets take it now.
func (s *Server) closeCourier() {
	if s.courier == nil {
		return
	}
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.courier.Close(ctx)
}

// courierCollectors tell how the delivery of invocation logs goes. None names a tenant.
func courierCollectors(c *delivery.Courier) []prometheus.Collector {
	counter := func(name, help string, of func(delivery.Stats) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(of(c.Stats())) })
	}
	gauge := func(name, help string, of func(delivery.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return of(c.Stats()) })
	}
	return []prometheus.Collector{
		counter("basalt_log_delivery_objects_total", "Objects of invocation logs in buckets.",
			func(s delivery.Stats) int64 { return s.Objects }),
		counter("basalt_log_delivery_records_total", "Records in these objects.",
			func(s delivery.Stats) int64 { return s.Records }),
		counter("basalt_log_delivery_failures_total",
			"Objects that a bucket did not take; they are tried again.",
			func(s delivery.Stats) int64 { return s.FailedPuts }),
		counter("basalt_log_delivery_lost_records_total",
			"Records of the audit log whose delivery is given up: they were removed before it, or "+
				"their configuration was.",
			func(s delivery.Stats) int64 { return s.Lost }),
		gauge("basalt_log_delivery_failing", "Destinations that cannot be written now.",
			func(s delivery.Stats) float64 { return float64(s.Failing) }),
		gauge("basalt_log_delivery_lag_seconds",
			"How long records have waited for their delivery.",
			func(s delivery.Stats) float64 { return s.Lag.Seconds() }),
	}
}
