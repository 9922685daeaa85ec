package jinja

import (
	"slices"
	"strings"
)

// filterFunc is a filter: v | name(a).
type filterFunc func(in *interp, v Value, a args) (Value, error)

// filterNamed finds a filter, nil if there is none of that name.
func filterNamed(name string) filterFunc {
	switch name {
	case "attr":
		return filterAttr
	case "count", "length":
		return filterLength
	case "d", "default":
		return filterDefault
	case "dictsort":
		return filterDictSort
	case "e", "escape":
		return filterEscape
	case "forceescape":
		return filterForceEscape
	case "safe":
		return filterSafe
	case "string":
		return filterString
	case "items":
		return filterItems
	case "tojson":
		return filterToJSON
	}
	if f := numberFilter(name); f != nil {
		return f
	}
	if f := textFilterNamed(name); f != nil {
		return f
	}
	return listFilter(name)
}

func filterAttr(in *interp, v Value, a args) (Value, error) {
	var p [1]Value
	if err := a.bind("attr", p[:], "name"); err != nil {
		return nil, err
	}
	name, ok := asString(p[0])
	if !ok {
		return nil, typeErrorf("attr: name must be a string")
	}
	if u, ok := v.(*Undefined); ok {
		return nil, u.err()
	}
	if got, ok := pythonAttr(v, name); ok {
		return got, nil
	}
	return undefinedAttr(v, name), nil
}

func filterLength(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("length", nil); err != nil {
		return nil, err
	}
	n, err := in.length(v)
	return smallInt(n), err
}

func filterDefault(in *interp, v Value, a args) (Value, error) {
	p := [2]Value{"", false}
	if err := a.bind("default", p[:], "default_value", "boolean"); err != nil {
		return nil, err
	}
	if _, ok := v.(*Undefined); ok || truth(p[1]) && !truth(v) {
		return p[0], nil
	}
	return v, nil
}

func filterDictSort(in *interp, v Value, a args) (Value, error) {
	p := [3]Value{false, "key", false}
	if err := a.bind("dictsort", p[:], "case_sensitive", "by", "reverse"); err != nil {
		return nil, err
	}
	by, _ := asString(p[1])
	if by != "key" && by != "value" {
		return nil, valueErrorf(`You can only sort by either "key" or "value"`)
	}
	d, ok := v.(*Dict)
	if !ok {
		if u, ok := v.(*Undefined); ok {
			return nil, u.err()
		}
		return nil, undefinedAttr(v, "items").err()
	}
	pairs, err := in.elements(&view{d, viewItems})
	if err != nil {
		return nil, err
	}
	pairs = slices.Clone(pairs)
	key := func(pair Value) Value {
		at := 0
		if by == "value" {
			at = 1
		}
		return foldCase(pair.(*List).items[at], truth(p[0]))
	}
	return NewList(pairs...), sortBy(in, pairs, key, truth(p[2]))
}

// foldCase is v as sorting sees it.
func foldCase(v Value, caseSensitive bool) Value {
	if text, ok := asString(v); ok && !caseSensitive {
		return lower(text)
	}
	return v
}

// sortBy sorts items in place, stably, with Python's < on their keys.
func sortBy[T any](in *interp, items []T, key func(T) Value, reverse bool) error {
	type keyed struct {
		key  Value
		item T
	}
	if err := in.grow(48 * len(items)); err != nil {
		return err
	}
	all := make([]keyed, len(items))
	for i, item := range items {
		all[i] = keyed{key(item), item}
	}
	var failed error
	less := func(a, b Value) bool {
		if failed != nil {
			return false
		}
		var ok bool
		ok, failed = in.ordered(opLt, a, b, 0)
		return ok
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		if reverse {
			a, b = b, a
		}
		switch {
		case less(a.key, b.key):
			return -1
		case less(b.key, a.key):
			return 1
		}
		return 0
	})
	for i := range all {
		items[i] = all[i].item
	}
	return failed
}

func filterItems(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("items", nil); err != nil {
		return nil, err
	}
	return lazily(v, func() (func() (Value, bool, error), error) {
		switch v := v.(type) {
		case *Undefined:
			return in.iterator(v)
		case *Dict:
			return in.iterator(&view{v, viewItems})
		}
		return nil, typeErrorf("Can only get item pairs from a mapping.")
	})
}

// lazily makes a generator over source that starts when its first element is asked for.
func lazily(source Value, start func() (func() (Value, bool, error), error)) (Value, error) {
	var next func() (Value, bool, error)
	depth := 0
	if g, ok := source.(*generator); ok {
		if depth = g.depth + 1; depth > maxDataDepth {
			return nil, errorf(LimitError, "generators chained more than %d deep", maxDataDepth)
		}
	}
	return &generator{depth: depth, next: func() (Value, bool, error) {
		if next == nil {
			var err error
			if next, err = start(); err != nil {
				return nil, false, err
			}
		}
		return next()
	}}, nil
}

// escaped is markupsafe.escape(v).
func (in *interp) escaped(v Value) (Markup, error) {
	if m, ok := v.(Markup); ok {
		return m, nil
	}
	text, err := in.str(v)
	if err != nil {
		return "", err
	}
	if !strings.ContainsAny(text, `&<>'"`) {
		return Markup(text), nil
	}
	r := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;")
	out := r.Replace(text)
	return Markup(out), in.grow(len(out))
}

func filterEscape(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("escape", nil); err != nil {
		return nil, err
	}
	return in.escaped(v)
}

func filterForceEscape(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("forceescape", nil); err != nil {
		return nil, err
	}
	text, err := in.str(v)
	if err != nil {
		return nil, err
	}
	return in.escaped(text)
}

func filterSafe(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("safe", nil); err != nil {
		return nil, err
	}
	text, err := in.str(v)
	return Markup(text), err
}

func filterString(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("string", nil); err != nil {
		return nil, err
	}
	if isText(v) {
		return v, nil
	}
	return in.str(v)
}
