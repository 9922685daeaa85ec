package jinja

import (
	"math/big"
)

// Value is what a template computes with. It is one of None, bool, int64, *big.Int (only outside
// int64), float64, string, Markup, *List, *Dict, *Undefined and the package's own objects (ranges,
// views, generators, namespaces, macros, functions). It is never nil.
type Value = any

// None is Python's None.
type None struct{}

// Markup is a string that counts as already escaped; see the filters safe and escape.
type Markup string

// List is a Python list or tuple. The sandbox forbids changing one after it was made.
type List struct {
	items []Value
	tuple bool
}

// NewList returns a list that owns items.
func NewList(items ...Value) *List { return &List{items: items} }

func newTuple(items ...Value) *List { return &List{items: items, tuple: true} }

// Undefined stands for a name, attribute or element that does not exist. It prints as nothing, is
// false, and has no elements; anything else done with it is an error with its message.
type Undefined struct {
	kind ErrorKind
	msg  string
	name string // for messages made on demand; see message
	obj  Value  // nil: a plain name
}

func undefinedName(name string) *Undefined { return &Undefined{kind: UndefinedError, name: name} }

func undefinedHint(msg string) *Undefined { return &Undefined{kind: UndefinedError, msg: msg} }

func undefinedAttr(obj Value, name string) *Undefined {
	return &Undefined{kind: UndefinedError, name: name, obj: obj}
}

func unsafeAttr(obj Value, name string) *Undefined {
	msg := "access to attribute '" + name + "' of '" + typeName(obj) + "' object is unsafe."
	return &Undefined{kind: SecurityError, msg: msg}
}

func (u *Undefined) err() error { return errorf(u.kind, "%s", u.message()) }

func (u *Undefined) message() string {
	switch {
	case u.msg != "":
		return u.msg
	case u.obj == nil:
		return "'" + u.name + "' is undefined"
	}
	what := typeName(u.obj) + " object"
	if _, ok := u.obj.(None); ok {
		what = "None"
	}
	return "'" + what + "' has no attribute '" + u.name + "'"
}

// view is what dict.items(), keys() and values() return: it follows the dict.
type view struct {
	dict *Dict
	kind viewKind
}

type viewKind uint8

const (
	viewKeys viewKind = iota
	viewValues
	viewItems
)

func (v *view) at(i int) Value {
	e := &v.dict.entries[i]
	switch v.kind {
	case viewKeys:
		return e.key
	case viewValues:
		return e.val
	}
	return newTuple(e.key, e.val)
}

// span is a Python range of n elements.
type span struct{ start, stop, step, n int64 }

func (s *span) at(i int64) int64 { return s.start + i*s.step }

// generator is a value that can be walked once; next reports false at its end.
type generator struct {
	next  func() (Value, bool, error)
	depth int // generators that it draws from, one through the other
}

// namespace is the one object that a template may change.
type namespace struct{ attrs *Dict }

// function is a built-in that a template can call.
type function struct {
	name string
	call func(in *interp, a args) (Value, error)
}

// boundMethod is a method of a built-in type taken as a value, as in {% set f = text.split %}.
type boundMethod struct {
	recv Value
	name string
}

func typeName(v Value) string {
	switch v := v.(type) {
	case None:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case Markup:
		return "Markup"
	case *List:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *Dict:
		return "dict"
	case *Undefined:
		return "Undefined"
	}
	return objectTypeName(v)
}

func objectTypeName(v Value) string {
	switch v := v.(type) {
	case *view:
		return [...]string{"dict_keys", "dict_values", "dict_items"}[v.kind]
	case *span:
		return "range"
	case *generator:
		return "generator"
	case *namespace:
		return "Namespace"
	case *macro:
		return "Macro"
	case *loopState:
		return "LoopContext"
	case *joiner:
		return "Joiner"
	case *cycler:
		return "Cycler"
	case *function:
		return "function"
	}
	return "builtin_function_or_method"
}

// truth is Python's bool(v).
func truth(v Value) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return v != ""
	case None, *Undefined:
		return false
	case *List:
		return len(v.items) > 0
	case *Dict:
		return len(v.entries) > 0
	case int64:
		return v != 0
	case float64:
		return v != 0
	case Markup:
		return v != ""
	case *view:
		return len(v.dict.entries) > 0
	case *span:
		return v.n > 0
	case *loopState:
		return v.seq.n > 0
	}
	return true
}

// asString reports the text of a str (Markup included).
func asString(v Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case Markup:
		return string(v), true
	}
	return "", false
}

// smallInt boxes n.
func smallInt(n int) Value { return int64(n) }
