package openai

import "basalt/server/api"

// number reads a number in [lo, hi]. OpenAI's schema lets null stand for a number that is left out,
// and its SDKs send it for an explicit None.
func number(o *api.Object, name string, lo, hi float64) api.Opt[float64] {
	if _, ok := o.NotNull(name); !ok {
		return api.Opt[float64]{}
	}
	return o.Float(name, lo, hi)
}

// whole is number for whole numbers.
func whole(o *api.Object, name string, lo, hi int) api.Opt[int] {
	if _, ok := o.NotNull(name); !ok {
		return api.Opt[int]{}
	}
	return o.Int(name, lo, hi)
}
