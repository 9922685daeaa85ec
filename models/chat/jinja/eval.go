package jinja

import "strings"

// eval computes e and keeps the budget of steps and depth.
func (in *interp) eval(e expr) (Value, error) {
	switch e := e.(type) {
	case *constExpr:
		return e.v, nil
	case *nameExpr:
		return in.lookup(e), nil
	}
	if err := in.work(1); err != nil {
		return nil, err
	}
	if in.depth >= maxEvalDepth {
		return nil, errorf(LimitError, "expressions and macro calls nested more than %d deep",
			maxEvalDepth)
	}
	in.depth++
	v, err := e.eval(in)
	in.depth--
	return v, err
}

func (in *interp) eval2(l, r expr) (a, b Value, err error) {
	if a, err = in.eval(l); err != nil {
		return nil, nil, err
	}
	b, err = in.eval(r)
	return a, b, err
}

func (e *constExpr) eval(*interp) (Value, error) { return e.v, nil }

func (e *nameExpr) eval(in *interp) (Value, error) { return in.lookup(e), nil }

func (e *capturedExpr) eval(in *interp) (Value, error) { return in.capture, nil }

func (e *attrExpr) eval(in *interp) (Value, error) {
	obj, err := in.eval(e.obj)
	if err != nil {
		return nil, err
	}
	return in.attr(obj, e.name)
}

func (e *itemExpr) eval(in *interp) (Value, error) {
	obj, key, err := in.eval2(e.obj, e.key)
	if err != nil {
		return nil, err
	}
	return in.item(obj, key)
}

func (e *sliceExpr) eval(in *interp) (Value, error) {
	obj, err := in.eval(e.obj)
	if err != nil {
		return nil, err
	}
	var bounds [3]Value
	for i, b := range [...]expr{e.start, e.stop, e.step} {
		if b == nil {
			continue
		}
		if bounds[i], err = in.eval(b); err != nil {
			return nil, err
		}
	}
	return in.slice(obj, bounds)
}

func (e *unaryExpr) eval(in *interp) (Value, error) {
	v, err := in.eval(e.operand)
	if err != nil {
		return nil, err
	}
	if e.neg == nil {
		return in.positive(v)
	}
	return in.negative(v)
}

func (e *binaryExpr) eval(in *interp) (Value, error) {
	a, b, err := in.eval2(e.l, e.r)
	if err != nil {
		return nil, err
	}
	return in.arith(e.op, a, b)
}

func (e *concatExpr) eval(in *interp) (Value, error) {
	var texts [8]string
	parts := texts[:0]
	total := 0
	for _, part := range e.parts {
		v, err := in.eval(part)
		if err != nil {
			return nil, err
		}
		text, err := in.str(v)
		if err != nil {
			return nil, err
		}
		parts = append(parts, text)
		total += len(text)
	}
	if err := in.grow(total - len(parts[0])); err != nil {
		return nil, err
	}
	return in.appendText(parts[0], strings.Join(parts[1:], ""))
}

func (e *compareExpr) eval(in *interp) (Value, error) {
	a, err := in.eval(e.first)
	if err != nil {
		return nil, err
	}
	for i := range e.rest {
		b, err := in.eval(e.rest[i].operand)
		if err != nil {
			return nil, err
		}
		ok, err := in.compare(e.rest[i].op, a, b)
		if err != nil || !ok {
			return false, err
		}
		a = b
	}
	return true, nil
}

func (e *andExpr) eval(in *interp) (Value, error) {
	v, err := in.eval(e.l)
	if err != nil || !truth(v) {
		return v, err
	}
	return in.eval(e.r)
}

func (e *orExpr) eval(in *interp) (Value, error) {
	v, err := in.eval(e.l)
	if err != nil || truth(v) {
		return v, err
	}
	return in.eval(e.r)
}

func (e *notExpr) eval(in *interp) (Value, error) {
	v, err := in.eval(e.operand)
	if err != nil {
		return nil, err
	}
	return !truth(v), nil
}

func (e *condExpr) eval(in *interp) (Value, error) {
	v, err := in.eval(e.cond)
	if err != nil {
		return nil, err
	}
	if truth(v) {
		return in.eval(e.then)
	}
	if e.other != nil {
		return in.eval(e.other)
	}
	return undefinedHint("the inline if-expression evaluated to false and no else section was " +
		"defined."), nil
}

func (e *listExpr) eval(in *interp) (Value, error) {
	if err := in.grow(48 + 16*len(e.items)); err != nil {
		return nil, err
	}
	items, err := in.evalAll(e.items)
	if err != nil {
		return nil, err
	}
	return &List{items: items, tuple: e.tuple}, nil
}

func (in *interp) evalAll(exprs []expr) ([]Value, error) {
	if len(exprs) == 0 {
		return nil, nil
	}
	vals := make([]Value, len(exprs))
	for i, e := range exprs {
		v, err := in.eval(e)
		if err != nil {
			return nil, err
		}
		vals[i] = v
	}
	return vals, nil
}

func (e *dictExpr) eval(in *interp) (Value, error) {
	if err := in.grow(64); err != nil {
		return nil, err
	}
	d := NewDict(len(e.keys))
	for i := range e.keys {
		key, val, err := in.eval2(e.keys[i], e.vals[i])
		if err != nil {
			return nil, err
		}
		if err := d.put(in, key, val); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (e *filterExpr) eval(in *interp) (Value, error) {
	v, err := in.eval(e.operand)
	if err != nil {
		return nil, err
	}
	if e.fn == nil {
		return nil, errorf(SyntaxError, "no filter named '%s'", e.name)
	}
	a, err := in.evalArgs(&e.args, nil)
	if err != nil {
		return nil, err
	}
	return e.fn(in, v, a)
}

func (e *testExpr) eval(in *interp) (Value, error) {
	v, err := in.eval(e.operand)
	if err != nil {
		return nil, err
	}
	if e.fn == nil {
		return nil, errorf(SyntaxError, "no test named '%s'", e.name)
	}
	a, err := in.evalArgs(&e.args, nil)
	if err != nil {
		return nil, err
	}
	ok, err := e.fn(in, v, a)
	return ok, err
}

func (e *callExpr) eval(in *interp) (Value, error) { return in.evalCall(e, nil) }
