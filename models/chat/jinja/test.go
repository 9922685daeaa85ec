package jinja

import "math/big"

// testFunc is a test: v is name(a).
type testFunc func(in *interp, v Value, a args) (bool, error)

// testNamed finds a test, nil if there is none of that name.
func testNamed(name string) testFunc {
	if check := plainTest(name); check != nil {
		return func(in *interp, v Value, a args) (bool, error) {
			if err := a.bind("test "+name, nil); err != nil {
				return false, err
			}
			return check(v), nil
		}
	}
	if op, ok := testCompareOp(name); ok {
		return func(in *interp, v Value, a args) (bool, error) {
			other, err := a.one(name)
			if err != nil {
				return false, err
			}
			return in.compare(op, v, other)
		}
	}
	switch name {
	case "odd", "even", "divisibleby":
		return divisibility(name)
	case "lower", "upper":
		return caseTest(name)
	case "sameas":
		return testSameAs
	}
	return nil
}

func (a *args) one(name string) (Value, error) {
	if len(a.pos) != 1 || len(a.kw) != 0 {
		return nil, typeErrorf("test %s takes exactly one argument", name)
	}
	return a.pos[0], nil
}

func testCompareOp(name string) (compareOp, bool) {
	switch name {
	case "eq", "equalto":
		return opEq, true
	case "ne":
		return opNe, true
	case "lt", "lessthan":
		return opLt, true
	case "le":
		return opLe, true
	case "gt", "greaterthan":
		return opGt, true
	case "ge":
		return opGe, true
	case "in":
		return opIn, true
	}
	return compareOpOf(name) // as in select("==", 1)
}

// plainTest finds a test without arguments.
func plainTest(name string) func(Value) bool {
	switch name {
	case "defined":
		return func(v Value) bool { return !isUndefined(v) }
	case "undefined":
		return isUndefined
	case "none":
		return func(v Value) bool { return v == None{} }
	case "boolean":
		return func(v Value) bool { return v == true || v == false }
	case "true":
		return func(v Value) bool { return v == true }
	case "false":
		return func(v Value) bool { return v == false }
	case "integer":
		return isInteger
	case "float":
		return func(v Value) bool { _, ok := v.(float64); return ok }
	case "number":
		return func(v Value) bool { _, ok := numberOf(v); return ok }
	case "string":
		return isText
	case "mapping":
		return func(v Value) bool { _, ok := v.(*Dict); return ok }
	case "sequence":
		return isIndexable
	case "iterable":
		return isIterable
	case "callable":
		return isCallable
	case "escaped":
		return func(v Value) bool { _, ok := v.(Markup); return ok }
	case "filter":
		return func(v Value) bool { s, _ := asString(v); return filterNamed(s) != nil }
	case "test":
		return func(v Value) bool { s, _ := asString(v); return testNamed(s) != nil }
	}
	return nil
}

func isUndefined(v Value) bool {
	_, ok := v.(*Undefined)
	return ok
}

func isInteger(v Value) bool {
	switch v.(type) {
	case int64, *big.Int:
		return true
	}
	return false
}

// isIndexable is jinja2's test sequence: it has a length and can be indexed.
func isIndexable(v Value) bool {
	switch v.(type) {
	case string, Markup, *List, *Dict, *span, *Undefined:
		return true
	}
	return false
}

func isIterable(v Value) bool {
	switch v.(type) {
	case *view, *generator, *loopState:
		return true
	}
	return isIndexable(v)
}

func isCallable(v Value) bool {
	switch v.(type) {
	case *function, *macro, *boundMethod, *joiner, *Undefined:
		return true
	}
	return false
}

func divisibility(name string) testFunc {
	return func(in *interp, v Value, a args) (bool, error) {
		by := Value(int64(2))
		want := Value(int64(0))
		if name == "divisibleby" {
			var p [1]Value
			if err := a.bind(name, p[:], "num"); err != nil {
				return false, err
			}
			if by = p[0]; by == nil {
				return false, typeErrorf("test divisibleby needs a number")
			}
		} else if name == "odd" {
			want = int64(1)
		}
		rest, err := in.arith("%", v, by)
		if err != nil {
			return false, err
		}
		return in.equal(rest, want)
	}
}

func caseTest(name string) testFunc {
	return func(in *interp, v Value, a args) (bool, error) {
		text, err := in.str(v)
		if err != nil {
			return false, err
		}
		if name == "upper" {
			return isUpper(text), in.scan(len(text))
		}
		return isLower(text), in.scan(len(text))
	}
}

func testSameAs(in *interp, v Value, a args) (bool, error) {
	other, err := a.one("sameas")
	if err != nil || typeName(v) != typeName(other) {
		return false, err
	}
	if _, ok := numberOf(v); ok || isText(v) {
		return in.equal(v, other)
	}
	return v == other, nil
}
