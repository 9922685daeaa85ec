package page

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"

	"basalt/bench"
	"basalt/bench/track"
)

func names(figures map[string]track.Value) []string { return slices.Sorted(maps.Keys(figures)) }

func ofMachine(record []track.Entry, machine string) []track.Entry {
	return slices.DeleteFunc(slices.Clone(record), func(e track.Entry) bool {
		return e.Machine != machine
	})
}

// machine is one class of machine on the page.
type machine struct {
	Name   string
	Charts []template.HTML
	Rows   []row
}

// row is a line of the table: a figure's last two recorded values.
type row struct {
	Workload, Figure, Unit, Direction string
	Commit, Date, Median, Ends        string
	Before, Command                   string
}

// Write writes the page. It loads nothing: style, plots and numbers are in the one file.
func Write(w io.Writer, record []track.Entry) error {
	if len(record) == 0 {
		return errors.New("the record is empty: there is nothing to show")
	}
	var machines []machine
	for _, e := range record {
		if !slices.ContainsFunc(machines, func(m machine) bool { return m.Name == e.Machine }) {
			machines = append(machines, newMachine(record, e.Machine))
		}
	}
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("BUG: %w", err)
	}
	return t.Execute(w, machines)
}

func newMachine(record []track.Entry, name string) machine {
	m := machine{Name: name}
	own := ofMachine(record, name)
	for _, s := range seriesOf(own) {
		m.Charts = append(m.Charts, template.HTML(chartSVG(&s))) // its texts are escaped there
		m.Rows = append(m.Rows, newRow(&s, own))
	}
	return m
}

func newRow(s *series, record []track.Entry) row {
	n := len(s.values)
	last := s.values[n-1]
	r := row{
		Workload: s.workload, Figure: s.figure, Unit: last.Unit, Direction: "more is better",
		Commit: s.commits[n-1], Date: s.dates[n-1], Median: bench.Digits(last.Median),
		Ends: bench.Digits(last.Min) + " - " + bench.Digits(last.Max),
	}
	if last.Lower {
		r.Direction = "less is better"
	}
	if n > 1 {
		before := s.values[n-2]
		r.Before = fmt.Sprintf("%s at %s: %s", bench.Digits(before.Median), s.commits[n-2],
			track.Change(last, before))
	}
	for _, e := range record {
		if e.Workload == s.workload {
			r.Command = e.Command
		}
	}
	return r
}

const pageTemplate = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Basalt: speed over commits</title>
<style>
:root { --ink: #1c1f24; --muted: #6d747d; --rule: #d5d9de; --paper: #ffffff; --series: #1f6fb2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e9ec; --muted: #9aa1aa; --rule: #3a4048; --paper: #15181c; --series: #5aa9e6; }
}
body { margin: 0 auto; max-width: 92rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.charts { display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
svg { width: 100%; height: auto; border: 1px solid var(--rule); border-radius: 6px; }
text { font: 12px system-ui, sans-serif; fill: var(--ink); } text.muted { fill: var(--muted); }
line.muted { stroke: var(--rule); stroke-width: 1; }
line.series { stroke: var(--series); stroke-width: 2; } circle.series { fill: var(--series); }
.band { fill: var(--series); opacity: .18; }
.table { overflow-x: auto; }
table { border-collapse: collapse; margin-top: 1rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule); text-align: left;
  white-space: nowrap; }
td.n { text-align: right; } small { color: var(--muted); }
</style>
</head>
<body>
<h1>Basalt: speed over commits</h1>
<p>Medians; the band reaches from the least to the greatest round. Every figure is printed by the
command beside it. Figures of different classes of machine are not comparable.</p>
{{range .}}<section>
<h2>{{.Name}}</h2>
<div class="charts">
{{range .Charts}}{{.}}{{end}}</div>
<div class="table"><table>
<thead><tr><th>workload</th><th>figure</th><th>median</th><th>least - greatest</th><th>commit</th>
<th>date</th><th>before</th><th>command</th></tr></thead>
<tbody>
{{range .Rows}}<tr><td>{{.Workload}}</td><td>{{.Figure}} <small>{{.Direction}}</small></td>
<td class="n">{{.Median}} {{.Unit}}</td><td class="n">{{.Ends}}</td><td>{{.Commit}}</td>
<td>{{.Date}}</td><td>{{.Before}}</td><td><code>{{.Command}}</code></td></tr>
{{end}}</tbody></table></div>
</section>
{{end}}</body>
</html>
`
