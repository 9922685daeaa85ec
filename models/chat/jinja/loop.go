package jinja

// loopState is the special variable loop.
type loopState struct {
	seq     sequence
	index   int // from 0
	changed Value
}

func (s *forStmt) exec(in *interp) (signal, error) {
	in.line = s.line
	v, err := in.eval(s.iter)
	if err != nil {
		return goOn, err
	}
	seq, err := in.sequence(v)
	if err != nil {
		return goOn, err
	}
	outer, err := in.push(s.scope)
	if err != nil {
		return goOn, err
	}
	defer func() { in.frame = outer }()
	if s.filter != nil {
		if seq, err = s.filtered(in, seq); err != nil {
			return goOn, err
		}
	}
	completed, err := s.iterate(in, seq)
	in.frame = outer
	if err != nil || completed || s.other == nil {
		return goOn, err
	}
	return in.scoped(s.elseScope, s.other)
}

// iterate runs the body for each element. completed says that at least one run reached the body's
// end, which is what Jinja2 asks before it runs the else block.
func (s *forStmt) iterate(in *interp, seq sequence) (completed bool, err error) {
	loop := &loopState{seq: seq}
	for i := range seq.n {
		if i > 0 {
			if err := s.refresh(in); err != nil {
				return false, err
			}
		}
		loop.index = i
		in.frame.vals[s.loopSlot] = loop
		if err := in.assign(&s.target, seq.at(i)); err != nil {
			return false, err
		}
		sig, err := in.run(s.body)
		if err != nil {
			return false, err
		}
		if sig == doBreak {
			break
		}
		completed = completed || sig == goOn
	}
	return completed, nil
}

// refresh makes every variable of the loop's frame unset again.
func (s *forStmt) refresh(in *interp) error {
	if s.scope.closure {
		in.frame = in.frame.parent
		_, err := in.push(s.scope)
		return err
	}
	clear(in.frame.vals)
	return in.work(len(in.frame.vals) >> 3)
}

func (s *forStmt) filtered(in *interp, seq sequence) (sequence, error) {
	var kept []Value
	for i := range seq.n {
		item := seq.at(i)
		if err := in.assign(&s.target, item); err != nil {
			return sequence{}, err
		}
		v, err := in.eval(s.filter)
		if err != nil {
			return sequence{}, err
		}
		if truth(v) {
			kept = append(kept, item)
			if err := in.grow(16); err != nil {
				return sequence{}, err
			}
		}
	}
	clear(in.frame.vals)
	return listSequence(kept), nil
}

// attr is loop.name.
func (l *loopState) attr(name string) (Value, bool) {
	switch name {
	case "index":
		return smallInt(l.index + 1), true
	case "index0":
		return smallInt(l.index), true
	case "revindex":
		return smallInt(l.seq.n - l.index), true
	case "revindex0":
		return smallInt(l.seq.n - l.index - 1), true
	case "first":
		return l.index == 0, true
	case "last":
		return l.index == l.seq.n-1, true
	case "length":
		return smallInt(l.seq.n), true
	case "depth":
		return smallInt(1), true
	case "depth0":
		return smallInt(0), true
	case "previtem":
		if l.index == 0 {
			return undefinedHint("there is no previous item"), true
		}
		return l.seq.at(l.index - 1), true
	case "nextitem":
		if l.index == l.seq.n-1 {
			return undefinedHint("there is no next item"), true
		}
		return l.seq.at(l.index + 1), true
	case "cycle", "changed":
		return &boundMethod{l, name}, true
	}
	return nil, false
}

func (l *loopState) method(in *interp, name string, a args) (Value, error) {
	if len(a.kw) > 0 {
		return nil, typeErrorf("loop.%s takes no keyword arguments", name)
	}
	if name == "cycle" {
		if len(a.pos) == 0 {
			return nil, typeErrorf("no items for cycling given")
		}
		return a.pos[l.index%len(a.pos)], nil
	}
	now := newTuple(a.pos...)
	if l.changed != nil {
		same, err := in.equal(l.changed, now)
		if err != nil || same {
			return false, err
		}
	}
	l.changed = now
	return true, nil
}
