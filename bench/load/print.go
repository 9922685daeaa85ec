package load

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Print shows a run as vLLM's benchmark does, and what the generator itself cost.
func (r *Record) Print(w io.Writer, m *Metrics, s *Settings) {
	line := func(title, format string, value any) {
		fmt.Fprintf(w, "%-42s "+format+"\n", title+":", value)
	}
	fmt.Fprintln(w, centred(" Serving Benchmark Result ", "="))
	line("Successful requests", "%d", m.Completed)
	line("Failed requests", "%d", m.Failed)
	if m.Attempts > m.Failed {
		line("Failed attempts", "%d", m.Attempts)
	}
	if s.Options.Clients > 0 {
		line("Maximum request concurrency", "%d", s.Options.Clients)
	}
	if !math.IsInf(s.Options.Rate, 1) {
		line("Request rate configured (RPS)", "%.2f", s.Options.Rate)
	}
	line("Benchmark duration (s)", "%.2f", r.Duration.Seconds())
	line("Total input tokens", "%d", m.Input)
	if m.Cached > 0 {
		line("Cached input tokens", "%d", m.Cached)
	}
	line("Total generated tokens", "%d", m.Output)
	line("Request throughput (req/s)", "%.2f", m.RequestThroughput)
	if s.SLO {
		line("Request goodput (req/s)", "%.2f", m.Goodput)
	}
	line("Output token throughput (tok/s)", "%.2f", m.OutputThroughput)
	line("Peak output token throughput (tok/s)", "%.2f", m.PeakOutput)
	line("Peak concurrent requests", "%d", m.PeakConcurrent)
	line("Total token throughput (tok/s)", "%.2f", m.TotalThroughput)
	r.printTimes(w, m, s)
	fmt.Fprintln(w, centred("Load generator", "-"))
	line("Processors used", "%.3f", r.Processor.Seconds()/r.Duration.Seconds())
	line("P99 send lag (ms)", "%.3f", m.Lag.Percentile(99))
	fmt.Fprintln(w, strings.Repeat("=", 54))
	for _, text := range m.ErrorTexts {
		fmt.Fprintf(w, "%d x %s\n", m.errors[text], text)
	}
}

func (r *Record) printTimes(w io.Writer, m *Metrics, s *Settings) {
	print := func(title, name string, q *Quantity) {
		fmt.Fprintln(w, centred(title, "-"))
		row := func(what string, v float64) {
			fmt.Fprintf(w, "%-42s %.2f\n", what+" "+name+" (ms):", v)
		}
		row("Mean", q.Mean())
		row("Median", q.Percentile(50))
		for _, p := range s.Percentiles {
			row("P"+strconv.FormatFloat(p, 'f', -1, 64), q.Percentile(p))
		}
	}
	print("Time to First Token", "TTFT", m.TTFT)
	print("Time per Output Token (excl. 1st token)", "TPOT", m.TPOT)
	print("Inter-token Latency", "ITL", m.ITL)
	print("End-to-end Latency", "E2EL", m.E2EL)
	if s.Options.Clients > 0 && !math.IsInf(s.Options.Rate, 1) {
		print("Client-side Queueing", "Client Queue Time", m.Queue)
		print("Queue-inclusive End-to-end Latency", "E2EL incl. Client Queue", m.WithAll)
	}
}

// centred fills a line of 54 columns.
func centred(text, fill string) string {
	rest := max(0, 54-len(text))
	return strings.Repeat(fill, rest/2) + text + strings.Repeat(fill, rest-rest/2)
}
