package peers

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Spread is a median with the least and greatest value.
type Spread struct {
	N                int
	Median, Min, Max float64
}

// spread of values; of an even number the median is the mean of the middle two.
func spread(x []float64) Spread {
	if len(x) == 0 {
		return Spread{}
	}
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return Spread{N: n, Median: (x[(n-1)/2] + x[n/2]) / 2, Min: x[0], Max: x[n-1]}
}

// Line is one metric of one row.
type Line struct {
	Row, Metric, Unit string
	Lower             bool // less is better
	Basalt, Peer      Spread
	Ratio             Spread  // how many times better Basalt is, round by round
	ReadShare         float64 // of the bandwidth measured beside it, median; 0: says nothing
	PeakShare         float64 // of the peak measured beside it, median
	Others            float64 // processors that others used, median
}

// Filter says which samples a table takes.
type Filter struct {
	Build  string  // of Basalt's samples, with their rounds; empty takes all
	Peer   string  // beside whom; rounds with another are left out; empty: llama.cpp
	Others float64 // at most so many processors used by others; 0 takes all
}

// Lines sums samples up, in the order of the table of rows. A round in which one side is filtered
// out counts for neither.
func Lines(samples []Sample, filter Filter) []Line {
	peer := cmp.Or(filter.Peer, SideLlama)
	rounds := clean(samples, filter)
	var lines []Line
	for _, r := range AllRows() {
		for _, m := range r.metrics() {
			if l, ok := line(rounds[r.ID], peer, &r, m); ok {
				lines = append(lines, l)
			}
		}
	}
	return lines
}

// clean gives the samples of each row by round and side.
func clean(samples []Sample, filter Filter) map[string]map[int64]map[string]Sample {
	rows := make(map[string]map[int64]map[string]Sample)
	type key struct {
		row   string
		round int64
	}
	drop := make(map[key]bool)
	for _, s := range samples {
		k := key{s.Row, s.Round}
		if filter.Others > 0 && s.Others > filter.Others ||
			filter.Build != "" && s.Side == SideBasalt && s.Build != filter.Build ||
			s.Side != SideBasalt && s.Side != cmp.Or(filter.Peer, SideLlama) {
			drop[k] = true
		}
	}
	for _, s := range samples {
		if drop[key{s.Row, s.Round}] {
			continue
		}
		if rows[s.Row] == nil {
			rows[s.Row] = make(map[int64]map[string]Sample)
		}
		if rows[s.Row][s.Round] == nil {
			rows[s.Row][s.Round] = make(map[string]Sample)
		}
		rows[s.Row][s.Round][s.Side] = s
	}
	return rows
}

func line(rounds map[int64]map[string]Sample, peer string, r *Row, m metric) (Line,
	bool,
) {
	var ours, theirs, ratio, read, peak, others []float64
	for _, sides := range rounds {
		a, okA := sides[SideBasalt]
		b, okB := sides[peer]
		x, okX := a.Figures[m.name]
		y, okY := b.Figures[m.name]
		if okA && okX {
			ours, others = append(ours, x), append(others, a.Others)
			read = appendShare(read, a.Figures["GB/s"], a.Figures["read GB/s"])
			peak = appendShare(peak, a.Figures["GOP/s"], a.Figures["peak GOP/s"])
		}
		if okB && okY {
			theirs, others = append(theirs, y), append(others, b.Others)
		}
		if better, ok := times(x, y, m.lower); ok && okX && okY {
			ratio = append(ratio, better)
		}
	}
	l := Line{
		Row: r.ID, Metric: m.name, Unit: m.unit, Lower: m.lower, Basalt: spread(ours),
		Peer: spread(theirs), Ratio: spread(ratio), Others: spread(others).Median,
	}
	if len(r.metrics()) == 1 {
		l.ReadShare, l.PeakShare = spread(read).Median, spread(peak).Median
	}
	return l, len(ours) > 0
}

func appendShare(shares []float64, x, of float64) []float64 {
	if x == 0 || of == 0 {
		return shares
	}
	return append(shares, x/of)
}

// times says how many times better x is than y.
func times(x, y float64, lower bool) (float64, bool) {
	if lower {
		x, y = y, x
	}
	return x / y, x > 0 && y > 0
}

// WriteTable prints lines beside a peer of this name as a Markdown table, which also reads well in
// a terminal.
func WriteTable(w io.Writer, peer string, lines []Line) error {
	rows := [][]string{{
		"row", "", "Basalt", "[min - max]", "% of read", "% of peak", peer, "[min - max]",
		"times better", "[min - max]", "n",
	}}
	for i := range lines {
		rows = append(rows, lines[i].cells())
	}
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], len(cell))
		}
	}
	for i, r := range rows {
		if _, err := fmt.Fprintln(w, markdown(r, width)); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		rule := make([]string, len(width))
		for k, n := range width {
			rule[k] = strings.Repeat("-", n)
		}
		if _, err := fmt.Fprintln(w, markdown(rule, width)); err != nil {
			return err
		}
	}
	return nil
}

func markdown(cells []string, width []int) string {
	var b strings.Builder
	for i, c := range cells {
		pad := strings.Repeat(" ", width[i]-len(c))
		if i < 2 {
			c += pad
		} else {
			c = pad + c
		}
		b.WriteString("| " + c + " ")
	}
	return b.String() + "|"
}

func (l *Line) cells() []string {
	c := []string{l.Row, strings.TrimPrefix(l.Metric+", "+l.Unit, "rate, ")}
	c = append(c, l.Basalt.cells(plain)...)
	c = append(c, share(l.ReadShare), share(l.PeakShare))
	c = append(c, l.Peer.cells(plain)...)
	c = append(c, l.Ratio.cells(func(x float64) string { return fmt.Sprintf("%.2f", x) })...)
	return append(c, fmt.Sprint(cmp.Or(l.Ratio.N, l.Basalt.N)))
}

func (s Spread) cells(format func(float64) string) []string {
	if s.N == 0 {
		return []string{"", ""}
	}
	return []string{format(s.Median), format(s.Min) + " - " + format(s.Max)}
}

// plain shows about three digits.
func plain(x float64) string {
	switch {
	case x >= 100 || x == float64(int(x)):
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func share(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", 100*x)
}

// Heads say what a table's figures rest on: machine, builds, days.
func Heads(samples []Sample, filter Filter) []string {
	var machines, ours, theirs, days []string
	note := func(list []string, s string) []string {
		if slices.Contains(list, s) || s == "" {
			return list
		}
		return append(list, s)
	}
	for _, rounds := range clean(samples, filter) {
		for _, sides := range rounds {
			for _, s := range sides {
				machines = note(machines, s.Machine)
				days = note(days, s.Time.Format("2006-01-02"))
				if s.Side == SideBasalt {
					ours = note(ours, s.Build)
				} else {
					theirs = note(theirs, s.Build+"; "+s.System)
				}
			}
		}
	}
	var heads []string
	for _, h := range []struct {
		title string
		list  []string
	}{
		{"machine", machines},
		{"basalt", ours},
		{cmp.Or(filter.Peer, SideLlama), theirs},
		{"measured", days},
	} {
		slices.Sort(h.list)
		for _, s := range h.list {
			heads = append(heads, h.title+": "+s)
		}
	}
	return heads
}
