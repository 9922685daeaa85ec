package page

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"

	"basalt/bench"
	"basalt/bench/track"
)

func ofMachine(record []track.Entry, machine string) []track.Entry {
	return slices.DeleteFunc(slices.Clone(record), func(e track.Entry) bool {
		return e.Machine != machine
	})
}

// machine is one class of machine on the page.
type machine struct {
	Name   string
	Groups []group
	Rows   []row
}

// group is a heading with charts below it.
type group struct {
	Title  string
	Text   string
	charts []chart
}

// Charts are the group's as elements of the page; their texts are escaped in them.
func (g group) Charts() []template.HTML {
	var all []template.HTML
	for _, of := range g.charts {
		all = append(all, template.HTML(chartSVG(of)))
	}
	return all
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
	own := ofMachine(record, name)
	m := machine{Name: name, Groups: groupsOf(own)}
	for _, s := range seriesOf(own) {
		m.Rows = append(m.Rows, newRow(&s, own))
	}
	return m
}

// groupsOf are all charts of a machine's record; groups without a chart are left out.
func groupsOf(record []track.Entry) []group {
	newest := newestOf(record)
	var peers, latency, roofs, commits []chart
	for _, b := range barsOf(newest) {
		peers = append(peers, &b)
	}
	for _, c := range curvesOf(newest) {
		latency = append(latency, &c)
	}
	for _, r := range rooflinesOf(newest) {
		roofs = append(roofs, &r)
	}
	for _, s := range seriesOf(record) {
		if s.charted() {
			commits = append(commits, &s)
		}
	}
	all := []group{
		{"Beside its peers", "The same file, threads and prompts, in turn; a bar is the median " +
			"of paired runs, the thin line reaches from the least to the greatest.", peers},
		{"Throughput and latency", "One server, loaded by as many clients as the number at each " +
			"point says.", latency},
		{"Below the roofline", "Products of matrices; the upper line is what the memory and the " +
			"multipliers measured beside them allow.", roofs},
		{
			"Over commits", "Medians; the band reaches from the least to the greatest round.",
			commits,
		},
	}
	return slices.DeleteFunc(all, func(g group) bool { return len(g.charts) == 0 })
}

// newestOf are the last entries of each workload, in the order in which workloads first appear.
func newestOf(record []track.Entry) []track.Entry {
	var all []track.Entry
	for _, e := range record {
		i := slices.IndexFunc(all, func(o track.Entry) bool { return o.Workload == e.Workload })
		switch {
		case i < 0:
			all = append(all, e)
		case !e.Date.Before(all[i].Date):
			all[i] = e
		}
	}
	return all
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
<title>Basalt: measured speed</title>
<style>
:root { --ink: #1c1f24; --muted: #6d747d; --rule: #d5d9de; --paper: #ffffff; --series: #1f6fb2;
  --second: #c45d12; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e9ec; --muted: #9aa1aa; --rule: #3a4048; --paper: #15181c; --series: #5aa9e6;
    --second: #ef9a56; }
}
body { margin: 0 auto; max-width: 92rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
h3 { font-size: 1.05rem; margin-bottom: .2rem; } h3 + p { margin-top: 0; color: var(--muted); }
.charts { display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); align-items: start; }
svg { width: 100%; height: auto; border: 1px solid var(--rule); border-radius: 6px; }
text { font: 12px system-ui, sans-serif; fill: var(--ink); } text.muted { fill: var(--muted); }
line.muted { stroke: var(--rule); stroke-width: 1; }
line.ink { stroke: var(--ink); stroke-width: 1; }
line.series { stroke: var(--series); stroke-width: 2; } line.second { stroke: var(--second);
  stroke-width: 2; }
circle.series, polygon.series, text.series { fill: var(--series); }
circle.second, polygon.second, text.second { fill: var(--second); }
.band { fill: var(--series); opacity: .18; }
.table { overflow-x: auto; }
table { border-collapse: collapse; margin-top: 1rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule); text-align: left;
  white-space: nowrap; }
td.n { text-align: right; } small { color: var(--muted); }
</style>
</head>
<body>
<h1>Basalt: measured speed</h1>
<p>Every figure is printed by the command beside it in the table. Figures of different classes of
machine are not comparable.</p>
{{range .}}<section>
<h2>{{.Name}}</h2>
{{range .Groups}}<h3>{{.Title}}</h3>
<p>{{.Text}}</p>
<div class="charts">
{{range .Charts}}{{.}}{{end}}</div>
{{end}}<h3>All figures</h3>
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
