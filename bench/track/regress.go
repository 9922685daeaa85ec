package track

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"basalt/bench"
)

// Judged is the verdict on one figure of one workload.
type Judged struct {
	Workload, Figure, Unit string
	Old, New               Value
	Verdict                Verdict
}

// Regress runs two programs in turn, old, new, new, old, ..., and judges each figure. The order
// within a pair alternates, so that what grows or falls over time favours neither.
func Regress(ctx context.Context, exec Exec, oldProgram, newProgram string, workloads []Workload,
	rounds int, log io.Writer,
) ([]Judged, error) {
	var all []Judged
	for i := range workloads {
		w := &workloads[i]
		var before, after series
		for round := range rounds {
			first, second := oldProgram, newProgram
			if round%2 == 1 {
				first, second = second, first
			}
			a, err := measure(ctx, exec, first, w)
			if err != nil {
				return nil, err
			}
			b, err := measure(ctx, exec, second, w)
			if err != nil {
				return nil, err
			}
			if round%2 == 1 {
				a, b = b, a
			}
			before.add(a)
			after.add(b)
			fmt.Fprintf(log, "%s: pair %d of %d\n", w.Name, round+1, rounds)
		}
		for _, f := range after.last.Figures {
			x, y := before.values[f.Name], after.values[f.Name]
			if len(x) != len(y) {
				continue // the old program does not know this figure
			}
			all = append(all, Judged{
				Workload: w.Name, Figure: f.Name, Unit: f.Unit,
				Old: Summarise(x, f.Unit, f.Lower), New: Summarise(y, f.Unit, f.Lower),
				Verdict: Judge(x, y, f.Lower),
			})
		}
	}
	return all, nil
}

// WriteJudged prints the verdicts, and gives the number of figures that are worse.
func WriteJudged(w io.Writer, all []Judged) (worse int, err error) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "workload\tfigure\told\tnew\ttimes better\t95 % of medians\tpairs\tverdict\t")
	for _, j := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s %s\t%.3f\t%.3f - %.3f\t%d\t%s\t\n", j.Workload, j.Figure,
			bench.Digits(j.Old.Median), bench.Digits(j.New.Median), j.Unit, j.Verdict.Ratio,
			j.Verdict.Least, j.Verdict.Most, j.Verdict.N, j.Verdict.Text)
		if j.Verdict.Worse {
			worse++
		}
	}
	return worse, t.Flush()
}
