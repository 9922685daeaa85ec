package models

import (
	"fmt"
	"math"

	"basalt/runtime"
)

// RopeScaling is what a configuration says about rotary positions; zero values are absent. Type is
// default, linear, dynamic, llama3 or yarn.
type RopeScaling struct {
	Type            string
	Theta           float64
	Partial         float64 // share of the head that is rotated
	Factor          float64
	Original        int // positions before scaling
	LowFreq         float64
	HighFreq        float64
	AttentionFactor float64
	MScale          float64
	MScaleAllDim    float64
	BetaFast        float64
	BetaSlow        float64
	Truncate        bool
	Divisors        []float32 // frequencies are divided by these first, from GGUF's rope_freqs
	Magnify         float64   // multiplies Scale last, from GGUF's attn_factor
}

// attr computes the frequencies as Hugging Face transformers does for the type: default, linear,
// dynamic (NTK), llama3, yarn (arXiv:2309.00071).
func (s *RopeScaling) attr(h runtime.Heads, maxContext int) (runtime.RoPEAttr, error) {
	a := runtime.RoPEAttr{Heads: h, Scale: 1}
	dim := int(float64(h.Dim) * s.Partial)
	if dim < 2 || dim > h.Dim || dim%2 != 0 || !(s.Theta > 1 && s.Theta < 1e30) {
		return a, fmt.Errorf("cannot rotate %d of %d numbers of a head with base %g", dim, h.Dim,
			s.Theta)
	}
	if s.Original == 0 {
		s.Original = maxContext
	}
	if err := s.check(dim); err != nil {
		return a, err
	}
	a.InvFreq = make([]float64, dim/2)
	for i := range a.InvFreq {
		a.InvFreq[i] = math.Pow(s.Theta, -2*float64(i)/float64(dim))
	}
	if err := s.divide(&a); err != nil {
		return a, err
	}
	s.scale(&a, dim, maxContext)
	a.Scale *= float32(first(s.Magnify, 1))
	return a, checkRotary(&a)
}

// check refuses settings that give no usable frequencies.
func (s *RopeScaling) check(dim int) error {
	switch s.Type {
	case "default":
		return nil
	case "linear", "dynamic", "llama3", "yarn":
	default:
		return fmt.Errorf("rope scaling %q is not supported; known are default, linear, dynamic, "+
			"llama3 and yarn", s.Type)
	}
	switch {
	case !(s.Factor >= 1 && s.Factor < 1e6):
		return fmt.Errorf("rope scaling %q has the factor %g; it must be at least 1", s.Type,
			s.Factor)
	case s.Original < 1 || s.Original > maxContext:
		return fmt.Errorf("rope scaling %q has an original context of %d", s.Type, s.Original)
	case s.Type == "llama3" && !(s.LowFreq > 0 && s.HighFreq > s.LowFreq):
		return fmt.Errorf("rope scaling llama3 has low_freq_factor %g and high_freq_factor %g",
			s.LowFreq, s.HighFreq)
	case s.Type == "dynamic" && dim < 4:
		return fmt.Errorf("rope scaling dynamic needs heads of 4 numbers or more, they have %d",
			dim)
	case s.Type == "yarn" && !(s.BetaFast > 0 && s.BetaSlow > 0):
		return fmt.Errorf("rope scaling yarn has beta_fast %g and beta_slow %g", s.BetaFast,
			s.BetaSlow)
	}
	return nil
}

// checkRotary proves that every angle and magnitude will be finite.
func checkRotary(a *runtime.RoPEAttr) error {
	if !(a.Scale > 0 && a.Scale < 1e6) {
		return fmt.Errorf("the rotary settings scale attention by %g", a.Scale)
	}
	for i, f := range a.InvFreq {
		if !(f > 0 && f <= 1e6) {
			return fmt.Errorf("the rotary settings give pair %d the frequency %g", i, f)
		}
	}
	return nil
}

func (s *RopeScaling) divide(a *runtime.RoPEAttr) error {
	if s.Divisors == nil {
		return nil
	}
	if len(s.Divisors) != len(a.InvFreq) {
		return fmt.Errorf("rope_freqs has %d numbers, heads have %d pairs", len(s.Divisors),
			len(a.InvFreq))
	}
	for i, d := range s.Divisors {
		a.InvFreq[i] /= float64(d)
	}
	return nil
}

func (s *RopeScaling) scale(a *runtime.RoPEAttr, dim, maxContext int) {
	switch s.Type {
	case "linear":
		for i := range a.InvFreq {
			a.InvFreq[i] /= s.Factor
		}
	case "dynamic":
		a.NTK = &runtime.DynamicNTK{Base: s.Theta, Factor: s.Factor, MaxPosition: maxContext}
	case "llama3":
		s.llama3(a)
	case "yarn":
		s.yarn(a, dim)
	}
}

// llama3 leaves short wavelengths, divides long ones, and blends between.
func (s *RopeScaling) llama3(a *runtime.RoPEAttr) {
	for i, f := range a.InvFreq {
		wave := 2 * math.Pi / f
		turns := float64(s.Original) / wave
		switch {
		case turns < s.LowFreq:
			a.InvFreq[i] = f / s.Factor
		case turns <= s.HighFreq:
			blend := (turns - s.LowFreq) / (s.HighFreq - s.LowFreq)
			a.InvFreq[i] = (1-blend)*f/s.Factor + blend*f
		}
	}
}

// yarn interpolates the dimensions that turn slowly, leaves the fast ones, and scales attention.
func (s *RopeScaling) yarn(a *runtime.RoPEAttr, dim int) {
	low, high := s.correction(s.BetaFast, dim), s.correction(s.BetaSlow, dim)
	if s.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(dim-1))
	if low == high {
		high += 0.001
	}
	for i, f := range a.InvFreq {
		ramp := min(max((float64(i)-low)/(high-low), 0), 1)
		a.InvFreq[i] = f/s.Factor*ramp + f*(1-ramp)
	}
	a.Scale = float32(s.attention())
}

// stretch is the context that the scaling makes of the configured one.
func (s *RopeScaling) stretch(context int) int {
	switch s.Type {
	case "linear", "dynamic":
		return min(int(float64(context)*s.Factor), maxContext)
	case "yarn":
		return min(max(context, int(float64(s.Original)*s.Factor)), maxContext)
	}
	return context
}

// correction is the dimension that turns so many times within the original context.
func (s *RopeScaling) correction(turns float64, dim int) float64 {
	return float64(dim) * math.Log(float64(s.Original)/(turns*2*math.Pi)) / (2 * math.Log(s.Theta))
}

// attention is YaRN's factor on sine and cosine.
func (s *RopeScaling) attention() float64 {
	mscale := func(m float64) float64 {
		if s.Factor <= 1 {
			return 1
		}
		return 0.1*m*math.Log(s.Factor) + 1
	}
	switch {
	case s.AttentionFactor != 0:
		return s.AttentionFactor
	case s.MScale != 0 && s.MScaleAllDim != 0:
		return mscale(s.MScale) / mscale(s.MScaleAllDim)
	}
	return mscale(1)
}
