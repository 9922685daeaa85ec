package jinja

import "errors"

// args are the arguments of one call.
type args struct {
	pos []Value
	kw  []keyword
}

type keyword struct {
	name string
	val  Value
}

func (in *interp) evalArgs(c *callArgs, caller *macro) (args, error) {
	pos, err := in.evalAll(c.pos)
	if err != nil {
		return args{}, err
	}
	a := args{pos: pos}
	for i, e := range c.vals {
		v, err := in.eval(e)
		if err != nil {
			return args{}, err
		}
		a.kw = append(a.kw, keyword{c.names[i], v})
	}
	if c.star != nil {
		if err := in.spreadList(&a, c.star); err != nil {
			return args{}, err
		}
	}
	if c.starstar != nil {
		if err := in.spreadDict(&a, c.starstar); err != nil {
			return args{}, err
		}
	}
	if caller != nil {
		a.kw = append(a.kw, keyword{"caller", caller})
	}
	return a, nil
}

func (in *interp) spreadList(a *args, e expr) error {
	v, err := in.eval(e)
	if err != nil {
		return err
	}
	items, err := in.elements(v)
	if err != nil {
		return err
	}
	if err := in.grow(16 * (len(a.pos) + len(items))); err != nil {
		return err
	}
	a.pos = append(a.pos[:len(a.pos):len(a.pos)], items...)
	return nil
}

func (in *interp) spreadDict(a *args, e expr) error {
	v, err := in.eval(e)
	if err != nil {
		return err
	}
	d, ok := v.(*Dict)
	if !ok {
		return typeErrorf("argument after ** must be a mapping, not %s", typeName(v))
	}
	for i := range d.entries {
		name, ok := asString(d.entries[i].key)
		if !ok {
			return typeErrorf("keywords must be strings")
		}
		if _, dup := a.keyword(name); dup {
			return typeErrorf("got multiple values for keyword argument '%s'", name)
		}
		a.kw = append(a.kw, keyword{name, d.entries[i].val})
		if err := in.grow(32); err != nil {
			return err
		}
		if err := in.work(len(a.kw) >> 4); err != nil {
			return err
		}
	}
	return nil
}

func (a *args) keyword(name string) (Value, bool) {
	for i := range a.kw {
		if a.kw[i].name == name {
			return a.kw[i].val, true
		}
	}
	return nil, false
}

// bind lays the arguments out in the order of names, nil where not given.
func (a *args) bind(fn string, to []Value, names ...string) error {
	if len(a.pos) > len(names) {
		return typeErrorf("%s takes at most %d arguments, got %d", fn, len(names), len(a.pos))
	}
	copy(to, a.pos)
next:
	for _, kw := range a.kw {
		for i, name := range names {
			if name != kw.name {
				continue
			}
			if i < len(a.pos) {
				return typeErrorf("%s got multiple values for argument '%s'", fn, name)
			}
			to[i] = kw.val
			continue next
		}
		return typeErrorf("%s got an unexpected keyword argument '%s'", fn, kw.name)
	}
	return nil
}

// evalCall calls what e.fn names. A method of a value is called without becoming a value itself.
func (in *interp) evalCall(e *callExpr, caller *macro) (Value, error) {
	if at, ok := e.fn.(*attrExpr); ok {
		recv, err := in.eval(at.obj)
		if err != nil {
			return nil, err
		}
		if hasMethod(recv, at.name) {
			a, err := in.evalArgs(&e.args, caller)
			if err != nil {
				return nil, err
			}
			return in.callMethod(recv, at.name, a)
		}
		fn, err := in.attr(recv, at.name)
		if err != nil {
			return nil, err
		}
		return in.callWith(fn, e, caller)
	}
	fn, err := in.eval(e.fn)
	if err != nil {
		return nil, err
	}
	return in.callWith(fn, e, caller)
}

func (in *interp) callWith(fn Value, e *callExpr, caller *macro) (Value, error) {
	a, err := in.evalArgs(&e.args, caller)
	if err != nil {
		return nil, err
	}
	return in.call(fn, a)
}

func (in *interp) call(fn Value, a args) (Value, error) {
	switch fn := fn.(type) {
	case *function:
		return fn.call(in, a)
	case *macro:
		return in.callMacro(fn, a)
	case *boundMethod:
		return in.callMethod(fn.recv, fn.name, a)
	case *joiner:
		return fn.call(a)
	case *Undefined:
		return nil, fn.err()
	}
	return nil, typeErrorf("'%s' object is not callable", typeName(fn))
}

// callMethod calls a method that hasMethod or attr has allowed.
func (in *interp) callMethod(recv Value, name string, a args) (Value, error) {
	switch recv := recv.(type) {
	case string:
		return in.stringMethod(recv, name, a)
	case Markup:
		return in.markupMethod(recv, name, a)
	case *Dict:
		return in.dictMethod(recv, name, a)
	case *List:
		return in.listMethod(recv, name, a)
	case *loopState:
		return recv.method(in, name, a)
	case *cycler:
		return recv.method(name, a)
	case float64:
		return floatMethod(recv, name, a)
	}
	panic("BUG: no method " + name + " on " + typeName(recv))
}

// macro is a macro together with the variables that it sees.
type macro struct {
	def   *macroDef
	frame *frame
}

func (in *interp) callMacro(m *macro, a args) (Value, error) {
	if in.depth >= maxEvalDepth {
		return nil, errorf(LimitError, "macro calls nested more than %d deep", maxEvalDepth)
	}
	outer, line := in.frame, in.line
	in.frame = m.frame
	in.depth += 4
	defer func() {
		in.frame, in.line = outer, line
		in.depth -= 4
	}()
	if _, err := in.push(m.def.scope); err != nil {
		return nil, err
	}
	if err := in.bindMacro(m.def, a); err != nil {
		return nil, err
	}
	text, err := in.captured(func() error {
		_, err := in.run(m.def.body)
		return err
	})
	if err != nil {
		// The line of the failing statement, not of the call.
		return nil, in.at(err)
	}
	return text, nil
}

// at gives err the current line if it has none.
func (in *interp) at(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) && e.Line == 0 {
		e.Line = in.line
	}
	return err
}

// bindMacro fills the frame of a macro call with its arguments.
func (in *interp) bindMacro(m *macroDef, a args) error {
	vals := in.frame.vals
	n := min(len(a.pos), len(m.params))
	if err := in.work(len(m.params) * (1 + len(a.kw)) >> 4); err != nil {
		return err
	}
	for i := range n {
		vals[m.slots[i]] = a.pos[i]
	}
	rest := a.kw
	for i := n; i < len(m.params); i++ {
		if v, ok := a.keyword(m.params[i]); ok {
			vals[m.slots[i]] = v
			rest = without(rest, m.params[i])
		}
	}
	if m.caller >= 0 && vals[m.caller] == nil {
		vals[m.caller] = undefinedHint("No caller defined")
		if v, ok := a.keyword("caller"); ok {
			vals[m.caller] = v
			rest = without(rest, "caller")
		}
	}
	if err := in.bindRest(m, a.pos[n:], rest); err != nil {
		return err
	}
	for i := n; i < len(m.params); i++ {
		if err := in.bindDefault(m, i); err != nil {
			return err
		}
	}
	return nil
}

func (in *interp) bindRest(m *macroDef, pos []Value, kw []keyword) error {
	switch {
	case m.kwargs >= 0:
		d := NewDict(len(kw))
		for _, k := range kw {
			d.Set(k.name, k.val)
		}
		in.frame.vals[m.kwargs] = d
	case len(kw) > 0:
		return typeErrorf("macro '%s' takes no keyword argument '%s'", m.name, kw[0].name)
	}
	switch {
	case m.varargs >= 0:
		in.frame.vals[m.varargs] = newTuple(pos...)
	case len(pos) > 0:
		return typeErrorf("macro '%s' takes not more than %d argument(s)", m.name, len(m.params))
	}
	return nil
}

func (in *interp) bindDefault(m *macroDef, i int) error {
	to := &in.frame.vals[m.slots[i]]
	if *to != nil {
		return nil
	}
	def := i - (len(m.params) - len(m.defaults))
	if def < 0 {
		*to = undefinedHint("parameter '" + m.params[i] + "' was not provided")
		return nil
	}
	v, err := in.eval(m.defaults[def])
	*to = v
	return err
}

func without(kw []keyword, name string) []keyword {
	var rest []keyword
	for _, k := range kw {
		if k.name != name {
			rest = append(rest, k)
		}
	}
	return rest
}
