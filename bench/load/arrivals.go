package load

import (
	"math"
	"math/rand/v2"
	"time"
)

// Arrivals are the times at which n sessions begin. Intervals are drawn from a gamma distribution
// of shape burstiness and mean 1/rate: 1 is a Poisson process, less is burstier, infinite is even.
// The times are then scaled so that the last is at n/rate exactly, as vLLM's benchmark does. An
// infinite rate starts all at once.
func Arrivals(n int, rate, burstiness float64, seed uint64) []time.Duration {
	at := make([]time.Duration, n)
	if math.IsInf(rate, 1) || n == 0 {
		return at
	}
	rng := rand.New(rand.NewPCG(seed, streamArrivals))
	sums, sum := make([]float64, n), 0.0
	for i := range sums {
		if math.IsInf(burstiness, 1) {
			sum++
		} else {
			sum += gamma(rng, burstiness)
		}
		sums[i] = sum
	}
	total := float64(n) / rate * float64(time.Second)
	for i, s := range sums {
		at[i] = time.Duration(s / sum * total)
	}
	return at
}

// gamma draws from the gamma distribution of the given shape and scale 1: Marsaglia and Tsang, "A
// simple method for generating gamma variables", ACM TOMS 26 (2000).
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// Streams of random numbers, which do not depend on each other.
const (
	streamArrivals = iota + 1
	streamLengths
	streamPrompts
)
