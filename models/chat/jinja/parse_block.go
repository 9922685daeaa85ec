package jinja

import "slices"

func (p *parser) ifBlock(line int) (stmt, error) {
	p.soft++
	defer func() { p.soft-- }()
	s := &ifStmt{}
	for {
		cond, err := p.tuple(false, nil)
		if err != nil {
			return nil, err
		}
		body, end, err := p.block("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		s.branches = append(s.branches, branch{cond, body, line})
		switch end {
		case "elif":
			line = p.tok().line
			continue
		case "else":
			if s.other, _, err = p.block("endif"); err != nil {
				return nil, err
			}
		}
		return s, p.endTag()
	}
}

func (p *parser) forBlock(line int) (stmt, error) {
	s := &forStmt{scope: newScope(p.scope), elseScope: newScope(p.scope), line: line}
	s.scope.loop = true
	outer := p.scope
	p.scope = s.scope
	var err error
	if s.target, err = p.target("in"); err != nil {
		return nil, err
	}
	if _, taken := s.scope.names["loop"]; taken {
		return nil, p.fail(line, "cannot assign to the special variable 'loop'")
	}
	s.loopSlot = s.scope.declare("loop")
	p.scope = outer
	if err := p.expect(tokName, "in"); err != nil {
		return nil, err
	}
	if s.iter, err = p.tuple(false, []string{"recursive"}); err != nil {
		return nil, err
	}
	if p.isName("recursive") {
		return nil, p.fail(line, "recursive for loops are not supported")
	}
	p.scope = s.scope
	if p.skip(tokName, "if") {
		if s.filter, err = p.expression(); err != nil {
			return nil, err
		}
	}
	var end string
	if s.body, end, err = p.block("endfor", "else"); err != nil {
		return nil, err
	}
	p.scope = outer
	if end == "else" {
		err := p.within(s.elseScope, func() error {
			s.other, _, err = p.block("endfor")
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return s, p.endTag()
}

func (p *parser) set(line int) (stmt, error) {
	to, err := p.target("")
	if err != nil {
		return nil, err
	}
	if p.skip(tokOp, "=") {
		value, err := p.tuple(true, nil)
		if err != nil {
			return nil, err
		}
		return &setStmt{to, value, line}, p.endTag()
	}
	s := &setBlockStmt{target: to, scope: newScope(p.scope), line: line}
	err = p.within(s.scope, func() error {
		if p.isOp("|") {
			if s.filter, err = p.filters(&capturedExpr{}); err != nil {
				return err
			}
		}
		s.body, _, err = p.block("endset")
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, p.endTag()
}

// target parses what an assignment writes to and declares its names in the current scope; until
// names the word that ends it in a for loop.
func (p *parser) target(until string) (target, error) {
	var parts []target
	isTuple := false
	for {
		if p.tok().kind == tokBlockEnd || p.isOp(")") || until != "" && p.isName(until) {
			break
		}
		t, err := p.targetPart(until == "")
		if err != nil {
			return target{}, err
		}
		parts = append(parts, t)
		if !p.skip(tokOp, ",") {
			break
		}
		isTuple = true
	}
	if len(parts) == 0 {
		return target{}, p.unexpected("a name to assign to")
	}
	if !isTuple {
		return parts[0], nil
	}
	return target{parts: parts}, nil
}

func (p *parser) targetPart(withNamespace bool) (target, error) {
	if p.skip(tokOp, "(") {
		if p.deep++; p.deep > maxNesting {
			return target{}, p.fail(p.tok().line, "parentheses nested more than %d deep",
				maxNesting)
		}
		defer func() { p.deep-- }()
		t, err := p.target("")
		if err != nil {
			return target{}, err
		}
		return t, p.expectOp(")")
	}
	name, err := p.expectName()
	if err != nil {
		return target{}, err
	}
	if withNamespace && p.skip(tokOp, ".") {
		attr, err := p.expectName()
		if err != nil {
			return target{}, err
		}
		return target{ns: p.name(name.text), attr: attr.text}, nil
	}
	if isReserved(name.text) {
		return target{}, p.fail(name.line, "cannot assign to '%s'", name.text)
	}
	return target{slot: p.scope.declare(name.text)}, nil
}

func isReserved(name string) bool {
	switch name {
	case "true", "True", "false", "False", "none", "None":
		return true
	}
	return false
}

// newMacro starts a macro whose body sees the current scope, and marks the scopes that it may
// outlive.
func (p *parser) newMacro(name string, line int) *macroDef {
	for s := p.scope; s != nil; s = s.parent {
		s.closure = true
	}
	m := &macroDef{
		name: name, scope: newScope(p.scope), caller: -1, varargs: -1, kwargs: -1,
		line: line,
	}
	m.scope.macro = m
	return m
}

func (p *parser) macro(line int) (stmt, error) {
	name, err := p.expectName()
	if err != nil {
		return nil, err
	}
	s := &macroStmt{def: p.newMacro(name.text, line), slot: p.scope.declare(name.text)}
	err = p.within(s.def.scope, func() error {
		if err := p.signature(s.def); err != nil {
			return err
		}
		s.def.body, _, err = p.block("endmacro")
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, p.endTag()
}

func (p *parser) signature(m *macroDef) error {
	if err := p.expectOp("("); err != nil {
		return err
	}
	for !p.isOp(")") {
		if len(m.params) > 0 {
			if err := p.expectOp(","); err != nil {
				return err
			}
		}
		name, err := p.expectName()
		if err != nil {
			return err
		}
		if slices.Contains(m.params, name.text) || isReserved(name.text) {
			return p.fail(name.line, "macro cannot have a parameter '%s' here", name.text)
		}
		m.params = append(m.params, name.text)
		m.slots = append(m.slots, p.scope.declare(name.text))
		if p.skip(tokOp, "=") {
			def, err := p.expression()
			if err != nil {
				return err
			}
			m.defaults = append(m.defaults, def)
		} else if m.defaults != nil {
			return p.fail(name.line, "non-default argument follows default argument")
		}
	}
	return p.expectOp(")")
}

func (p *parser) callBlock(line int) (stmt, error) {
	s := &callStmt{def: p.newMacro("caller", line), line: line}
	if p.isOp("(") {
		if err := p.within(s.def.scope, func() error { return p.signature(s.def) }); err != nil {
			return nil, err
		}
	}
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	call, ok := e.(*callExpr)
	if !ok {
		return nil, p.fail(line, "call block needs a call")
	}
	s.call = call
	err = p.within(s.def.scope, func() error {
		s.def.body, _, err = p.block("endcall")
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, p.endTag()
}

func (p *parser) filterBlock(line int) (stmt, error) {
	s := &filterStmt{scope: newScope(p.scope), line: line}
	err := p.within(s.scope, func() (err error) {
		if s.filter, err = p.filter(&capturedExpr{}); err != nil {
			return err
		}
		if s.filter, err = p.filters(s.filter); err != nil {
			return err
		}
		s.body, _, err = p.block("endfilter")
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, p.endTag()
}

func (p *parser) with(line int) (stmt, error) {
	s := &withStmt{scope: newScope(p.scope), line: line}
	outer := p.scope
	for p.tok().kind != tokBlockEnd {
		if s.targets != nil {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		p.scope = s.scope
		to, err := p.targetPart(false)
		p.scope = outer
		if err != nil {
			return nil, err
		}
		if err := p.expectOp("="); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		s.targets, s.values = append(s.targets, to), append(s.values, value)
	}
	err := p.within(s.scope, func() (err error) {
		s.body, _, err = p.block("endwith")
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, p.endTag()
}

// generation marks what the assistant says; when rendering it is a call of its body.
func (p *parser) generation(line int) (stmt, error) {
	s := &callStmt{def: p.newMacro("caller", line), line: line}
	err := p.within(s.def.scope, func() (err error) {
		s.def.body, _, err = p.block("endgeneration")
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, p.endTag()
}
