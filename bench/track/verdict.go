package track

import (
	"fmt"
	"math"
	"slices"
)

// Verdict is what pairs of measurements say of a change.
type Verdict struct {
	N           int
	Ratio       float64 // median of how many times better the new one is
	Least, Most float64 // 95 % confidence interval of that median
	Text        string  // "no difference", "better by 5.0 %", "worse by 3.2 %", "too few rounds"
	Worse       bool
}

// smallest is the least change that is worth a word.
const smallest = 0.01

// Judge compares pairs: new[i] was measured beside old[i]. A difference is told only where the
// confidence interval of the median ratio, by the order statistics of the sign test, leaves out 1;
// it assumes nothing about how the noise is distributed, but that the pairs are independent. Fewer
// than 6 pairs cannot reach 95 %.
func Judge(old, new []float64, lower bool) Verdict {
	var logs []float64
	for i := range old {
		if old[i] > 0 && new[i] > 0 {
			r := math.Log(new[i] / old[i])
			if lower {
				r = -r
			}
			logs = append(logs, r)
		}
	}
	v := Verdict{N: len(logs), Ratio: math.NaN(), Least: math.NaN(), Most: math.NaN()}
	if v.N == 0 {
		v.Text = "nothing to compare"
		return v
	}
	slices.Sort(logs)
	v.Ratio = math.Exp((logs[(v.N-1)/2] + logs[v.N/2]) / 2)
	rank := signRank(v.N)
	if rank == 0 {
		v.Text = fmt.Sprintf("too few rounds (%d) to tell", v.N)
		return v
	}
	v.Least, v.Most = math.Exp(logs[rank-1]), math.Exp(logs[v.N-rank])
	switch {
	case v.Least > 1 && v.Ratio > 1+smallest:
		v.Text = fmt.Sprintf("better by %.1f %%", 100*(v.Ratio-1))
	case v.Most < 1 && v.Ratio < 1/(1+smallest):
		v.Text = fmt.Sprintf("worse by %.1f %%", 100*(1/v.Ratio-1))
		v.Worse = true
	default:
		v.Text = "no difference"
	}
	return v
}

// signRank is the greatest k for which the k-th least and k-th greatest of n values hold the median
// between them with a probability of 95 %; 0 when there is none.
func signRank(n int) int {
	// P(fewer than k of n fall below the median) = sum of C(n, i) / 2^n for i < k.
	tail, term, rank := 0.0, math.Pow(0.5, float64(n)), 0
	for k := 1; 2*k <= n; k++ {
		tail += term
		if 2*tail > 0.05 {
			break
		}
		rank = k
		term *= float64(n-k+1) / float64(k)
	}
	return rank
}
