package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"basalt/bench"
	"basalt/bench/proc"
)

type benchStartupCmd struct {
	Model   string `arg:"" help:"Model: a directory with safetensors, or a .gguf file."`
	Repeats int    `default:"5" help:"Starts; medians count."`
	JSON    bool   `help:"Print one JSON object."`
}

// start is one start of a server, times since exec.
type start struct {
	ready, first time.Duration
	phases       []span
}

type span struct {
	name        string
	began, took time.Duration
}

// Run starts servers one after the other.
func (c *benchStartupCmd) Run(ctx context.Context) error {
	if c.Repeats < 1 {
		return fmt.Errorf("--repeats %d: at least one start is needed", c.Repeats)
	}
	var starts []start
	for range c.Repeats {
		s, err := c.start(ctx)
		if err != nil {
			return err
		}
		starts = append(starts, s)
	}
	ready := ranked(starts, func(s start) time.Duration { return s.ready })
	first := ranked(starts, func(s start) time.Duration { return s.first })
	r := &bench.Result{What: "start of a server with " + modelName(c.Model)}
	r.AddCost("ready", "ms", millis(ready[len(ready)/2]))
	r.AddCost("ready, slowest", "ms", millis(ready[len(ready)-1]))
	r.AddCost("first answer", "ms", millis(first[len(first)/2]))
	if err := write(r, nil, c.JSON); err != nil || c.JSON {
		return err
	}
	var bytes int64 // of a directory, nobody counts them
	if info, err := os.Stat(c.Model); err == nil && info.Mode().IsRegular() {
		bytes = info.Size()
	}
	return printPhases(os.Stdout, starts, bytes)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (c *benchStartupCmd) start(ctx context.Context) (start, error) {
	s, err := startSelf(ctx, c.Model, "info")
	if err != nil {
		return start{}, err
	}
	took, err := s.FirstAnswer(ctx)
	if err = errors.Join(err, s.Stop()); err != nil {
		return start{}, err
	}
	return start{s.Ready, took, readPhases(s)}, nil
}

// readPhases takes the phases from the server's log, and adds what lies before and behind them.
func readPhases(s *proc.Server) []span {
	var spans []span
	for line := range bytes.Lines(s.Log()) {
		var entry struct {
			Msg    string  `json:"msg"`
			Phases []phase `json:"phases"`
		}
		if json.Unmarshal(line, &entry) != nil || entry.Msg != readyLine {
			continue
		}
		for _, p := range entry.Phases {
			spans = append(spans, span{
				p.Name, time.UnixMicro(p.Began).Sub(s.Began),
				time.Duration(p.Took) * time.Microsecond,
			})
		}
	}
	if len(spans) == 0 {
		return nil
	}
	slices.SortStableFunc(spans, func(a, b span) int { return int(a.began - b.began) })
	spans = slices.Insert(spans, 0, span{"exec to flags read", 0, spans[0].began})
	last := spans[len(spans)-1]
	answers := last.began + last.took
	return append(spans, span{"first 200 of /health", answers, s.Ready - answers})
}

// ranked gives one time of each start, sorted.
func ranked(starts []start, of func(start) time.Duration) []time.Duration {
	var all []time.Duration
	for _, s := range starts {
		all = append(all, of(s))
	}
	slices.Sort(all)
	return all
}

// printPhases prints medians of the phases that the first start has; phases may overlap. bytes is
// the size of the model's file.
func printPhases(w io.Writer, starts []start, bytes int64) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  phase\tbegins, ms\ttakes, ms")
	for _, p := range starts[0].phases {
		began := ranked(starts, func(s start) time.Duration { return s.find(p.name).began })
		times := ranked(starts, func(s start) time.Duration { return s.find(p.name).took })
		took := times[len(times)/2]
		fmt.Fprintf(t, "  %s\t%s\t%s", p.name, bench.Digits(millis(began[len(began)/2])),
			bench.Digits(millis(took)))
		if p.name == "pack weights" && bytes > 0 {
			fmt.Fprintf(t, "\t%s GB/s of the file", bench.Digits(float64(bytes)/took.Seconds()/1e9))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// find gives a phase by its name, an empty one if there is none.
func (s *start) find(name string) span {
	for _, p := range s.phases {
		if p.name == name {
			return p
		}
	}
	return span{}
}
