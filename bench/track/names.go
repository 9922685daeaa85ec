package track

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"basalt/bench"
)

// Names are the names of figures in their order, in which "decode 8" comes before "decode 32".
func Names(figures map[string]Value) []string {
	return slices.SortedFunc(maps.Keys(figures), natural)
}

// natural compares texts, and numbers in them by their values.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x == "" || y == "" {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		p, q := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if c := cmp.Or(cmp.Compare(len(p), len(q)), cmp.Compare(p, q)); c != 0 {
			return c
		}
		a, b = a[len(x):], b[len(y):]
	}
	return cmp.Compare(a, b)
}

// digits is the number that a text begins with.
func digits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}

// Part splits the name of a part of a figure, such as "decode 8: TPOT p50".
func Part(name string) (of, part string, ok bool) {
	of, part, _ = strings.Cut(name, ": ")
	switch part {
	case bench.TTFT50, bench.TTFT99, bench.TPOT50, bench.TPOT99, bench.Ceiling, bench.Intensity:
		return of, part, true
	}
	return name, "", false
}
