package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"basalt/neuron/monitor"
)

type neuronMonitorCmd struct {
	Sysfs  string `default:"/sys/devices/virtual/neuron_device" placeholder:"DIR" help:"Where the driver shows its counters."`
	Report string `placeholder:"FILE" help:"What neuron-monitor prints: a file, or - for the standard input."`
	Format string `default:"text" enum:"text,prometheus" help:"text says what is wrong; prometheus prints metrics."`
	Listen string `placeholder:"ADDRESS" help:"Serve the metrics at /metrics of this address until told to stop."`
}

// health is the driver's counters; nil where the driver shows no device.
func (c *neuronMonitorCmd) health() (*monitor.Health, error) {
	h, err := monitor.ReadSysfs(os.DirFS(c.Sysfs))
	if errors.Is(err, monitor.ErrNone) && c.Report != "" {
		return nil, nil
	}
	return h, err
}

// reports gives every report of --report to use.
func (c *neuronMonitorCmd) reports(use func(*monitor.Report)) error {
	switch c.Report {
	case "":
		return nil
	case "-":
		return monitor.ReadReports(os.Stdin, use)
	}
	file, err := os.Open(c.Report)
	if err != nil {
		return err
	}
	return errors.Join(monitor.ReadReports(file, use), file.Close())
}

// Run prints the health of the devices once, or serves it.
func (c *neuronMonitorCmd) Run(ctx context.Context) error {
	if c.Listen != "" {
		return c.serve(ctx)
	}
	h, err := c.health()
	if err != nil {
		return fmt.Errorf("%w (%s)", err, c.Sysfs)
	}
	var last *monitor.Report
	if err := c.reports(func(r *monitor.Report) { last = r }); err != nil {
		return err
	}
	if c.Format == "prometheus" {
		return monitor.WriteMetrics(os.Stdout, h, last)
	}
	return printHealth(os.Stdout, h, last)
}

func printHealth(w io.Writer, h *monitor.Health, r *monitor.Report) error {
	var lines []string
	if h != nil {
		lines = h.Lines()
	}
	if r != nil {
		lines = append(lines, r.Problems()...)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// serve answers scrapes until ctx ends, or the address or a report fails.
func (c *neuronMonitorCmd) serve(ctx context.Context) error {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on --listen %s: %w", c.Listen, err)
	}
	var last atomic.Pointer[monitor.Report]
	s := &http.Server{Handler: c.metrics(&last), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(l) }()
	go func() {
		if err := c.reports(func(r *monitor.Report) { last.Store(r) }); err != nil {
			ended <- err
		}
	}()
	fmt.Printf("Listening on http://%s/metrics\n", l.Addr())
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	return errors.Join(err, s.Close())
}

// metrics answers each scrape with the counters of that moment and the latest report.
func (c *neuronMonitorCmd) metrics(last *atomic.Pointer[monitor.Report]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		h, err := c.health()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_ = monitor.WriteMetrics(w, h, last.Load())
	})
	return mux
}
