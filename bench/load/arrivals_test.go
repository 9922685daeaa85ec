package load

import (
	"math"
	"slices"
	"testing"
	"time"
)

// lowerGamma is the regularised lower incomplete gamma function P(a, x): its series, or the
// continued fraction of its complement (Abramowitz and Stegun 6.5.29 and 6.5.31).
func lowerGamma(a, x float64) float64 {
	if x <= 0 {
		return 0
	}
	lg, _ := math.Lgamma(a)
	scale := math.Exp(a*math.Log(x) - x - lg)
	if x < a+1 {
		term, sum := 1/a, 1/a
		for n := 1; n < 1000 && term > 1e-15*sum; n++ {
			term *= x / (a + float64(n))
			sum += term
		}
		return scale * sum
	}
	const terms = 200
	fraction := x + 2*terms + 1 - a
	for n := terms; n >= 1; n-- {
		fraction = x + float64(2*n-1) - a - float64(n)*(float64(n)-a)/fraction
	}
	return 1 - scale/fraction
}

func TestLowerGammaOfKnownValues(t *testing.T) {
	f := func(a, x, want float64) {
		t.Helper()
		if got := lowerGamma(a, x); math.Abs(got-want) > 1e-9 {
			t.Errorf("P(%g, %g) = %.12f, want %.12f", a, x, got, want)
		}
	}
	f(1, 0.7, 1-math.Exp(-0.7))
	f(1, 5, 1-math.Exp(-5))
	f(0.5, 0.3, math.Erf(math.Sqrt(0.3)))
	f(0.5, 4, math.Erf(2))
	f(2, 3, 1-4*math.Exp(-3))
}

// distance is the Kolmogorov-Smirnov statistic of intervals against a gamma distribution of mean 1,
// times the root of their number: 1.63 is exceeded with a probability of 1 %.
func distance(intervals []float64, shape float64) float64 {
	x := slices.Sorted(slices.Values(intervals))
	n, d := float64(len(x)), 0.0
	for i, v := range x {
		p := lowerGamma(shape, v*shape)
		d = max(d, math.Abs(p-float64(i)/n), math.Abs(p-float64(i+1)/n))
	}
	return d * math.Sqrt(n)
}

func intervals(at []time.Duration, rate float64) []float64 {
	var x []float64
	last := time.Duration(0)
	for _, t := range at {
		x = append(x, (t-last).Seconds()*rate)
		last = t
	}
	return x
}

func TestArrivalsAreGammaDistributed(t *testing.T) {
	const n, rate, limit = 3000, 50.0, 1.63
	for _, shape := range []float64{0.25, 0.5, 1, 3, 20} {
		for seed := range uint64(4) {
			at := Arrivals(n, rate, shape, seed)
			if d := distance(intervals(at, rate), shape); d > limit {
				t.Errorf("shape %g, seed %d: distance %.2f", shape, seed, d)
			}
			if got := at[n-1].Seconds(); math.Abs(got-n/rate) > 1e-6 || !slices.IsSorted(at) {
				t.Errorf("shape %g: the last arrival is at %.6f s", shape, got)
			}
			// The test tells the shapes apart.
			if d := distance(intervals(at, rate), shape*1.25); d < limit {
				t.Errorf("shape %g passes for %g: %.2f", shape, shape*1.25, d)
			}
		}
	}
}

func TestArrivalsAtTheEnds(t *testing.T) {
	f := func(n int, rate, burstiness float64, want ...time.Duration) {
		t.Helper()
		if got := Arrivals(n, rate, burstiness, 1); !slices.Equal(got, want) {
			t.Errorf("arrivals %v", got)
		}
	}
	inf := math.Inf(1)
	f(3, inf, 1, 0, 0, 0)
	f(4, 2, inf, 500*time.Millisecond, time.Second, 1500*time.Millisecond, 2*time.Second)
	f(1, 4, 1, 250*time.Millisecond)
	f(0, 1, 1)
	a, b := Arrivals(9, 1, 1, 7), Arrivals(9, 1, 1, 7)
	if !slices.Equal(a, b) || slices.Equal(a, Arrivals(9, 1, 1, 8)) {
		t.Error("arrivals do not follow the seed")
	}
}
