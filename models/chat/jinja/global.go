package jinja

// globalFunction finds a function that every template has; nil if there is none of that name.
func globalFunction(name string) *function {
	var call func(in *interp, a args) (Value, error)
	switch name {
	case "range":
		call = callRange
	case "dict":
		call = callDict
	case "namespace":
		call = callNamespace
	case "joiner":
		call = callJoiner
	case "cycler":
		call = callCycler
	case "raise_exception":
		call = callRaise
	case "strftime_now":
		call = callStrftime
	default:
		return nil
	}
	return &function{name, call}
}

func callRange(in *interp, a args) (Value, error) {
	if len(a.kw) > 0 || len(a.pos) < 1 || len(a.pos) > 3 {
		return nil, typeErrorf("range takes 1 to 3 positional arguments")
	}
	bounds := [3]int64{0, 0, 1}
	for i, v := range a.pos {
		n, ok := indexOf(v)
		if !ok {
			return nil, typeErrorf("'%s' object cannot be interpreted as an integer", typeName(v))
		}
		if n < -1<<61 || n > 1<<61 {
			return nil, valueErrorf("range bound %d is too big", n)
		}
		bounds[i] = n
	}
	s := &span{start: bounds[0], stop: bounds[1], step: bounds[2]}
	if len(a.pos) == 1 {
		s.start, s.stop = 0, bounds[0]
	}
	switch {
	case s.step == 0:
		return nil, valueErrorf("range() arg 3 must not be zero")
	case s.step > 0 && s.stop > s.start:
		s.n = (s.stop-s.start-1)/s.step + 1
	case s.step < 0 && s.stop < s.start:
		s.n = (s.start-s.stop-1)/-s.step + 1
	}
	if s.n > maxRange {
		return nil, valueErrorf("range of %d elements; the sandbox allows %d", s.n, maxRange)
	}
	return s, nil
}

// callDict is dict(mapping or pairs, **more).
func callDict(in *interp, a args) (Value, error) {
	if len(a.pos) > 1 {
		return nil, typeErrorf("dict expected at most 1 argument, got %d", len(a.pos))
	}
	d := NewDict(len(a.kw))
	if len(a.pos) == 1 {
		if err := d.fill(in, a.pos[0]); err != nil {
			return nil, err
		}
	}
	for _, kw := range a.kw {
		if err := d.put(in, kw.name, kw.val); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Dict) fill(in *interp, from Value) error {
	if src, ok := from.(*Dict); ok {
		for i := range src.entries {
			e := &src.entries[i]
			d.set(e.hash, e.key, e.val)
		}
		return in.grow(96 * len(src.entries))
	}
	items, err := in.elements(from)
	if err != nil {
		return err
	}
	for _, item := range items {
		pair, err := in.elements(item)
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return valueErrorf("dictionary update sequence element has length %d; 2 is required",
				len(pair))
		}
		if err := d.put(in, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

func callNamespace(in *interp, a args) (Value, error) {
	d, err := callDict(in, a)
	if err != nil {
		return nil, err
	}
	return &namespace{d.(*Dict)}, nil
}

// joiner gives nothing the first time it is called and its separator from then on.
type joiner struct {
	sep  Value
	used bool
}

func callJoiner(in *interp, a args) (Value, error) {
	p := [1]Value{", "}
	err := a.bind("joiner", p[:], "sep")
	return &joiner{sep: p[0]}, err
}

func (j *joiner) call(a args) (Value, error) {
	if err := a.bind("joiner", nil); err != nil {
		return nil, err
	}
	if j.used {
		return j.sep, nil
	}
	j.used = true
	return "", nil
}

// cycler hands out its items in turn.
type cycler struct {
	items []Value
	pos   int
}

func callCycler(in *interp, a args) (Value, error) {
	if len(a.pos) == 0 || len(a.kw) > 0 {
		return nil, typeErrorf("at least one item has to be provided")
	}
	return &cycler{items: a.pos}, nil
}

func (c *cycler) method(name string, a args) (Value, error) {
	if err := a.bind("cycler."+name, nil); err != nil {
		return nil, err
	}
	if name == "reset" {
		c.pos = 0
		return None{}, nil
	}
	v := c.items[c.pos]
	c.pos = (c.pos + 1) % len(c.items)
	return v, nil
}

func callRaise(in *interp, a args) (Value, error) {
	var p [1]Value
	if err := a.bind("raise_exception", p[:], "message"); err != nil {
		return nil, err
	}
	if p[0] == nil {
		return nil, typeErrorf("raise_exception needs a message")
	}
	msg, err := in.str(p[0])
	if err != nil {
		return nil, err
	}
	return nil, errorf(RaisedError, "%s", msg)
}

func callStrftime(in *interp, a args) (Value, error) {
	var p [1]Value
	if err := a.bind("strftime_now", p[:], "format"); err != nil {
		return nil, err
	}
	format, ok := asString(p[0])
	if !ok {
		return nil, typeErrorf("strftime_now needs a format string")
	}
	if err := in.grow(16 * len(format)); err != nil {
		return nil, err
	}
	if err := in.work(8 * len(format)); err != nil {
		return nil, err
	}
	return strftime(in.env.Now(), format), nil
}
