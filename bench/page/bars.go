package page

import (
	"fmt"
	"strings"

	"basalt/bench"
	"basalt/bench/track"
)

// bars show how many times better Basalt is than one peer, row by row.
type bars struct {
	peer string
	rows []bar
}

type bar struct {
	name    string
	commit  string
	ratio   track.Value
	figures string // of both, in words
}

const barHeight = 17

// barsOf finds the newest comparisons with each peer (workloads "peers/ROW").
func barsOf(newest []track.Entry) []bars {
	var all []bars
	for i := range newest {
		e := &newest[i]
		row, ok := strings.CutPrefix(e.Workload, "peers/")
		if !ok {
			continue
		}
		for _, name := range track.Names(e.Figures) {
			if metric, than, found := strings.Cut(name, ", times better"); found {
				all = addBar(all, row, metric, strings.TrimPrefix(than, " than "), e)
			}
		}
	}
	return all
}

func addBar(all []bars, row, metric, peer string, e *track.Entry) []bars {
	than := ""
	if peer == "" {
		peer = "llama.cpp"
	} else {
		than = " than " + peer
	}
	own, other := e.Figures[metric], e.Figures[metric+", "+peer]
	b := bar{name: row, commit: e.Commit, ratio: e.Figures[metric+", times better"+than]}
	if metric != "rate" {
		b.name += " " + metric
	}
	b.figures = fmt.Sprintf("Basalt %s, %s %s %s", bench.Digits(own.Median), peer,
		bench.Digits(other.Median), own.Unit)
	for i := range all {
		if all[i].peer == peer {
			all[i].rows = append(all[i].rows, b)
			return all
		}
	}
	return append(all, bars{peer, []bar{b}})
}

func (b *bars) title() string { return "times better than " + b.peer }

func (b *bars) height() float64 {
	return marginTop + marginBottom + barHeight*float64(len(b.rows))
}

// Room left of the bars for the names of rows, and right of them for numbers.
const (
	barNames   = 176
	barNumbers = 40
	mostTimes  = 5 // longer bars are cut
)

func (b *bars) draw(c canvas, x, y float64) {
	left, right := x+barNames, x+chartWidth-barNumbers
	c.text(point{x + 8, y + 18}, anchorStart, b.title(), styleInk)
	at := func(times float64) float64 { return left + (right-left)*min(times, mostTimes)/mostTimes }
	top, bottom := y+marginTop, y+b.height()-marginBottom
	for times := range mostTimes + 1 {
		c.line(at(float64(times)), top, at(float64(times)), bottom, styleMuted)
		c.text(point{at(float64(times)), bottom + 16}, anchorMiddle, fmt.Sprint(times), styleMuted)
	}
	for i, r := range b.rows {
		upper := top + barHeight*float64(i)
		middle, s := upper+barHeight/2, styleSeries
		if r.ratio.Median < 1 {
			s = styleSecond
		}
		c.text(point{left - 6, middle + 4}, anchorEnd, r.name, styleInk)
		c.area(box(left, upper+3, at(r.ratio.Median), upper+barHeight-3), s)
		c.line(at(r.ratio.Min), middle, at(r.ratio.Max), middle, styleInk)
		c.dot(point{at(r.ratio.Median), middle}, fmt.Sprintf("%s at %s: %s times [%s - %s], %s",
			r.name, r.commit, bench.Digits(r.ratio.Median), bench.Digits(r.ratio.Min),
			bench.Digits(r.ratio.Max), r.figures), s)
		c.text(point{right + 5, middle + 4}, anchorStart, bench.Digits(r.ratio.Median), styleInk)
	}
	c.line(at(1), top, at(1), bottom, styleInk)
}
