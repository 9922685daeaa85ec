package jinja

import (
	"math/big"
	"strings"
)

// arithOp is a binary operator as written.
type arithOp string

// arith is a op b.
func (in *interp) arith(op arithOp, a, b Value) (Value, error) {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return in.intArith(op, x, y)
		}
	}
	for _, v := range [...]Value{a, b} {
		// str % Undefined formats; every other operator refuses.
		if u, ok := v.(*Undefined); ok && !(op == "%" && isText(a)) {
			return nil, u.err()
		}
	}
	switch op {
	case "+":
		if v, done, err := in.concat(a, b); done {
			return v, err
		}
	case "*":
		if v, done, err := in.repeat(a, b); done {
			return v, err
		}
	case "%":
		if text, ok := asString(a); ok {
			_, safe := a.(Markup)
			out, err := in.percent(text, b, safe)
			return like(a, out), err
		}
	}
	return in.numArith(op, a, b)
}

func isText(v Value) bool {
	_, ok := asString(v)
	return ok
}

func unsupported(op arithOp, a, b Value) error {
	return typeErrorf("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a),
		typeName(b))
}

// concat is a + b for strings and lists; done is false for anything else.
func (in *interp) concat(a, b Value) (v Value, done bool, err error) {
	if x, ok := asString(a); ok {
		y, ok := asString(b)
		if !ok {
			return nil, true, typeErrorf("can only concatenate str (not \"%s\") to str",
				typeName(b))
		}
		_, safeA := a.(Markup)
		_, safeB := b.(Markup)
		if safeA || safeB {
			v, err := in.concatMarkup(a, b)
			return v, true, err
		}
		v, err := in.appendText(x, y)
		return v, true, err
	}
	x, ok := a.(*List)
	if !ok {
		return nil, false, nil
	}
	y, ok := b.(*List)
	if !ok || x.tuple != y.tuple {
		return nil, true, typeErrorf("can only concatenate %s (not \"%s\") to %s", typeName(a),
			typeName(b),
			typeName(a))
	}
	if err := in.grow(48 + 16*(len(x.items)+len(y.items))); err != nil {
		return nil, true, err
	}
	items := make([]Value, 0, len(x.items)+len(y.items))
	return &List{items: append(append(items, x.items...), y.items...), tuple: x.tuple}, true, nil
}

func (in *interp) concatMarkup(a, b Value) (Value, error) {
	x, err := in.escaped(a)
	if err != nil {
		return nil, err
	}
	y, err := in.escaped(b)
	if err != nil {
		return nil, err
	}
	return x + y, in.grow(len(x) + len(y))
}

// repeat is a * b where one is a string or list; done is false for anything else.
func (in *interp) repeat(a, b Value) (v Value, done bool, err error) {
	if isSequence(b) {
		a, b = b, a
	}
	if !isSequence(a) {
		return nil, false, nil
	}
	n, ok := indexOf(b)
	if _, isBig := b.(*big.Int); isBig {
		return nil, true, valueErrorf("cannot fit 'int' into an index-sized integer")
	}
	if !ok {
		return nil, true, typeErrorf("can't multiply sequence by non-int of type '%s'", typeName(b))
	}
	n = max(n, 0)
	l, isList := a.(*List)
	var unit int
	if isList {
		unit = 16 * len(l.items)
	} else {
		text, _ := asString(a)
		unit = len(text)
	}
	if unit == 0 {
		return a, true, nil
	}
	if n > int64(in.limits.Bytes) {
		n = int64(in.limits.Bytes) + 1
	}
	if err := in.grow(unit * int(n)); err != nil {
		return nil, true, err
	}
	switch a := a.(type) {
	case string:
		return strings.Repeat(a, int(n)), true, nil
	case Markup:
		return Markup(strings.Repeat(string(a), int(n))), true, nil
	}
	items := make([]Value, 0, len(l.items)*int(n))
	for range n {
		items = append(items, l.items...)
	}
	return &List{items: items, tuple: l.tuple}, true, nil
}

func isSequence(v Value) bool {
	switch v.(type) {
	case string, Markup, *List:
		return true
	}
	return false
}

// contains is item in container.
func (in *interp) contains(container, item Value) (bool, error) {
	switch c := container.(type) {
	case *Dict:
		hash, err := in.hash(item)
		if err != nil {
			return false, err
		}
		return c.find(hash) >= 0, nil
	case *Undefined:
		return false, nil
	case *span, *view, *generator, *List:
		return in.containsEqual(container, item)
	}
	text, ok := asString(container)
	if !ok {
		return false, typeErrorf("argument of type '%s' is not iterable", typeName(container))
	}
	part, ok := asString(item)
	if !ok {
		return false, typeErrorf("'in <string>' requires string as left operand, not %s",
			typeName(item))
	}
	return strings.Contains(text, part), in.scan(len(text) + len(part))
}

func (in *interp) containsEqual(container, item Value) (bool, error) {
	next, err := in.iterator(container)
	if err != nil {
		return false, err
	}
	for {
		v, ok, err := next()
		if err != nil || !ok {
			return false, err
		}
		same, err := in.equal(v, item)
		if err != nil || same {
			return same, err
		}
	}
}
