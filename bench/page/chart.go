package page

import (
	"fmt"
	"math"

	"basalt/bench"
	"basalt/bench/track"
)

// style says what a mark means; each canvas has its own look for it.
type style string

const (
	styleInk    style = "ink"    // titles, values
	styleMuted  style = "muted"  // axes and their labels
	styleBand   style = "band"   // from the least to the greatest
	styleSeries style = "series" // medians
)

// anchor is the side of a text that its position names.
type anchor string

const (
	anchorStart anchor = "start"
	anchorEnd   anchor = "end"
)

// canvas is what a chart is drawn on. Positions are in pixels from the upper left corner; a text's
// is its base line.
type canvas interface {
	line(x1, y1, x2, y2 float64, s style)
	area(points []point, s style)
	dot(at point, tip string, s style)
	text(at point, a anchor, words string, s style)
}

type point struct{ x, y float64 }

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
		for _, name := range names(e.Figures) {
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

// Size of a chart, and its margins around the plot.
const (
	chartWidth   = 460
	chartHeight  = 190
	marginLeft   = 62
	marginRight  = 14
	marginTop    = 34
	marginBottom = 30
)

// draw puts a chart with its upper left corner at (x, y).
func (s *series) draw(c canvas, x, y float64) {
	left, right := x+marginLeft, x+chartWidth-marginRight
	top, bottom := y+marginTop, y+chartHeight-marginBottom
	last := s.values[len(s.values)-1]
	c.text(point{x + 8, y + 18}, anchorStart, s.workload+": "+s.figure, styleInk)
	value := bench.Digits(last.Median) + " " + last.Unit
	c.text(point{right, y + 18}, anchorEnd, value, styleInk)
	ticks := s.ticks()
	ceiling := ticks[len(ticks)-1]
	at := func(i int, v float64) point {
		step := 0.0
		if n := len(s.values); n > 1 {
			step = (right - left - 12) / float64(n-1)
		}
		return point{left + 6 + step*float64(i), bottom - v/ceiling*(bottom-top)}
	}
	for _, v := range ticks {
		level := at(0, v).y
		c.line(left, level, right, level, styleMuted)
		c.text(point{left - 5, level + 4}, anchorEnd, bench.Digits(v), styleMuted)
	}
	s.drawValues(c, at)
	c.text(point{left, bottom + 16}, anchorStart, s.commits[0], styleMuted)
	if len(s.commits) > 1 {
		c.text(point{right, bottom + 16}, anchorEnd, s.commits[len(s.commits)-1], styleMuted)
	}
}

func (s *series) drawValues(c canvas, at func(i int, v float64) point) {
	var upper, lower []point
	for i, v := range s.values {
		upper = append(upper, at(i, v.Max))
		lower = append(lower, at(len(s.values)-1-i, s.values[len(s.values)-1-i].Min))
	}
	if len(s.values) == 1 { // an area needs a width
		p, q := upper[0], lower[0]
		upper = []point{{p.x - 3, p.y}, {p.x + 3, p.y}}
		lower = []point{{q.x + 3, q.y}, {q.x - 3, q.y}}
	}
	c.area(append(upper, lower...), styleBand)
	for i, v := range s.values {
		p := at(i, v.Median)
		if i > 0 {
			q := at(i-1, s.values[i-1].Median)
			c.line(q.x, q.y, p.x, p.y, styleSeries)
		}
		c.dot(p, fmt.Sprintf("%s, %s: %s %s [%s - %s]", s.commits[i], s.dates[i],
			bench.Digits(v.Median), v.Unit, bench.Digits(v.Min), bench.Digits(v.Max)), styleSeries)
	}
}

// ticks are three round numbers from zero to above the greatest value: a scale that does not begin
// at zero makes noise look like news.
func (s *series) ticks() []float64 {
	greatest := 0.0
	for _, v := range s.values {
		greatest = max(greatest, v.Max)
	}
	if !(greatest > 0) || math.IsInf(greatest, 0) {
		greatest = 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(greatest)))
	for _, f := range []float64{1, 1.2, 1.5, 2, 3, 4, 5, 6, 8, 10, 12} {
		if f*unit >= greatest {
			return []float64{0, f * unit / 2, f * unit}
		}
	}
	panic("BUG: no round number is above a finite one")
}
