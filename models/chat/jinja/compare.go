package jinja

import (
	"cmp"
	"math"
	"math/big"
)

type compareOp uint8

const (
	opEq compareOp = iota
	opNe
	opLt
	opLe
	opGt
	opGe
	opIn
	opNotIn
)

func compareOpOf(text string) (compareOp, bool) {
	switch text {
	case "==":
		return opEq, true
	case "!=":
		return opNe, true
	case "<":
		return opLt, true
	case "<=":
		return opLe, true
	case ">":
		return opGt, true
	case ">=":
		return opGe, true
	}
	return 0, false
}

func (op compareOp) String() string {
	return [...]string{"==", "!=", "<", "<=", ">", ">=", "in", "not in"}[op]
}

func (in *interp) compare(op compareOp, a, b Value) (bool, error) {
	switch op {
	case opEq:
		return in.equal(a, b)
	case opNe:
		same, err := in.equal(a, b)
		return !same, err
	case opIn:
		return in.contains(b, a)
	case opNotIn:
		found, err := in.contains(b, a)
		return !found, err
	}
	return in.ordered(op, a, b, 0)
}

// equal is a == b.
func (in *interp) equal(a, b Value) (bool, error) { return in.equalAt(a, b, 0) }

func (in *interp) equalAt(a, b Value, depth int) (bool, error) {
	if err := in.work(1); err != nil {
		return false, err
	}
	if x, ok := a.(string); ok {
		y, ok := asString(b)
		return ok && x == y, nil
	}
	if x, ok := numberOf(a); ok {
		y, ok := numberOf(b)
		return ok && compareNumbers(x, y) == 0, nil
	}
	if depth > maxDataDepth {
		return false, in.tooDeep("compared values")
	}
	switch x := a.(type) {
	case None:
		_, ok := b.(None)
		return ok, nil
	case *Undefined:
		_, ok := b.(*Undefined)
		return ok, nil
	case Markup:
		y, ok := asString(b)
		return ok && string(x) == y, nil
	case *List:
		y, ok := b.(*List)
		if !ok || x.tuple != y.tuple || len(x.items) != len(y.items) {
			return false, nil
		}
		return in.equalItems(x.items, y.items, depth+1)
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || len(x.entries) != len(y.entries) {
			return false, nil
		}
		return in.equalDicts(x, y, depth+1)
	case *span:
		y, ok := b.(*span)
		return ok && x.n == y.n && (x.n == 0 || x.start == y.start &&
			(x.n == 1 || x.step == y.step)), nil
	}
	return a == b, nil
}

func (in *interp) equalItems(x, y []Value, depth int) (bool, error) {
	for i := range x {
		same, err := in.equalAt(x[i], y[i], depth)
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func (in *interp) equalDicts(x, y *Dict, depth int) (bool, error) {
	for i := range x.entries {
		e := &x.entries[i]
		j := y.find(e.hash)
		if j < 0 {
			return false, nil
		}
		same, err := in.equalAt(e.val, y.entries[j].val, depth)
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// ordered is a op b for < <= > >=.
func (in *interp) ordered(op compareOp, a, b Value, depth int) (bool, error) {
	if err := in.work(1); err != nil {
		return false, err
	}
	if depth > maxDataDepth {
		return false, in.tooDeep("compared values")
	}
	x, okX := numberOf(a)
	y, okY := numberOf(b)
	if okX && okY {
		return holds(op, compareNumbers(x, y)), nil
	}
	s, okX := asString(a)
	t, okY := asString(b)
	if okX && okY {
		return holds(op, cmp.Compare(s, t)), nil
	}
	for _, v := range [...]Value{a, b} {
		if u, ok := v.(*Undefined); ok {
			return false, u.err()
		}
	}
	l, okX := a.(*List)
	m, okY := b.(*List)
	if okX && okY && l.tuple == m.tuple {
		return in.orderedLists(op, l.items, m.items, depth)
	}
	return false, typeErrorf("'%s' not supported between instances of '%s' and '%s'", op,
		typeName(a),
		typeName(b))
}

func (in *interp) orderedLists(op compareOp, x, y []Value, depth int) (bool, error) {
	for i := range min(len(x), len(y)) {
		same, err := in.equalAt(x[i], y[i], depth+1)
		if err != nil {
			return false, err
		}
		if !same {
			return in.ordered(op, x[i], y[i], depth+1)
		}
	}
	return holds(op, cmp.Compare(len(x), len(y))), nil
}

// unordered is the result of comparing with NaN.
const unordered = 2

func holds(op compareOp, order int) bool {
	if order == unordered {
		return false
	}
	switch op {
	case opLt:
		return order < 0
	case opLe:
		return order <= 0
	case opGt:
		return order > 0
	}
	return order >= 0
}

// compareNumbers is exact also between an integer and a float.
func compareNumbers(x, y number) int {
	switch {
	case !x.isFloat && !y.isFloat:
		if x.big == nil && y.big == nil {
			return cmp.Compare(x.i, y.i)
		}
		return x.bigInt().Cmp(y.bigInt())
	case math.IsNaN(x.f) || math.IsNaN(y.f):
		return unordered
	case x.isFloat && y.isFloat:
		return cmp.Compare(x.f, y.f)
	}
	return x.bigFloat().Cmp(y.bigFloat())
}

func (n number) bigFloat() *big.Float {
	if n.isFloat {
		return new(big.Float).SetFloat64(n.f)
	}
	// Precision 0 takes as many bits as the integer needs.
	return new(big.Float).SetInt(n.bigInt())
}
