package jinja

// mapper turns one element into another value.
type mapper func(item Value) (Value, error)

// mapped is the generator of f over v; a false v has no elements, whatever its type.
func (in *interp) mapped(v Value, keep bool, prepare func() (mapper, error)) (Value, error) {
	return lazily(v, func() (func() (Value, bool, error), error) {
		if !truth(v) {
			return func() (Value, bool, error) { return nil, false, nil }, nil
		}
		f, err := prepare()
		if err != nil {
			return nil, err
		}
		next, err := in.iterator(v)
		if err != nil {
			return nil, err
		}
		return func() (Value, bool, error) {
			for {
				item, ok, err := next()
				if err != nil || !ok {
					return nil, false, err
				}
				if err := in.work(1); err != nil {
					return nil, false, err
				}
				out, err := f(item)
				if err != nil {
					return nil, false, err
				}
				if !keep {
					return out, true, nil
				}
				if truth(out) {
					return item, true, nil
				}
			}
		}, nil
	})
}

func filterMap(in *interp, v Value, a args) (Value, error) {
	return in.mapped(v, false, func() (mapper, error) {
		attribute, ok := a.keyword("attribute")
		if len(a.pos) == 0 && ok {
			def, _ := a.keyword("default")
			for _, kw := range a.kw {
				if kw.name != "attribute" && kw.name != "default" {
					return nil, typeErrorf("Unexpected keyword argument '%s'", kw.name)
				}
			}
			if _, none := def.(None); none {
				def = nil
			}
			get := newGetter(attribute, def)
			return func(item Value) (Value, error) { return get.get(in, item) }, nil
		}
		if len(a.pos) == 0 {
			return nil, typeErrorf("map requires a filter argument")
		}
		name, _ := asString(a.pos[0])
		filter := filterNamed(name)
		if filter == nil {
			return nil, typeErrorf("No filter named '%s'.", name)
		}
		rest := args{pos: a.pos[1:], kw: a.kw}
		return func(item Value) (Value, error) { return filter(in, item, rest) }, nil
	})
}

func isTrue(_ *interp, v Value, _ args) (bool, error) { return truth(v), nil }

// picking makes select, reject, selectattr and rejectattr.
func picking(byAttr, want bool) filterFunc {
	return func(in *interp, v Value, a args) (Value, error) { return pick(in, v, a, byAttr, want) }
}

func pick(in *interp, v Value, a args, byAttr, want bool) (Value, error) {
	return in.mapped(v, true, func() (mapper, error) {
		pos := a.pos
		var get getter
		if byAttr {
			if len(pos) == 0 {
				return nil, typeErrorf("Missing parameter for attribute name")
			}
			get = newGetter(pos[0], nil)
			pos = pos[1:]
		}
		check := testFunc(isTrue)
		rest := args{kw: a.kw}
		if len(pos) > 0 {
			name, _ := asString(pos[0])
			if check = testNamed(name); check == nil {
				return nil, typeErrorf("No test named '%s'.", name)
			}
			rest.pos = pos[1:]
		}
		return func(item Value) (Value, error) {
			item, err := get.get(in, item)
			if err != nil {
				return nil, err
			}
			ok, err := check(in, item, rest)
			return ok == want, err
		}, nil
	})
}
