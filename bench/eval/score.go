package eval

import (
	"math"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Result is what a text was worth.
type Result struct {
	Chunks, Tokens int // tokens that were predicted
	Perplexity     Figure
	// Against compares with another model; nil when there was none.
	Against *Comparison
}

// Figure is a mean with its standard error.
type Figure struct{ Value, Error float64 }

// Comparison says how far a model's distributions are from the other's.
type Comparison struct {
	Perplexity Figure // of the other model
	Ratio      Figure // of the perplexities, the model's to the other's
	KL         Figure // divergence in nats, mean
	// KLMedian, KL99 and KLMax are quantiles of the divergence.
	KLMedian, KL99, KLMax float64
	SameTop               Figure  // share of positions at which both find the same id most likely
	RMSProb               float64 // root mean square change of the next id's probability
}

// row is one position: the logits there, the other model's or nil, and the id that follows.
type row struct {
	logits, other []float32
	next          int32
	score         score
}

// score is what one position adds.
type score struct {
	nll, otherNLL float64 // negative log-likelihood of the next id
	kl            float64
	same          bool
}

// sums collects scores in the order of the text.
type sums struct {
	nll, otherNLL, ratio, same, change moments
	kl                                 []float64
}

// moments sums values and their squares.
type moments struct {
	n           int
	sum, square float64
}

func (m *moments) add(x float64) {
	m.n++
	m.sum += x
	m.square += x * x
}

func (m *moments) mean() float64 { return m.sum / float64(max(m.n, 1)) }

// figure is the mean with the standard error of independent values.
func (m *moments) figure() Figure {
	mean := m.mean()
	variance := m.square/float64(max(m.n, 1)) - mean*mean
	return Figure{mean, math.Sqrt(max(variance, 0) / float64(max(m.n-1, 1)))}
}

// exp is exp of the mean, with the error that follows.
func (m *moments) exp() Figure {
	f := m.figure()
	return Figure{math.Exp(f.Value), math.Exp(f.Value) * f.Error}
}

// add scores rows on all processors and sums them in order.
func (s *sums) add(rows []row) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(goruntime.GOMAXPROCS(0), len(rows)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(rows)); i = next.Add(1) - 1 {
				rows[i].score = rows[i].compute()
			}
		})
	}
	wg.Wait()
	for i := range rows {
		x := rows[i].score
		s.nll.add(x.nll)
		if rows[i].other == nil {
			continue
		}
		s.otherNLL.add(x.otherNLL)
		s.ratio.add(x.nll - x.otherNLL)
		s.change.add(math.Exp(-x.nll) - math.Exp(-x.otherNLL))
		s.kl = append(s.kl, x.kl)
		same := 0.0
		if x.same {
			same = 1
		}
		s.same.add(same)
	}
}

func (r *row) compute() score {
	top, norm := logSum(r.logits)
	x := score{nll: norm - float64(r.logits[r.next])}
	if r.other == nil {
		return x
	}
	otherTop, otherNorm := logSum(r.other)
	x.otherNLL, x.same = otherNorm-float64(r.other[r.next]), top == otherTop
	for i, logit := range r.other {
		p := float64(logit) - otherNorm
		x.kl += math.Exp(p) * (p - float64(r.logits[i]) + norm)
	}
	x.kl = max(x.kl, 0) // below it by rounding only
	return x
}

// logSum gives the first of the greatest logits and the logarithm of the sum of all exponentials.
func logSum(logits []float32) (top int, norm float64) {
	for i, x := range logits {
		if x > logits[top] {
			top = i
		}
	}
	greatest, sum := float64(logits[top]), 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x) - greatest)
	}
	return top, greatest + math.Log(sum)
}

func (s *sums) result(chunks int, compared bool) Result {
	r := Result{Chunks: chunks, Tokens: s.nll.n, Perplexity: s.nll.exp()}
	if !compared || len(s.kl) == 0 {
		return r
	}
	var kl moments
	for _, x := range s.kl {
		kl.add(x)
	}
	sorted := slices.Sorted(slices.Values(s.kl))
	quantile := func(q float64) float64 { return sorted[int(q*float64(len(sorted)-1)+0.5)] }
	r.Against = &Comparison{
		Perplexity: s.otherNLL.exp(), Ratio: s.ratio.exp(), KL: kl.figure(),
		KLMedian: quantile(0.5), KL99: quantile(0.99), KLMax: quantile(1),
		SameTop: s.same.figure(),
		RMSProb: math.Sqrt(s.change.square / float64(max(s.change.n, 1))),
	}
	return r
}
