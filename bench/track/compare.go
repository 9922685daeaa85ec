package track

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"basalt/bench"
)

// WriteComparison prints a run against the last recorded one of each workload on the same class of
// machine. Runs of different hours cannot be told apart more finely than by their spreads: where
// these overlap there is no difference to be seen.
func WriteComparison(w io.Writer, run, record []Entry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "workload\tfigure\tnow\t[min - max]\trecorded\t[min - max]\tcommit\tchange\t")
	for i := range run {
		e := &run[i]
		last := Last(record, e.Machine, e.Workload, e.Commit)
		for _, name := range slices.Sorted(maps.Keys(e.Figures)) {
			v := e.Figures[name]
			fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t", e.Workload, name, bench.Digits(v.Median), v.Unit,
				v.ends())
			if last == nil || last.Figures[name].N == 0 {
				fmt.Fprintln(t, "\t\t\tnew\t")
				continue
			}
			old := last.Figures[name]
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", bench.Digits(old.Median), old.ends(), last.Commit,
				Change(v, old))
		}
	}
	return t.Flush()
}

func (v Value) ends() string {
	return bench.Digits(v.Min) + " - " + bench.Digits(v.Max)
}

// Change says in words what has become of a figure.
func Change(now, old Value) string {
	if now.Min <= old.Max && old.Min <= now.Max || old.Median <= 0 || now.Median <= 0 {
		return "no difference"
	}
	r, word := now.Median/old.Median, "better"
	if now.Lower {
		r = 1 / r
	}
	if r < 1 {
		r, word = 1/r, "worse"
	}
	return fmt.Sprintf("%s by %.0f %%", word, 100*(r-1))
}
