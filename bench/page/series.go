package page

import (
	"fmt"
	"strings"

	"basalt/bench"
	"basalt/bench/track"
)

// series is one figure of one workload over commits.
type series struct {
	workload, figure string
	commits          []string
	dates            []string
	values           []track.Value
}

// seriesOf sorts a record into one series for each workload and figure, in the order in which they
// first appear.
func seriesOf(record []track.Entry) []series {
	var all []series
	index := make(map[[2]string]int)
	for _, e := range record {
		for _, name := range track.Names(e.Figures) {
			key := [2]string{e.Workload, name}
			i, ok := index[key]
			if !ok {
				i = len(all)
				index[key] = i
				all = append(all, series{workload: e.Workload, figure: name})
			}
			s := &all[i]
			s.commits = append(s.commits, e.Commit)
			s.dates = append(s.dates, e.Date.Format("2006-01-02"))
			s.values = append(s.values, e.Figures[name])
		}
	}
	return all
}

// charted says whether a figure has a chart of its own: comparisons with peers and parts of figures
// are in others.
func (s *series) charted() bool {
	_, _, part := track.Part(s.figure)
	return !part && !strings.HasPrefix(s.workload, "peers/") &&
		!strings.HasPrefix(s.figure, "machine: ")
}

func (s *series) title() string   { return s.workload + ": " + s.figure }
func (s *series) height() float64 { return chartHeight }

func (s *series) draw(c canvas, x, y float64) {
	greatest := 0.0
	for _, v := range s.values {
		greatest = max(greatest, v.Max)
	}
	p := newPlot(c, x, y, chartHeight, scale{greatest: 1}, linear(greatest))
	last := s.values[len(s.values)-1]
	c.text(point{x + 8, y + 18}, anchorStart, s.title(), styleInk)
	c.text(point{p.right, y + 18}, anchorEnd, bench.Digits(last.Median)+" "+last.Unit, styleInk)
	p.levels()
	s.drawValues(p)
	c.text(point{p.left, p.bottom + 16}, anchorStart, s.commits[0], styleMuted)
	if n := len(s.commits); n > 1 {
		c.text(point{p.right, p.bottom + 16}, anchorEnd, s.commits[n-1], styleMuted)
	}
}

// at is where value v of commit i lies.
func (s *series) at(p *plot, i int, v float64) point {
	across := 0.02
	if n := len(s.values); n > 1 {
		across += 0.96 * float64(i) / float64(n-1)
	}
	return p.at(across, v)
}

func (s *series) drawValues(p *plot) {
	var upper, lower, middle []point
	for i, v := range s.values {
		j := len(s.values) - 1 - i
		upper = append(upper, s.at(p, i, v.Max))
		lower = append(lower, s.at(p, j, s.values[j].Min))
		middle = append(middle, s.at(p, i, v.Median))
	}
	if len(s.values) == 1 { // an area needs a width
		p.area(box(upper[0].x-3, upper[0].y, upper[0].x+3, lower[0].y), styleBand)
	} else {
		p.area(append(upper, lower...), styleBand)
	}
	p.path(middle, styleSeries)
	for i, v := range s.values {
		p.dot(middle[i], fmt.Sprintf("%s, %s: %s %s [%s - %s]", s.commits[i], s.dates[i],
			bench.Digits(v.Median), v.Unit, bench.Digits(v.Min), bench.Digits(v.Max)), styleSeries)
	}
}
