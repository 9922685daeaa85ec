package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"basalt/bench"
	"basalt/bench/track"
)

// roofline shows products of one format below what the machine could do at most: operations a
// second over operations for each byte of weights, both logarithmic (Williams, Waterman, Patterson:
// Roofline, 2009).
type roofline struct {
	workload, format, commit string
	products                 []product // by intensity
}

type product struct {
	name               string
	intensity          float64 // operations a byte
	reached, reachable float64 // GOP/s
}

// rooflinesOf finds the products of the newest runs, one chart for each format.
func rooflinesOf(newest []track.Entry) []roofline {
	var all []roofline
	for i := range newest {
		e := &newest[i]
		for _, name := range track.Names(e.Figures) {
			intensity, ok := e.Figures[name+": "+bench.Intensity]
			share, known := e.Figures[name+": "+bench.Ceiling]
			if !ok || !known || share.Median <= 0 {
				continue
			}
			v := e.Figures[name]
			gops := v.Median
			if v.Unit == "GB/s" {
				gops *= intensity.Median
			}
			format, _, _ := strings.Cut(name, ", ")
			all = addProduct(all, e, format, product{
				name, intensity.Median, gops, gops / share.Median * 100,
			})
		}
	}
	return all
}

func addProduct(all []roofline, e *track.Entry, format string, p product) []roofline {
	i := slices.IndexFunc(all, func(r roofline) bool {
		return r.workload == e.Workload && r.format == format
	})
	if i < 0 {
		i = len(all)
		all = append(all, roofline{workload: e.Workload, format: format, commit: e.Commit})
	}
	r := &all[i]
	r.products = append(r.products, p)
	slices.SortFunc(r.products, func(a, b product) int {
		return cmp.Compare(a.intensity, b.intensity)
	})
	return all
}

func (r *roofline) title() string {
	return fmt.Sprintf("%s: %s below its roofline", r.workload, r.format)
}

func (r *roofline) height() float64 { return chartHeight }

func (r *roofline) draw(c canvas, x, y float64) {
	last := len(r.products) - 1
	least, greatest := math.Inf(1), 0.0
	for _, p := range r.products {
		least, greatest = min(least, p.reached), max(greatest, p.reached, p.reachable)
	}
	p := newPlot(c, x, y, chartHeight,
		decades(r.products[0].intensity, r.products[last].intensity), decades(least, greatest))
	c.text(point{x + 8, y + 18}, anchorStart, r.title(), styleInk)
	c.text(point{p.right, y + 18}, anchorEnd, "GOP/s", styleMuted)
	p.levels()
	p.below("operations a byte, at " + r.commit)
	var roof, reached []point
	for _, o := range r.products {
		roof = append(roof, p.at(o.intensity, o.reachable))
		reached = append(reached, p.at(o.intensity, o.reached))
	}
	p.path(roof, styleSecond)
	p.path(reached, styleSeries)
	for i, o := range r.products {
		p.dot(reached[i], fmt.Sprintf("%s: %s of %s GOP/s, %.0f %%", o.name,
			bench.Digits(o.reached), bench.Digits(o.reachable), 100*o.reached/o.reachable),
			styleSeries)
	}
}
