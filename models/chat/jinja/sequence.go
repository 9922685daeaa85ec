package jinja

import "unicode/utf8"

// sequence is the elements of an iterable, ready to be indexed.
type sequence struct {
	n     int
	items []Value // or
	span  *span   // or
	view  *view
}

func listSequence(items []Value) sequence { return sequence{n: len(items), items: items} }

func (s *sequence) at(i int) Value {
	switch {
	case s.items != nil:
		return s.items[i]
	case s.span != nil:
		return s.span.at(int64(i))
	}
	return s.view.at(i)
}

// sequence is Python's iter(v), with its length known.
func (in *interp) sequence(v Value) (sequence, error) {
	switch v := v.(type) {
	case *List:
		return listSequence(v.items), nil
	case *Dict:
		return sequence{n: len(v.entries), view: &view{v, viewKeys}}, nil
	case *view:
		return sequence{n: len(v.dict.entries), view: v}, nil
	case *span:
		return sequence{n: int(v.n), span: v}, nil
	case *Undefined:
		return sequence{}, nil
	case *generator:
		items, err := in.drain(v)
		return listSequence(items), err
	case *loopState:
		return sequence{}, typeErrorf("iterating over the variable loop itself is not supported")
	}
	if text, ok := asString(v); ok {
		items, err := in.characters(text)
		return listSequence(items), err
	}
	return sequence{}, typeErrorf("'%s' object is not iterable", typeName(v))
}

func (in *interp) drain(g *generator) ([]Value, error) {
	var items []Value
	for {
		v, ok, err := g.next()
		if err != nil || !ok {
			return items, err
		}
		if err := in.grow(16); err != nil {
			return nil, err
		}
		items = append(items, v)
	}
}

func (in *interp) characters(text string) ([]Value, error) {
	n := utf8.RuneCountInString(text)
	if err := in.grow(32 * n); err != nil {
		return nil, err
	}
	items := make([]Value, 0, n)
	for len(text) > 0 {
		_, size := utf8.DecodeRuneInString(text)
		items = append(items, text[:size])
		text = text[size:]
	}
	return items, nil
}

// elements is Python's list(v). The slice may belong to v: it must not be changed.
func (in *interp) elements(v Value) ([]Value, error) {
	seq, err := in.sequence(v)
	if err != nil {
		return nil, err
	}
	if seq.items != nil || seq.n == 0 {
		return seq.items, nil
	}
	if err := in.grow(24 * seq.n); err != nil {
		return nil, err
	}
	items := make([]Value, seq.n)
	for i := range items {
		items[i] = seq.at(i)
	}
	return items, nil
}

// iterator is Python's iter(v) for a filter that stops early or walks lazily.
func (in *interp) iterator(v Value) (func() (Value, bool, error), error) {
	if g, ok := v.(*generator); ok {
		return func() (Value, bool, error) {
			if err := in.work(1); err != nil {
				return nil, false, err
			}
			return g.next()
		}, nil
	}
	seq, err := in.sequence(v)
	if err != nil {
		return nil, err
	}
	i := 0
	return func() (Value, bool, error) {
		if i >= seq.n {
			return nil, false, nil
		}
		i++
		return seq.at(i - 1), true, in.work(1)
	}, nil
}

// length is Python's len(v).
func (in *interp) length(v Value) (int, error) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), in.work(len(v) >> 5)
	case Markup:
		return utf8.RuneCountInString(string(v)), in.work(len(v) >> 5)
	case *List:
		return len(v.items), nil
	case *Dict:
		return len(v.entries), nil
	case *view:
		return len(v.dict.entries), nil
	case *span:
		return int(v.n), nil
	case *Undefined:
		return 0, nil
	case *loopState:
		return v.seq.n, nil
	}
	return 0, typeErrorf("object of type '%s' has no len()", typeName(v))
}
