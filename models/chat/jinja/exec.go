package jinja

func (in *interp) run(body []stmt) (signal, error) {
	for _, s := range body {
		sig, err := s.exec(in)
		if err != nil || sig != goOn {
			return sig, err
		}
	}
	return goOn, nil
}

// scoped runs body in a new frame.
func (in *interp) scoped(s *scope, body []stmt) (signal, error) {
	outer, err := in.push(s)
	if err != nil {
		return goOn, err
	}
	sig, err := in.run(body)
	in.frame = outer
	return sig, err
}

func (s *dataStmt) exec(in *interp) (signal, error) { return goOn, in.write(s.text) }

func (s *jumpStmt) exec(*interp) (signal, error) { return s.sig, nil }

func (s *printStmt) exec(in *interp) (signal, error) {
	in.line = s.line
	v, err := in.eval(s.value)
	if err != nil {
		return goOn, err
	}
	text, err := in.str(v)
	if err != nil {
		return goOn, err
	}
	return goOn, in.write(text)
}

func (s *ifStmt) exec(in *interp) (signal, error) {
	for i := range s.branches {
		b := &s.branches[i]
		in.line = b.line
		v, err := in.eval(b.cond)
		if err != nil {
			return goOn, err
		}
		if truth(v) {
			return in.run(b.body)
		}
	}
	return in.run(s.other)
}

func (s *setStmt) exec(in *interp) (signal, error) {
	in.line = s.line
	if err := in.checkTarget(&s.target); err != nil {
		return goOn, err
	}
	v, err := in.eval(s.value)
	if err != nil {
		return goOn, err
	}
	return goOn, in.assign(&s.target, v)
}

// checkTarget refuses ns.attr where ns is no namespace, before the value is computed.
func (in *interp) checkTarget(t *target) error {
	if t.ns != nil {
		if _, ok := in.lookup(t.ns).(*namespace); !ok {
			return errorf(TypeError, "cannot assign attribute on non-namespace object")
		}
	}
	for i := range t.parts {
		if err := in.checkTarget(&t.parts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (in *interp) assign(t *target, v Value) error {
	if err := in.work(1); err != nil {
		return err
	}
	if t.ns != nil {
		ns, ok := in.lookup(t.ns).(*namespace)
		if !ok {
			return errorf(TypeError, "cannot assign attribute on non-namespace object")
		}
		ns.attrs.Set(t.attr, v)
		return in.grow(32)
	}
	if t.parts == nil {
		in.frame.vals[t.slot] = v
		return nil
	}
	items, err := in.elements(v)
	if err != nil {
		if u, ok := v.(*Undefined); ok {
			return u.err()
		}
		return err
	}
	if len(items) != len(t.parts) {
		return valueErrorf("cannot unpack %d values into %d names", len(items), len(t.parts))
	}
	for i := range t.parts {
		if err := in.assign(&t.parts[i], items[i]); err != nil {
			return err
		}
	}
	return nil
}

// filtered captures the output of body and hands it to filter, both in a frame of s.
func (in *interp) filtered(s *scope, body []stmt, filter expr) (Value, signal, error) {
	outer, err := in.push(s)
	if err != nil {
		return nil, goOn, err
	}
	defer func() { in.frame = outer }()
	var sig signal
	text, err := in.captured(func() (err error) {
		sig, err = in.run(body)
		return err
	})
	if err != nil || sig != goOn || filter == nil {
		return text, sig, err
	}
	saved := in.capture
	in.capture = text
	v, err := in.eval(filter)
	in.capture = saved
	return v, goOn, err
}

func (s *setBlockStmt) exec(in *interp) (signal, error) {
	in.line = s.line
	if err := in.checkTarget(&s.target); err != nil {
		return goOn, err
	}
	v, sig, err := in.filtered(s.scope, s.body, s.filter)
	if err != nil || sig != goOn {
		return sig, err
	}
	return goOn, in.assign(&s.target, v)
}

func (s *filterStmt) exec(in *interp) (signal, error) {
	in.line = s.line
	v, sig, err := in.filtered(s.scope, s.body, s.filter)
	if err != nil || sig != goOn {
		return sig, err
	}
	text, err := in.str(v)
	if err != nil {
		return goOn, err
	}
	return goOn, in.write(text)
}

func (s *withStmt) exec(in *interp) (signal, error) {
	in.line = s.line
	vals := make([]Value, len(s.values))
	for i, e := range s.values {
		v, err := in.eval(e)
		if err != nil {
			return goOn, err
		}
		vals[i] = v
	}
	outer, err := in.push(s.scope)
	if err != nil {
		return goOn, err
	}
	defer func() { in.frame = outer }()
	for i := range s.targets {
		if err := in.assign(&s.targets[i], vals[i]); err != nil {
			return goOn, err
		}
	}
	return in.run(s.body)
}

func (s *macroStmt) exec(in *interp) (signal, error) {
	in.frame.vals[s.slot] = &macro{def: s.def, frame: in.frame}
	return goOn, in.grow(32)
}

func (s *callStmt) exec(in *interp) (signal, error) {
	in.line = s.line
	caller := &macro{def: s.def, frame: in.frame}
	var v Value
	var err error
	if s.call == nil {
		v, err = in.callMacro(caller, args{})
	} else {
		v, err = in.evalCall(s.call, caller)
	}
	if err != nil {
		return goOn, err
	}
	text, err := in.str(v)
	if err != nil {
		return goOn, err
	}
	return goOn, in.write(text)
}
