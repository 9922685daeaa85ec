package page

import (
	"cmp"
	"fmt"
	"slices"

	"basalt/bench"
	"basalt/bench/track"
)

// curve is the latency of a server over its throughput, as more and more clients load it: what
// bench sweep measures.
type curve struct {
	workload, commit string
	what             string // TTFT or TPOT
	loads            []load // by clients
}

// load is what so many clients saw.
type load struct {
	clients        int
	rate, p50, p99 float64 // tok/s; ms
}

// curvesOf finds the newest curves of each workload that has figures called "clients N".
func curvesOf(newest []track.Entry) []curve {
	var all []curve
	for i := range newest {
		e := &newest[i]
		for _, parts := range [][3]string{
			{"TPOT", bench.TPOT50, bench.TPOT99}, {"TTFT", bench.TTFT50, bench.TTFT99},
		} {
			c := curve{workload: e.Workload, commit: e.Commit, what: parts[0]}
			c.loads = loadsOf(e, parts[1], parts[2])
			if len(c.loads) > 1 {
				all = append(all, c)
			}
		}
	}
	return all
}

func loadsOf(e *track.Entry, p50, p99 string) []load {
	var loads []load
	for name, v := range e.Figures {
		var n int
		if _, err := fmt.Sscanf(name, "clients %d", &n); err != nil ||
			name != fmt.Sprintf("clients %d", n) {
			continue
		}
		loads = append(loads, load{
			n, v.Median, e.Figures[name+": "+p50].Median, e.Figures[name+": "+p99].Median,
		})
	}
	slices.SortFunc(loads, func(a, b load) int { return cmp.Compare(a.clients, b.clients) })
	return loads
}

func (v *curve) title() string {
	return fmt.Sprintf("%s: %s against throughput", v.workload, v.what)
}

func (v *curve) height() float64 { return chartHeight }

func (v *curve) draw(c canvas, x, y float64) {
	across, up := 0.0, 0.0
	for _, l := range v.loads {
		across, up = max(across, l.rate), max(up, l.p50, l.p99)
	}
	p := newPlot(c, x, y, chartHeight, linear(across*1.1), linear(up))
	c.text(point{x + 8, y + 18}, anchorStart, v.title(), styleInk)
	c.text(point{p.right - 52, y + 18}, anchorEnd, "p50", styleSeries)
	c.text(point{p.right, y + 18}, anchorEnd, "p99 ms", styleSecond)
	p.levels()
	p.below("tok/s of all clients, at " + v.commit)
	var middle, slow []point
	for _, l := range v.loads {
		middle = append(middle, p.at(l.rate, l.p50))
		slow = append(slow, p.at(l.rate, l.p99))
	}
	p.path(slow, styleSecond)
	p.path(middle, styleSeries)
	for i, l := range v.loads {
		tip := fmt.Sprintf("%d clients: %s tok/s, %s p50 %s ms, p99 %s ms", l.clients,
			bench.Digits(l.rate), v.what, bench.Digits(l.p50), bench.Digits(l.p99))
		p.dot(slow[i], tip, styleSecond)
		p.dot(middle[i], tip, styleSeries)
		beside := point{middle[i].x + 7, middle[i].y + 5}
		p.text(beside, anchorStart, fmt.Sprint(l.clients), styleMuted)
	}
}
