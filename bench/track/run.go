package track

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"basalt/bench"
)

// Exec runs a program to its end and gives what it printed.
type Exec func(ctx context.Context, argv []string) (stdout []byte, err error)

// measure runs one workload once.
func measure(ctx context.Context, exec Exec, program string, w *Workload) (*bench.Result, error) {
	out, err := exec(ctx, append([]string{program}, w.Args...))
	if err != nil {
		return nil, fmt.Errorf("workload %s: %w", w.Name, err)
	}
	r := new(bench.Result)
	if err := json.Unmarshal(out, r); err != nil {
		return nil, fmt.Errorf("cannot read the result of workload %s: %w", w.Name, err)
	}
	if len(r.Figures) == 0 {
		return nil, fmt.Errorf("workload %s has no figures", w.Name)
	}
	return r, nil
}

// Run measures the workloads, each rounds times, and sums them up. The rounds of all workloads take
// turns, so that a bad minute falls on one round of each. A round that fails (a machine too busy
// for a workload's clock) is logged and missing from the workload's figures; the error names the
// workloads that have none, beside the entries of the others.
func Run(ctx context.Context, exec Exec, program string, workloads []Workload, rounds int,
	log io.Writer,
) ([]Entry, error) {
	all, failed := make([]series, len(workloads)), make([]error, len(workloads))
	for round := range rounds {
		for i := range workloads {
			r, err := measure(ctx, exec, program, &workloads[i])
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				failed[i] = err
				fmt.Fprintf(log, "round %d of %d failed: %v\n", round+1, rounds, err)
				continue
			}
			all[i].add(r)
			fmt.Fprintf(log, "round %d of %d: %s\n", round+1, rounds, workloads[i].Name)
		}
	}
	now := time.Now().UTC().Truncate(time.Second)
	var entries []Entry
	for i := range all {
		if all[i].last != nil {
			entries, failed[i] = append(entries, all[i].entry(&workloads[i], now)), nil
		}
	}
	return entries, errors.Join(failed...)
}

func (s *series) entry(w *Workload, now time.Time) Entry {
	e := Entry{
		Commit: s.last.Version, Date: now, Machine: s.last.Machine, Workload: w.Name,
		Command: "basalt " + strings.Join(w.Args, " "), Figures: make(map[string]Value),
	}
	for _, f := range s.last.Figures {
		e.Figures[f.Name] = Summarise(s.values[f.Name], f.Unit, f.Lower)
	}
	return e
}

// series are the figures of one workload, round by round.
type series struct {
	last   *bench.Result
	values map[string][]float64
}

func (s *series) add(r *bench.Result) {
	if s.values == nil {
		s.values = make(map[string][]float64)
	}
	s.last = r
	for _, f := range r.Figures {
		s.values[f.Name] = append(s.values[f.Name], f.Value)
	}
}
