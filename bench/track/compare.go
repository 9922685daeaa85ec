package track

import (
	"fmt"
	"io"
	"text/tabwriter"

	"basalt/bench"
)

// WriteComparison prints a run as one table, against the last recorded run of each workload on the
// same class of machine. A figure's line has its parts (bench.TTFT50 and the others) beside it.
// Runs of different hours cannot be told apart more finely than by their spreads: where these
// overlap there is no difference to be seen.
func WriteComparison(w io.Writer, run, record []Entry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "workload\tfigure\tnow\t[min - max]\tTTFT p50 / p99\tTPOT p50 / p99\t"+
		"% of ceiling\trecorded\t[min - max]\tcommit\tchange\t")
	for i := range run {
		e := &run[i]
		last := Last(record, e.Machine, e.Workload, e.Commit)
		for _, name := range Names(e.Figures) {
			if _, _, part := Part(name); part {
				continue
			}
			v := e.Figures[name]
			fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\t%s\t%s\t", e.Workload, name,
				bench.Digits(v.Median), v.Unit, v.ends(), e.two(name, bench.TTFT50, bench.TTFT99),
				e.two(name, bench.TPOT50, bench.TPOT99), e.part(name, bench.Ceiling))
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

// part is the median of a figure's part in a few digits, or nothing where there is none.
func (e *Entry) part(name, part string) string {
	v, ok := e.Figures[name+": "+part]
	if !ok {
		return ""
	}
	return bench.Digits(v.Median)
}

// two are two times of a token, in ms.
func (e *Entry) two(name, first, second string) string {
	x, y := e.part(name, first), e.part(name, second)
	if x == "" && y == "" {
		return ""
	}
	return x + " / " + y + " ms"
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
