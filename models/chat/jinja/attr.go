package jinja

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// attr is obj.name: an attribute first, then an item, as the sandbox of Jinja2 looks it up.
func (in *interp) attr(obj Value, name string) (Value, error) {
	if u, ok := obj.(*Undefined); ok {
		return nil, u.err()
	}
	if v, ok := pythonAttr(obj, name); ok {
		return v, nil
	}
	if d, ok := obj.(*Dict); ok {
		if v, ok := d.Get(name); ok {
			return v, nil
		}
	}
	return undefinedAttr(obj, name), nil
}

// pythonAttr is getattr(obj, name) less what the sandbox forbids, which gives an unsafe Undefined.
func pythonAttr(obj Value, name string) (Value, bool) {
	switch obj := obj.(type) {
	case *namespace:
		return obj.attrs.Get(name)
	case *loopState:
		if v, ok := obj.attr(name); ok {
			return v, true
		}
	case *cycler:
		if name == "current" {
			return obj.items[obj.pos], true
		}
	case *macro:
		if v, ok := obj.attr(name); ok {
			return v, true
		}
	}
	if hasMethod(obj, name) {
		return &boundMethod{obj, name}, true
	}
	if changesValue(obj, name) || strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__") {
		return unsafeAttr(obj, name), true
	}
	return nil, false
}

func (m *macro) attr(name string) (Value, bool) {
	switch name {
	case "name":
		return m.def.name, true
	case "arguments":
		l := &List{tuple: true}
		for _, p := range m.def.params {
			l.items = append(l.items, p)
		}
		return l, true
	case "caller":
		return m.def.caller >= 0, true
	case "catch_kwargs":
		return m.def.kwargs >= 0, true
	case "catch_varargs":
		return m.def.varargs >= 0, true
	}
	return nil, false
}

func hasMethod(obj Value, name string) bool {
	switch obj := obj.(type) {
	case string, Markup:
		return isStringMethod(name)
	case *Dict:
		switch name {
		case "get", "items", "keys", "values", "copy":
			return true
		}
	case *List:
		return name == "index" || name == "count" || name == "copy" && !obj.tuple
	case *cycler:
		return name == "next" || name == "reset"
	case float64:
		return name == "is_integer"
	}
	return false
}

// changesValue names the methods that ImmutableSandboxedEnvironment withholds.
func changesValue(obj Value, name string) bool {
	switch obj := obj.(type) {
	case *Dict:
		return slices.Contains([]string{"clear", "pop", "popitem", "setdefault", "update"}, name)
	case *List:
		return !obj.tuple && slices.Contains([]string{
			"append", "clear", "pop", "reverse", "insert",
			"sort", "extend", "remove",
		}, name)
	}
	return false
}

// item is obj[key]: an item first, then an attribute.
func (in *interp) item(obj, key Value) (Value, error) {
	if u, ok := obj.(*Undefined); ok {
		return nil, u.err()
	}
	v, err := in.subscript(obj, key)
	if err != nil || v != nil {
		return v, err
	}
	if name, ok := asString(key); ok {
		if v, ok := pythonAttr(obj, name); ok {
			return v, nil
		}
		return undefinedAttr(obj, name), nil
	}
	text, err := in.repr(key)
	if err != nil {
		return nil, err
	}
	return undefinedHint(typeName(obj) + " object has no element " + text), nil
}

// subscript is obj[key] in Python; nil where that raises a TypeError or LookupError.
func (in *interp) subscript(obj, key Value) (Value, error) {
	if d, ok := obj.(*Dict); ok {
		if s, ok := key.(string); ok {
			v, _ := d.Get(s)
			return v, nil
		}
		hash, err := in.hash(key)
		if err != nil {
			return nil, limitOnly(err)
		}
		if i := d.find(hash); i >= 0 {
			return d.entries[i].val, nil
		}
		return nil, nil
	}
	i, ok := indexOf(key)
	if !ok {
		return nil, nil
	}
	switch obj := obj.(type) {
	case *List:
		if i, ok := wrapIndex(i, int64(len(obj.items))); ok {
			return obj.items[i], nil
		}
	case *span:
		if i, ok := wrapIndex(i, obj.n); ok {
			return obj.at(i), nil
		}
	case string:
		return in.charAt(obj, i)
	case Markup:
		v, err := in.charAt(string(obj), i)
		if s, ok := v.(string); ok {
			return Markup(s), err
		}
		return nil, err
	}
	return nil, nil
}

// limitOnly drops an error that Jinja2 would turn into an undefined value.
func limitOnly(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) && e.Kind == LimitError {
		return err
	}
	return nil
}

// indexOf takes key as an index: an int or a bool.
func indexOf(key Value) (int64, bool) {
	switch key := key.(type) {
	case int64:
		return key, true
	case bool:
		if key {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func wrapIndex(i, n int64) (int64, bool) {
	if i < 0 {
		i += n
	}
	return i, i >= 0 && i < n
}

// charAt is s[i], found from the end that i counts from; nil where there is none.
func (in *interp) charAt(s string, i int64) (Value, error) {
	rest := s
	for ; i > 0 && rest != ""; i-- {
		_, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
	}
	for ; i < -1 && rest != ""; i++ {
		_, size := utf8.DecodeLastRuneInString(rest)
		rest = rest[:len(rest)-size]
	}
	if err := in.work((len(s) - len(rest)) >> 4); err != nil || rest == "" {
		return nil, err
	}
	if i < 0 {
		_, size := utf8.DecodeLastRuneInString(rest)
		return rest[len(rest)-size:], nil
	}
	_, size := utf8.DecodeRuneInString(rest)
	return rest[:size], nil
}

// runeOffset is the byte offset of the n-th character of s; n may be the number of characters.
func runeOffset(s string, n int) int {
	off := 0
	for ; n > 0; n-- {
		_, size := utf8.DecodeRuneInString(s[off:])
		off += size
	}
	return off
}

// slice is obj[start:stop:step]; a nil bound was left out.
func (in *interp) slice(obj Value, bounds [3]Value) (Value, error) {
	var n int
	switch v := obj.(type) {
	case *List:
		n = len(v.items)
	case *span:
		n = int(v.n)
	case string, Markup:
		var err error
		if n, err = in.length(v); err != nil {
			return nil, err
		}
	case *Undefined:
		return nil, v.err()
	case *Dict:
		return nil, typeErrorf("unhashable type: 'slice'")
	default:
		return nil, typeErrorf("'%s' object is not subscriptable", typeName(obj))
	}
	start, step, count, err := sliceIndices(bounds, int64(n))
	if err != nil {
		return nil, err
	}
	switch v := obj.(type) {
	case *List:
		return in.sliceList(v, start, step, count)
	case *span:
		from := v.at(start)
		return &span{from, from + count*step*v.step, step * v.step, count}, nil
	case Markup:
		s, err := in.sliceString(string(v), start, step, count)
		return Markup(s), err
	}
	return in.sliceString(obj.(string), start, step, count)
}

// sliceIndices is Python's slice.indices and the number of elements that it selects of n.
func sliceIndices(bounds [3]Value, n int64) (start, step, count int64, err error) {
	step = 1
	if step, err = sliceBound(bounds[2], step); err != nil {
		return 0, 0, 0, err
	}
	if step == 0 {
		return 0, 0, 0, valueErrorf("slice step cannot be zero")
	}
	low, high := int64(0), n
	stop := n
	if step < 0 {
		low, high = -1, n-1
		start, stop = n-1, -1
	}
	if start, err = clampBound(bounds[0], start, n, low, high); err != nil {
		return 0, 0, 0, err
	}
	if stop, err = clampBound(bounds[1], stop, n, low, high); err != nil {
		return 0, 0, 0, err
	}
	switch {
	case step > 0 && stop > start:
		count = (stop-start-1)/step + 1
	case step < 0 && stop < start:
		count = (start-stop-1)/-step + 1
	}
	return start, step, count, nil
}

func sliceBound(v Value, absent int64) (int64, error) {
	switch v := v.(type) {
	case nil, None:
		return absent, nil
	case *big.Int:
		return int64(v.Sign()) * (math.MaxInt64 / 2), nil
	case *Undefined:
		return 0, v.err()
	}
	i, ok := indexOf(v)
	if !ok {
		return 0, typeErrorf("slice indices must be integers or None or have an __index__ method")
	}
	return max(min(i, math.MaxInt64/2), -math.MaxInt64/2), nil
}

func clampBound(v Value, absent, n, low, high int64) (int64, error) {
	switch v.(type) {
	case nil, None:
		return absent, nil
	}
	i, err := sliceBound(v, absent)
	if i < 0 {
		i += n
	}
	return max(low, min(i, high)), err
}

func (in *interp) sliceList(l *List, start, step, count int64) (Value, error) {
	if err := in.grow(48 + 16*int(count)); err != nil {
		return nil, err
	}
	items := make([]Value, count)
	for i := range items {
		items[i] = l.items[start+int64(i)*step]
	}
	return &List{items: items, tuple: l.tuple}, nil
}

func (in *interp) sliceString(s string, start, step, count int64) (string, error) {
	if count == 0 {
		return "", nil
	}
	if step == 1 {
		rest := s[runeOffset(s, int(start)):]
		return rest[:runeOffset(rest, int(count))], in.work(len(s) >> 5)
	}
	if err := in.grow(8 * len(s)); err != nil {
		return "", err
	}
	runes := []rune(s)
	var b strings.Builder
	for i := range count {
		b.WriteRune(runes[start+i*step])
	}
	return b.String(), nil
}
