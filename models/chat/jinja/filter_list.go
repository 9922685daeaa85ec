package jinja

import (
	"slices"
	"strconv"
	"strings"
)

func listFilter(name string) filterFunc {
	switch name {
	case "batch":
		return filterBatch
	case "first":
		return filterFirst
	case "last":
		return filterLast
	case "join":
		return filterJoin
	case "list":
		return filterList
	case "map":
		return filterMap
	case "max":
		return func(in *interp, v Value, a args) (Value, error) { return extreme(in, opGt, v, a) }
	case "min":
		return func(in *interp, v Value, a args) (Value, error) { return extreme(in, opLt, v, a) }
	case "reject":
		return picking(false, false)
	case "rejectattr":
		return picking(true, false)
	case "reverse":
		return filterReverse
	case "select":
		return picking(false, true)
	case "selectattr":
		return picking(true, true)
	case "slice":
		return filterSlice
	case "sort":
		return filterSort
	case "sum":
		return filterSum
	case "unique":
		return filterUnique
	}
	return nil
}

// getter reads an attribute given as "a.b.0" or as an index; nil reads the value itself.
type getter struct {
	parts []Value
	def   Value // what stands for undefined parts; nil: nothing
}

func newGetter(attribute, def Value) getter {
	g := getter{def: def}
	switch a := attribute.(type) {
	case nil, None:
	case string:
		for part := range strings.SplitSeq(a, ".") {
			if n, err := strconv.ParseUint(part, 10, 31); err == nil {
				g.parts = append(g.parts, int64(n))
			} else {
				g.parts = append(g.parts, part)
			}
		}
	default:
		g.parts = []Value{attribute}
	}
	return g
}

func (g getter) get(in *interp, v Value) (Value, error) {
	for _, part := range g.parts {
		var err error
		if v, err = in.item(v, part); err != nil {
			return nil, err
		}
		if _, ok := v.(*Undefined); ok && g.def != nil {
			v = g.def
		}
	}
	return v, nil
}

func filterList(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("list", nil); err != nil {
		return nil, err
	}
	items, err := in.elements(v)
	return NewList(items...), err
}

func filterFirst(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("first", nil); err != nil {
		return nil, err
	}
	next, err := in.iterator(v)
	if err != nil {
		return nil, err
	}
	first, ok, err := next()
	if err != nil || ok {
		return first, err
	}
	return undefinedHint("No first item, sequence was empty."), nil
}

func filterLast(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("last", nil); err != nil {
		return nil, err
	}
	if _, ok := v.(*generator); ok {
		return nil, typeErrorf("'generator' object is not reversible")
	}
	seq, err := in.sequence(v)
	if err != nil {
		return nil, err
	}
	if seq.n == 0 {
		return undefinedHint("No last item, sequence was empty."), nil
	}
	return seq.at(seq.n - 1), nil
}

func filterReverse(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("reverse", nil); err != nil {
		return nil, err
	}
	if isText(v) {
		return in.slice(v, [3]Value{nil, nil, int64(-1)})
	}
	items, err := in.elements(v)
	if err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	slices.Reverse(items)
	if _, ok := v.(*generator); ok {
		return NewList(items...), nil
	}
	next, err := in.iterator(NewList(items...))
	return &generator{next: next}, err
}

func filterJoin(in *interp, v Value, a args) (Value, error) {
	p := [2]Value{""}
	if err := a.bind("join", p[:], "d", "attribute"); err != nil {
		return nil, err
	}
	sep, err := in.str(p[0])
	if err != nil {
		return nil, err
	}
	next, err := in.iterator(v)
	if err != nil {
		return nil, err
	}
	get := newGetter(p[1], nil)
	var b strings.Builder
	for i := 0; ; i++ {
		item, ok, err := next()
		if err != nil || !ok {
			return b.String(), err
		}
		if item, err = get.get(in, item); err != nil {
			return nil, err
		}
		text, err := in.str(item)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(text)
		// Twice: the buffer grows by copying.
		if err := in.grow(2 * (len(sep) + len(text))); err != nil {
			return nil, err
		}
	}
}

func filterBatch(in *interp, v Value, a args) (Value, error) {
	var p [2]Value
	if err := a.bind("batch", p[:], "linecount", "fill_with"); err != nil {
		return nil, err
	}
	size, ok := indexOf(p[0])
	if !ok {
		return nil, typeErrorf("batch: linecount must be an integer")
	}
	items, err := in.elements(v)
	if err != nil {
		return nil, err
	}
	if size < 1 {
		// Python appends to a batch that is never the right length.
		size = int64(len(items)) + 1
		p[1] = nil
	}
	var rows []Value
	for len(items) > 0 {
		n := min(int(size), len(items))
		row := slices.Clone(items[:n])
		items = items[n:]
		if missing := int(size) - n; missing > 0 && p[1] != nil && p[1] != (None{}) {
			if err := in.grow(16 * missing); err != nil {
				return nil, err
			}
			row = append(row, slices.Repeat([]Value{p[1]}, missing)...)
		}
		if err := in.grow(48 + 16*n); err != nil {
			return nil, err
		}
		rows = append(rows, NewList(row...))
	}
	next, err := in.iterator(NewList(rows...))
	return &generator{next: next}, err
}

func filterSlice(in *interp, v Value, a args) (Value, error) {
	var p [2]Value
	if err := a.bind("slice", p[:], "slices", "fill_with"); err != nil {
		return nil, err
	}
	n, ok := indexOf(p[0])
	if !ok || n == 0 {
		return nil, valueErrorf("slice: slices must be a positive integer")
	}
	items, err := in.elements(v)
	if err != nil {
		return nil, err
	}
	if n > int64(len(items)) {
		if err := in.grow(64 * int(min(n, int64(in.limits.Bytes)+1))); err != nil {
			return nil, err
		}
	}
	var rows []Value
	per, extra := len(items)/int(max(n, 1)), len(items)%int(max(n, 1))
	for i := range int(max(n, 0)) {
		size := per
		if i < extra {
			size++
		}
		row := slices.Clone(items[:size])
		items = items[size:]
		if i >= extra && p[1] != nil && p[1] != (None{}) {
			row = append(row, p[1])
		}
		rows = append(rows, NewList(row...))
		if err := in.grow(64 + 16*len(row)); err != nil {
			return nil, err
		}
	}
	next, err := in.iterator(NewList(rows...))
	return &generator{next: next}, err
}

func filterSort(in *interp, v Value, a args) (Value, error) {
	p := [3]Value{false, false}
	if err := a.bind("sort", p[:], "reverse", "case_sensitive", "attribute"); err != nil {
		return nil, err
	}
	items, err := in.elements(v)
	if err != nil {
		return nil, err
	}
	getters := []getter{newGetter(p[2], nil)}
	if name, ok := asString(p[2]); ok {
		getters = getters[:0]
		for part := range strings.SplitSeq(name, ",") {
			getters = append(getters, newGetter(part, nil))
		}
	}
	items = slices.Clone(items)
	var failed error
	key := func(item Value) Value {
		keys := make([]Value, len(getters))
		for i, g := range getters {
			k, err := g.get(in, item)
			if err != nil && failed == nil {
				failed = err
			}
			keys[i] = foldCase(k, truth(p[1]))
		}
		return NewList(keys...)
	}
	if err := in.grow(64 * len(items)); err != nil {
		return nil, err
	}
	err = sortBy(in, items, key, truth(p[0]))
	if failed != nil {
		err = failed
	}
	return NewList(items...), err
}

func filterUnique(in *interp, v Value, a args) (Value, error) {
	p := [2]Value{false}
	if err := a.bind("unique", p[:], "case_sensitive", "attribute"); err != nil {
		return nil, err
	}
	get := newGetter(p[1], nil)
	return lazily(v, func() (func() (Value, bool, error), error) {
		next, err := in.iterator(v)
		seen := NewDict(8)
		return func() (Value, bool, error) {
			for {
				item, ok, err := next()
				if err != nil || !ok {
					return nil, false, err
				}
				key, err := get.get(in, item)
				if err != nil {
					return nil, false, err
				}
				before := seen.Len()
				if err := seen.put(in, foldCase(key, truth(p[0])), None{}); err != nil {
					return nil, false, err
				}
				if seen.Len() > before {
					return item, true, nil
				}
			}
		}, err
	})
}

func filterSum(in *interp, v Value, a args) (Value, error) {
	p := [2]Value{nil, int64(0)}
	if err := a.bind("sum", p[:], "attribute", "start"); err != nil {
		return nil, err
	}
	if isText(p[1]) {
		return nil, typeErrorf("sum() can't sum strings [use ''.join(seq) instead]")
	}
	next, err := in.iterator(v)
	if err != nil {
		return nil, err
	}
	get := newGetter(p[0], nil)
	total := p[1]
	for {
		item, ok, err := next()
		if err != nil || !ok {
			return total, err
		}
		if item, err = get.get(in, item); err != nil {
			return nil, err
		}
		if total, err = in.arith("+", total, item); err != nil {
			return nil, err
		}
	}
}

// extreme is min and max.
func extreme(in *interp, op compareOp, v Value, a args) (Value, error) {
	p := [2]Value{false}
	if err := a.bind("min/max", p[:], "case_sensitive", "attribute"); err != nil {
		return nil, err
	}
	next, err := in.iterator(v)
	if err != nil {
		return nil, err
	}
	get := newGetter(p[1], nil)
	var best, bestKey Value
	for {
		item, ok, err := next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		key, err := get.get(in, item)
		if err != nil {
			return nil, err
		}
		key = foldCase(key, truth(p[0]))
		better := best == nil
		if !better {
			if better, err = in.ordered(op, key, bestKey, 0); err != nil {
				return nil, err
			}
		}
		if better {
			best, bestKey = item, key
		}
	}
	if best == nil {
		return undefinedHint("No aggregated item, sequence was empty."), nil
	}
	return best, nil
}
