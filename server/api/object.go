package api

// Object reads the fields of a JSON object by name and remembers which were read. A field of the
// wrong type or range is a fault of the document (Value.Err) and reads as its zero value, so that a
// codec reads everything first and asks once.
type Object struct {
	v    Value
	keys []int32
	seen []bool
}

// Value is the object as a value.
func (o *Object) Value() Value { return o.v }

// Get finds a field. Names are compared exactly.
func (o *Object) Get(name string) (Value, bool) {
	for n, k := range o.keys {
		key := Value{o.v.doc, k}
		if key.equals(name) {
			o.seen[n] = true
			return Value{o.v.doc, k + 1}, true
		}
	}
	return Value{}, false
}

// equals compares a string without copying it, where it has no escapes.
func (v Value) equals(s string) bool {
	if v.node().escaped {
		return v.text() == s
	}
	return string(v.bytes()) == s
}

// Has reports whether the field is there, without reading it.
func (o *Object) Has(name string) bool {
	for _, k := range o.keys {
		if (Value{o.v.doc, k}).equals(name) {
			return true
		}
	}
	return false
}

// Need is Get; a missing field is a fault.
func (o *Object) Need(name string) (Value, bool) {
	v, ok := o.Get(name)
	if !ok {
		o.Missing(name)
	}
	return v, ok
}

// Missing records that a field is required.
func (o *Object) Missing(name string) {
	path := o.v.Path()
	if path != "" {
		path += "."
	}
	o.v.failAt(path+name, "is required")
}

// NotNull is Get for fields whose null means the same as leaving them out.
func (o *Object) NotNull(name string) (Value, bool) {
	v, ok := o.Get(name)
	return v, ok && !v.IsNull()
}

// Len is the number of fields.
func (o *Object) Len() int { return len(o.keys) }

// Fields yields all fields in order and marks them as read.
func (o *Object) Fields() func(func(string, Value) bool) {
	return func(yield func(string, Value) bool) {
		for n, k := range o.keys {
			o.seen[n] = true
			if !yield(Value{o.v.doc, k}.text(), Value{o.v.doc, k + 1}) {
				return
			}
		}
	}
}

// Unread yields the fields that nothing has asked for.
func (o *Object) Unread() func(func(string, Value) bool) {
	return func(yield func(string, Value) bool) {
		for n, k := range o.keys {
			if !o.seen[n] && !yield(Value{o.v.doc, k}.text(), Value{o.v.doc, k + 1}) {
				return
			}
		}
	}
}

// String reads a string field.
func (o *Object) String(name string) Opt[string] {
	if v, ok := o.Get(name); ok {
		return Some(v.Str())
	}
	return Opt[string]{}
}

// NeedString reads a string field that must be there.
func (o *Object) NeedString(name string) string {
	v, ok := o.Need(name)
	if !ok {
		return ""
	}
	return v.Str()
}

// Bool reads a field that is true or false.
func (o *Object) Bool(name string) Opt[bool] {
	if v, ok := o.Get(name); ok {
		return Some(v.Bool())
	}
	return Opt[bool]{}
}

// Float reads a number in [lo, hi].
func (o *Object) Float(name string, lo, hi float64) Opt[float64] {
	if v, ok := o.Get(name); ok {
		return Some(v.Float(lo, hi))
	}
	return Opt[float64]{}
}

// Int reads a whole number in [lo, hi].
func (o *Object) Int(name string, lo, hi int) Opt[int] {
	if v, ok := o.Get(name); ok {
		return Some(int(v.Int(int64(lo), int64(hi))))
	}
	return Opt[int]{}
}

// OneOf reads a string that must be one of the choices.
func (o *Object) OneOf(name string, choices ...string) string {
	v, ok := o.Get(name)
	if !ok {
		return ""
	}
	s := v.Str()
	for _, c := range choices {
		if s == c {
			return s
		}
	}
	v.Fail("must be one of %s", quoteAll(choices))
	return ""
}

func quoteAll(names []string) string {
	out := []byte{}
	for i, s := range names {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = AppendString(out, s)
	}
	return string(out)
}
