package page

import (
	"math"

	"basalt/bench"
)

// Size of a chart, and its margins around the plot. A chart is as wide as a telephone, so that its
// letters keep their size there.
const (
	chartWidth   = 360
	chartHeight  = 190
	marginLeft   = 52
	marginRight  = 14
	marginTop    = 34
	marginBottom = 30
)

// chart is drawn with its upper left corner at (x, y).
type chart interface {
	title() string
	height() float64
	draw(c canvas, x, y float64)
}

// scale maps values to the part of an axis that they lie at, from 0 to 1.
type scale struct {
	least, greatest float64
	log             bool
}

// linear is a scale from zero to a round number that is not below greatest: one that does not begin
// at zero makes noise look like news.
func linear(greatest float64) scale {
	ticks := ticks(greatest)
	return scale{greatest: ticks[len(ticks)-1]}
}

// decades is a logarithmic scale over whole powers of ten.
func decades(least, greatest float64) scale {
	s := scale{
		math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(greatest))),
		true,
	}
	if s.least == s.greatest {
		s.greatest *= 10
	}
	return s
}

func (s scale) at(v float64) float64 {
	if s.log {
		return math.Log(v/s.least) / math.Log(s.greatest/s.least)
	}
	return (v - s.least) / (s.greatest - s.least)
}

func (s scale) ticks() []float64 {
	if !s.log {
		return []float64{0, s.greatest / 2, s.greatest}
	}
	var all []float64
	for v := s.least; v < s.greatest*1.001; v *= 10 {
		all = append(all, v)
	}
	return all
}

// plot is the area of a chart in which values are drawn.
type plot struct {
	canvas
	left, right, top, bottom float64
	x, y                     scale
}

func newPlot(c canvas, x, y, height float64, across, up scale) *plot {
	return &plot{
		c, x + marginLeft, x + chartWidth - marginRight, y + marginTop, y + height - marginBottom,
		across, up,
	}
}

func (p *plot) at(x, y float64) point {
	return point{
		p.left + p.x.at(x)*(p.right-p.left), p.bottom - p.y.at(y)*(p.bottom-p.top),
	}
}

// levels draws the y axis: a line and a number for each tick.
func (p *plot) levels() {
	for _, v := range p.y.ticks() {
		level := p.bottom - p.y.at(v)*(p.bottom-p.top)
		p.line(p.left, level, p.right, level, styleMuted)
		p.text(point{p.left - 5, level + 4}, anchorEnd, bench.Digits(v), styleMuted)
	}
}

// below draws the numbers of the x axis, and its unit instead of the middle one.
func (p *plot) below(unit string) {
	ticks := p.x.ticks()
	y := p.bottom + 16
	p.text(point{p.left, y}, anchorStart, bench.Digits(ticks[0]), styleMuted)
	p.text(point{p.right, y}, anchorEnd, bench.Digits(ticks[len(ticks)-1]), styleMuted)
	p.text(point{(p.left + p.right) / 2, y}, anchorMiddle, unit, styleMuted)
}

// path joins points.
func (p *plot) path(points []point, s style) {
	for i := 1; i < len(points); i++ {
		p.line(points[i-1].x, points[i-1].y, points[i].x, points[i].y, s)
	}
}

// ticks are three round numbers from zero to above the greatest value.
func ticks(greatest float64) []float64 {
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
