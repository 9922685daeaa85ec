package jinja

import "strings"

// tailFrom is the length from which a string is worth appending to in place.
const tailFrom = 512

// tails are the latest long results of x + y, with room behind them. A template that builds a text
// by `ns.s = ns.s + more` then copies each byte a few times instead of once per addition. No string
// ever changes: only the bytes behind the longest one are written, and once.
type tails struct {
	builders [4]strings.Builder
	next     int // to be given up next
}

// appendText is x + y.
func (in *interp) appendText(x, y string) (string, error) {
	if len(x) < tailFrom || y == "" {
		return x + y, in.grow(len(x) + len(y))
	}
	t := &in.tails
	for i := range t.builders {
		// Comparing a string with itself looks at the pointers only.
		if b := &t.builders[i]; b.Len() == len(x) && b.String() == x {
			return in.extend(b, y)
		}
	}
	if err := in.grow(len(x) + len(y)); err != nil {
		return "", err
	}
	b := &t.builders[t.next]
	t.next = (t.next + 1) % len(t.builders)
	b.Reset()
	b.Grow(len(x) + len(y))
	b.WriteString(x)
	b.WriteString(y)
	return b.String(), nil
}

func (in *interp) extend(b *strings.Builder, y string) (string, error) {
	if b.Cap()-b.Len() < len(y) {
		// Grow(n) makes room for twice the capacity plus n.
		if err := in.grow(2*b.Cap() + len(y)); err != nil {
			return "", err
		}
		b.Grow(len(y))
	}
	b.WriteString(y)
	return b.String(), in.scan(len(y))
}
