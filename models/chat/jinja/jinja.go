package jinja

import (
	"fmt"
	"strings"
)

// Program is a compiled template. It never changes; any number of goroutines may render it.
type Program struct {
	source  string
	body    []stmt
	scope   *scope
	globals int // distinct names that may come from outside
}

// Compile parses a template. The error is an *Error of kind SyntaxError with the line.
func Compile(source string) (*Program, error) {
	if len(source) > maxSource {
		return nil, &Error{
			Kind: SyntaxError, Line: 1,
			Msg: fmt.Sprintf("template is %d bytes long; at most %d", len(source), maxSource),
		}
	}
	p, err := newParser(source)
	if err != nil {
		return nil, err
	}
	body, err := p.template()
	if err != nil {
		return nil, err
	}
	globals := map[string]int{}
	for _, name := range p.names {
		name.resolve(globals)
	}
	return &Program{source: source, body: body, scope: p.scope, globals: len(globals)}, nil
}

// Source is the template as it was given.
func (p *Program) Source() string { return p.source }

// Render runs the template over vars, which it only reads. The error is an *Error; its line is that
// of the statement that failed.
func (p *Program) Render(vars *Dict, env Env, limits Limits) (string, error) {
	var out strings.Builder
	in := &interp{
		prog: p, vars: vars, env: env, limits: limits,
		steps: limits.Steps, bytes: limits.Bytes,
		globals: make([]Value, p.globals),
		frame:   &frame{vals: make([]Value, len(p.scope.names))},
		out:     &out, root: &out, line: 1,
	}
	if _, err := in.run(p.body); err != nil {
		return "", in.at(err)
	}
	return out.String(), nil
}
