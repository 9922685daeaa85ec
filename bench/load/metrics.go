package load

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// SLO are limits in milliseconds that a good request keeps; 0 sets none.
type SLO struct{ TTFT, TPOT, E2EL float64 }

// ParseSLO reads pairs such as ttft:200,tpot:50,e2el:5000, as vLLM's --goodput does.
func ParseSLO(pairs []string) (SLO, error) {
	var s SLO
	for _, pair := range pairs {
		name, text, _ := strings.Cut(pair, ":")
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v > 0) || math.IsInf(v, 0) {
			return s, fmt.Errorf("limit %q: it must be a name, a colon and milliseconds", pair)
		}
		switch name {
		case "ttft":
			s.TTFT = v
		case "tpot":
			s.TPOT = v
		case "e2el":
			s.E2EL = v
		default:
			return s, fmt.Errorf("limit %q: there are ttft, tpot and e2el", pair)
		}
	}
	return s, nil
}

// Quantity is a distribution of times, in milliseconds.
type Quantity struct {
	histogram *hdrhistogram.Histogram // nanoseconds
	sum, sum2 float64                 // of milliseconds, and of their squares
	n         int
}

const (
	longest = int64(24 * time.Hour)
	digits  = 3 // a percentile is exact to a thousandth
)

func newQuantity() *Quantity {
	return &Quantity{histogram: hdrhistogram.New(1, longest, digits)}
}

func (q *Quantity) add(ns int64) {
	ns = min(max(ns, 0), longest)
	if err := q.histogram.RecordValue(ns); err != nil {
		panic("BUG: " + err.Error())
	}
	ms := float64(ns) / 1e6
	q.n, q.sum, q.sum2 = q.n+1, q.sum+ms, q.sum2+ms*ms
}

// N is the number of values.
func (q *Quantity) N() int { return q.n }

// Mean is 0 where there are no values, as are Std and Percentile.
func (q *Quantity) Mean() float64 {
	if q.n == 0 {
		return 0
	}
	return q.sum / float64(q.n)
}

// Std is the standard deviation of the values as a population.
func (q *Quantity) Std() float64 {
	if q.n == 0 {
		return 0
	}
	mean := q.Mean()
	return math.Sqrt(max(0, q.sum2/float64(q.n)-mean*mean))
}

// Percentile lies between the two values nearest to rank p/100 (n-1), as numpy.percentile does.
func (q *Quantity) Percentile(p float64) float64 {
	if q.n == 0 {
		return 0
	}
	at := min(max(p, 0), 100) / 100 * float64(q.n-1)
	low := int(at)
	a, b := q.ranked(low), q.ranked(min(low+1, q.n-1))
	return (a + (b-a)*(at-float64(low))) / 1e6
}

// ranked is the value in nanoseconds that so many do not exceed, as exact as the histogram is.
func (q *Quantity) ranked(rank int) float64 {
	return float64(q.histogram.ValueAtPercentile(100 * float64(rank+1) / float64(q.n)))
}

// Metrics sum a run up by the definitions of vLLM's serving benchmark. Times run from a request's
// start: TTFT to its first token, E2EL to its last; TPOT is (E2EL - TTFT) / (tokens - 1) of a
// request of several tokens; ITL are the gaps between chunks of all requests.
type Metrics struct {
	Completed, Failed int
	Attempts          int // failed attempts, those of requests that a retry answered too
	Input, Output     int // tokens of the completed requests
	Cached            int
	Duration          time.Duration

	RequestThroughput, Goodput            float64 // requests a second
	OutputThroughput, TotalThroughput     float64 // tokens a second
	PeakOutput                            float64 // tokens in the best second
	PeakConcurrent                        int
	TTFT, TPOT, ITL, E2EL, Queue, WithAll *Quantity // WithAll is E2EL and the wait for a client
	Lag                                   *Quantity // how late the generator itself was
	SLO                                   SLO
	ErrorTexts                            []string // the first ten different ones
	errors                                map[string]int
}

// Summarise computes a run's metrics.
func (r *Record) Summarise(slo SLO) *Metrics {
	m := &Metrics{
		Duration: r.Duration, SLO: slo, TTFT: newQuantity(), TPOT: newQuantity(),
		ITL: newQuantity(), E2EL: newQuantity(), Queue: newQuantity(), WithAll: newQuantity(),
		Lag: newQuantity(), errors: make(map[string]int),
	}
	good := 0
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		m.Attempts += o.Failures
		if o.Err != "" {
			m.Failed++
			if m.errors[o.Err]++; m.errors[o.Err] == 1 && len(m.ErrorTexts) < 10 {
				m.ErrorTexts = append(m.ErrorTexts, o.Err)
			}
			continue
		}
		if m.add(o) {
			good++
		}
	}
	seconds := r.Duration.Seconds()
	m.RequestThroughput, m.Goodput = float64(m.Completed)/seconds, float64(good)/seconds
	m.OutputThroughput = float64(m.Output) / seconds
	m.TotalThroughput = float64(m.Input+m.Output) / seconds
	m.PeakOutput, m.PeakConcurrent = peaks(r.Outcomes)
	return m
}

// add counts a completed request, and says whether it keeps the limits.
func (m *Metrics) add(o *Outcome) bool {
	m.Completed++
	m.Input, m.Output, m.Cached = m.Input+o.Input, m.Output+o.Output, m.Cached+o.Cached
	first, last := o.Chunks[0]-int64(o.Start), o.Chunks[len(o.Chunks)-1]-int64(o.Start)
	m.TTFT.add(first)
	m.E2EL.add(last)
	m.Queue.add(int64(o.Queue))
	m.WithAll.add(last + int64(o.Queue))
	m.Lag.add(int64(o.Lag))
	tpot := int64(0)
	if o.Output > 1 {
		tpot = (last - first) / int64(o.Output-1)
		m.TPOT.add(tpot)
	}
	for i := 1; i < len(o.Chunks); i++ {
		m.ITL.add(o.Chunks[i] - o.Chunks[i-1])
	}
	keeps := func(ns int64, limit float64) bool { return limit == 0 || float64(ns)/1e6 <= limit }
	return keeps(first, m.SLO.TTFT) && keeps(tpot, m.SLO.TPOT) && keeps(last, m.SLO.E2EL)
}

// peaks are the chunks of the best second, in seconds counted from the first start, and the
// greatest number of requests that ran at the same time.
func peaks(outcomes []Outcome) (tokens float64, requests int) {
	type edge struct {
		at    int64
		delta int
	}
	var edges []edge
	origin := int64(math.MaxInt64)
	for i := range outcomes {
		if o := &outcomes[i]; o.Err == "" {
			origin = min(origin, int64(o.Start))
			edges = append(edges, edge{int64(o.Start), 1}, edge{o.Chunks[len(o.Chunks)-1], -1})
		}
	}
	seconds := make(map[int64]float64)
	for i := range outcomes {
		if outcomes[i].Err != "" {
			continue
		}
		for _, at := range outcomes[i].Chunks {
			seconds[(at-origin)/int64(time.Second)]++
		}
	}
	for _, n := range seconds {
		tokens = max(tokens, n)
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return a.delta - b.delta
	})
	running := 0
	for _, e := range edges {
		running += e.delta
		requests = max(requests, running)
	}
	return tokens, requests
}
