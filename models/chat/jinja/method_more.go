package jinja

import (
	"math"
	"strings"
	"unicode/utf8"
)

// pad is center, ljust, rjust and zfill.
func (in *interp) pad(s string, a args, name string) (string, error) {
	p := [2]Value{nil, " "}
	if err := a.bind(name, p[:], "width", "fillchar"); err != nil {
		return "", err
	}
	width, ok := indexOf(p[0])
	fill, okFill := asString(p[1])
	if !ok || !okFill || utf8.RuneCountInString(fill) != 1 {
		return "", typeErrorf("%s needs a width and a fill character of length one", name)
	}
	missing := width - int64(utf8.RuneCountInString(s))
	if missing <= 0 {
		return s, nil
	}
	missing = min(missing, int64(in.limits.Bytes)+1)
	if err := in.grow(int(missing)*len(fill) + len(s)); err != nil {
		return "", err
	}
	n := int(missing)
	switch name {
	case "ljust":
		return s + strings.Repeat(fill, n), nil
	case "rjust":
		return strings.Repeat(fill, n) + s, nil
	case "zfill":
		sign := ""
		if s != "" && (s[0] == '-' || s[0] == '+') {
			sign, s = s[:1], s[1:]
		}
		return sign + strings.Repeat("0", n) + s, nil
	}
	left := n/2 + n&int(width)&1
	return strings.Repeat(fill, left) + s + strings.Repeat(fill, n-left), nil
}

func (in *interp) expandTabs(s string, a args) (Value, error) {
	p := [1]Value{int64(8)}
	if err := a.bind("expandtabs", p[:], "tabsize"); err != nil {
		return nil, err
	}
	size, ok := indexOf(p[0])
	if !ok {
		return nil, typeErrorf("expandtabs: tabsize must be an integer")
	}
	size = min(size, int64(in.limits.Bytes)+1)
	var b strings.Builder
	column := int64(0)
	for _, r := range s {
		n := int64(1)
		switch {
		case r == '\t' && size <= 0:
			continue
		case r == '\t':
			n = size - column%size
			if err := in.grow(int(n)); err != nil {
				return nil, err
			}
			b.WriteString(strings.Repeat(" ", int(n)))
		default:
			b.WriteRune(r)
		}
		if column += n; r == '\n' || r == '\r' {
			column = 0
		}
	}
	return b.String(), in.grow(len(s))
}

func (in *interp) joinMethod(sep string, a args) (Value, error) {
	if len(a.pos) != 1 || len(a.kw) != 0 {
		return nil, typeErrorf("str.join() takes exactly one argument")
	}
	items, err := in.elements(a.pos[0])
	if err != nil {
		return nil, typeErrorf("can only join an iterable")
	}
	var b strings.Builder
	for i, item := range items {
		text, ok := asString(item)
		if !ok {
			return nil, typeErrorf("sequence item %d: expected str instance, %s found", i,
				typeName(item))
		}
		if err := in.grow(2 * (len(sep) + len(text))); err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (in *interp) replaceMethod(s string, a args) (Value, error) {
	count := int64(-1)
	if len(a.kw) > 0 || len(a.pos) < 2 || len(a.pos) > 3 {
		return nil, typeErrorf("replace takes 2 or 3 positional arguments")
	}
	old, ok := asString(a.pos[0])
	new, okNew := asString(a.pos[1])
	if !ok || !okNew {
		return nil, typeErrorf("replace() arguments must be str, not %s and %s", typeName(a.pos[0]),
			typeName(a.pos[1]))
	}
	if len(a.pos) == 3 {
		if count, ok = indexOf(a.pos[2]); !ok {
			return nil, typeErrorf("replace: count must be an integer")
		}
	}
	return in.replace(s, old, new, count)
}

// markupMethod runs a str method on markup: text that comes in is escaped, text that goes out is
// markup.
func (in *interp) markupMethod(m Markup, name string, a args) (Value, error) {
	if name == "format" {
		text, err := in.format(string(m), a, true)
		return Markup(text), err
	}
	if err := in.escapeArgs(name, &a); err != nil {
		return nil, err
	}
	v, err := in.stringMethod(string(m), name, a)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case string:
		return Markup(v), nil
	case *List:
		items := make([]Value, len(v.items))
		for i, item := range v.items {
			items[i] = Markup(item.(string))
		}
		return &List{items: items, tuple: v.tuple}, nil
	}
	return v, nil
}

func (in *interp) escapeArgs(name string, a *args) error {
	switch {
	case name == "replace" && len(a.pos) >= 2 && isText(a.pos[1]):
		safe, err := in.escaped(a.pos[1])
		a.pos = append([]Value{a.pos[0], safe}, a.pos[2:]...)
		return err
	case name == "join" && len(a.pos) == 1:
		items, err := in.elements(a.pos[0])
		if err != nil {
			return err
		}
		safe := make([]Value, len(items))
		for i, item := range items {
			if safe[i], err = in.escaped(item); err != nil {
				return err
			}
		}
		a.pos = []Value{NewList(safe...)}
	}
	return nil
}

func (in *interp) dictMethod(d *Dict, name string, a args) (Value, error) {
	if name == "get" {
		return in.dictGet(d, a)
	}
	if err := a.bind("dict."+name, nil); err != nil {
		return nil, err
	}
	switch name {
	case "items":
		return &view{d, viewItems}, nil
	case "keys":
		return &view{d, viewKeys}, nil
	case "values":
		return &view{d, viewValues}, nil
	}
	c := NewDict(d.Len())
	return c, c.fill(in, d)
}

func (in *interp) dictGet(d *Dict, a args) (Value, error) {
	if len(a.kw) > 0 || len(a.pos) < 1 || len(a.pos) > 2 {
		return nil, typeErrorf("get takes 1 or 2 positional arguments")
	}
	hash, err := in.hash(a.pos[0])
	if err != nil {
		return nil, err
	}
	if i := d.find(hash); i >= 0 {
		return d.entries[i].val, nil
	}
	if len(a.pos) == 2 {
		return a.pos[1], nil
	}
	return None{}, nil
}

func (in *interp) listMethod(l *List, name string, a args) (Value, error) {
	if name == "copy" {
		return NewList(l.items...), a.bind("copy", nil)
	}
	if len(a.kw) > 0 || len(a.pos) < 1 || len(a.pos) > 3 || name == "count" && len(a.pos) > 1 {
		return nil, typeErrorf("wrong number of arguments for %s", name)
	}
	n := int64(len(l.items))
	lo, hi := int64(0), n
	for i, bound := range []*int64{&lo, &hi} {
		if i+1 < len(a.pos) {
			var err error
			if *bound, err = clampBound(a.pos[i+1], *bound, n, 0, n); err != nil {
				return nil, err
			}
		}
	}
	count := 0
	for i := lo; i < hi; i++ {
		same, err := in.equal(l.items[i], a.pos[0])
		if err != nil {
			return nil, err
		}
		if same && name == "index" {
			return i, nil
		}
		if same {
			count++
		}
	}
	if name == "index" {
		return nil, valueErrorf("value is not in list")
	}
	return smallInt(count), nil
}

func floatMethod(f float64, name string, a args) (Value, error) {
	return f == math.Trunc(f) && !math.IsInf(f, 0), a.bind(name, nil)
}
