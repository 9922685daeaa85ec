package jinja

import (
	"strings"
	"time"
)

// Bounds of every template and every render. The limits that grow with the input are in Limits.
const (
	maxSource    = 256 << 10 // bytes of template source
	maxTokens    = 50_000    // of template source
	maxNesting   = 64        // blocks within blocks; and parentheses within parentheses
	maxEvalDepth = 1000      // expressions within expressions while rendering, macro calls included
	maxDataDepth = 64        // lists within lists
	maxIntBits   = 14_000    // Python refuses to print integers of more than 4,300 digits
	maxRange     = 100_000   // elements of a range, as in Jinja2's sandbox
)

// Limits bound one Render. Each must be positive.
type Limits struct {
	Steps  int // expressions evaluated, elements visited, 64-byte pieces of text handled
	Bytes  int // memory that values made by the template take, over the whole render
	Output int // bytes of text returned
}

// Env is what a render gets from outside beside its variables.
type Env struct {
	Now func() time.Time // for strftime_now; local time of its Location
}

// interp is the state of one render. One goroutine uses it, once.
type interp struct {
	prog    *Program
	vars    *Dict
	env     Env
	limits  Limits
	steps   int // left
	bytes   int // left
	depth   int
	line    int
	frame   *frame
	globals []Value // by nameExpr.global; nil until looked up
	out     *strings.Builder
	root    *strings.Builder
	capture Value // what capturedExpr stands for
	tails   tails
}

// frame holds the variables of one scope while it runs; a nil element is not set yet.
type frame struct {
	parent *frame
	vals   []Value
}

func (in *interp) work(n int) error {
	if n > in.steps {
		in.steps = 0
		return errorf(LimitError, "rendering takes more than %d steps", in.limits.Steps)
	}
	in.steps -= n
	return nil
}

// grow accounts for n bytes about to be allocated or copied; n may be any non-negative number.
func (in *interp) grow(n int) error {
	if n > in.bytes {
		in.bytes = 0
		return errorf(LimitError, "values of the template take more than %d bytes", in.limits.Bytes)
	}
	in.bytes -= n
	return in.work(n >> 6)
}

// scan accounts for reading n bytes of text.
func (in *interp) scan(n int) error { return in.work(n >> 6) }

func (in *interp) tooDeep(what string) error {
	return errorf(LimitError, "%s nested more than %d deep", what, maxDataDepth)
}

func (in *interp) write(s string) error {
	if in.out != in.root {
		if err := in.grow(len(s)); err != nil {
			return err
		}
	} else if in.out.Len()+len(s) > in.limits.Output {
		return errorf(LimitError, "output is longer than %d bytes", in.limits.Output)
	}
	in.out.WriteString(s)
	return in.scan(len(s))
}

// captured runs body with its output going to a string.
func (in *interp) captured(body func() error) (string, error) {
	outer := in.out
	var b strings.Builder
	in.out = &b
	err := body()
	in.out = outer
	return b.String(), err
}

// push enters a scope; the caller puts back in.frame when it leaves.
func (in *interp) push(s *scope) (outer *frame, err error) {
	outer = in.frame
	in.frame = &frame{parent: outer, vals: make([]Value, len(s.names))}
	return outer, in.grow(48 + 16*len(s.names))
}

func (in *interp) lookup(e *nameExpr) Value {
	for _, ref := range e.refs {
		f := in.frame
		for range ref.up {
			f = f.parent
		}
		if v := f.vals[ref.slot]; v != nil {
			return v
		}
	}
	v := in.globals[e.global]
	if v == nil {
		v = in.resolve(e.name)
		in.globals[e.global] = v
	}
	return v
}

func (in *interp) resolve(name string) Value {
	if v, ok := in.vars.Get(name); ok {
		return v
	}
	if f := globalFunction(name); f != nil {
		return f
	}
	return undefinedName(name)
}
