package jinja

import "slices"

// postfix parses .name, [key] and (arguments) after an expression.
func (p *parser) postfix(e expr) (expr, error) {
	var err error
	for err == nil {
		switch {
		case p.isOp("."):
			e, err = p.attribute(e)
		case p.isOp("["):
			e, err = p.subscript(e)
		case p.isOp("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
	}
	return nil, err
}

// filters parses |filter, `is test` and calls of their results.
func (p *parser) filters(e expr) (expr, error) {
	var err error
	for err == nil {
		switch {
		case p.skip(tokOp, "|"):
			e, err = p.filter(e)
		case p.skip(tokName, "is"):
			e, err = p.test(e)
		case p.isOp("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
	}
	return nil, err
}

func (p *parser) attribute(obj expr) (expr, error) {
	p.next()
	switch t := p.next(); t.kind {
	case tokName:
		return &attrExpr{obj, t.text}, nil
	case tokInt:
		key, err := p.number(t)
		return &itemExpr{obj, key}, err
	default:
		return nil, p.fail(t.line, "expected a name or number after '.', got %s", t.describe())
	}
}

func (p *parser) subscript(obj expr) (expr, error) {
	p.next()
	var keys []expr
	for !p.isOp("]") {
		if keys != nil {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		if keys == nil && p.isOp(":") {
			return p.slice(&sliceExpr{obj: obj})
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		if keys == nil && p.isOp(":") {
			return p.slice(&sliceExpr{obj: obj, start: e})
		}
		keys = append(keys, e)
	}
	if err := p.expectOp("]"); err != nil {
		return nil, err
	}
	if len(keys) == 1 {
		return &itemExpr{obj, keys[0]}, nil
	}
	return &itemExpr{obj, &listExpr{keys, true}}, nil
}

// slice parses from the first colon of a slice to its bracket.
func (p *parser) slice(s *sliceExpr) (expr, error) {
	for _, bound := range []*expr{&s.stop, &s.step} {
		if !p.skip(tokOp, ":") {
			break
		}
		if p.isOp(":") || p.isOp("]") {
			continue
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		*bound = e
	}
	return s, p.expectOp("]")
}

func (p *parser) call(fn expr) (expr, error) {
	args, err := p.callArgs()
	return &callExpr{fn, args}, err
}

// callArgs parses (a, b, name=c, *d, **e).
func (p *parser) callArgs() (callArgs, error) {
	var a callArgs
	if err := p.expectOp("("); err != nil {
		return a, err
	}
	for first := true; !p.isOp(")"); first = false {
		if !first {
			if err := p.expectOp(","); err != nil {
				return a, err
			}
			if p.isOp(")") {
				break
			}
		}
		if err := p.argument(&a); err != nil {
			return a, err
		}
	}
	return a, p.expectOp(")")
}

func (p *parser) argument(a *callArgs) error {
	line := p.tok().line
	var err error
	switch {
	case p.skip(tokOp, "*"):
		if a.star != nil || a.starstar != nil {
			return p.fail(line, "invalid syntax for function call expression")
		}
		a.star, err = p.expression()
	case p.skip(tokOp, "**"):
		if a.starstar != nil {
			return p.fail(line, "invalid syntax for function call expression")
		}
		a.starstar, err = p.expression()
	case p.tok().kind == tokName && p.peek().kind == tokOp && p.peek().text == "=":
		name := p.next().text
		p.next()
		if a.starstar != nil || slices.Contains(a.names, name) {
			return p.fail(line, "keyword argument '%s' repeated or after **", name)
		}
		var e expr
		e, err = p.expression()
		a.names, a.vals = append(a.names, name), append(a.vals, e)
	default:
		if a.star != nil || a.starstar != nil || a.names != nil {
			return p.fail(line, "positional argument after a named one")
		}
		var e expr
		e, err = p.expression()
		a.pos = append(a.pos, e)
	}
	return err
}

// dotted parses name(.name)*.
func (p *parser) dotted() (string, int, error) {
	t, err := p.expectName()
	if err != nil {
		return "", 0, err
	}
	name := t.text
	for p.skip(tokOp, ".") {
		part, err := p.expectName()
		if err != nil {
			return "", 0, err
		}
		name += "." + part.text
	}
	return name, t.line, nil
}

// filter parses a filter's name and arguments.
func (p *parser) filter(operand expr) (expr, error) {
	name, line, err := p.dotted()
	if err != nil {
		return nil, err
	}
	f := &filterExpr{operand: operand, name: name, fn: filterNamed(name)}
	if f.fn == nil && p.soft == 0 {
		p.unknown = append(p.unknown, p.fail(line, "no filter named '%s'", name))
	}
	if p.isOp("(") {
		f.args, err = p.callArgs()
	}
	return f, err
}

// test parses what follows `is`.
func (p *parser) test(operand expr) (expr, error) {
	negated := p.skip(tokName, "not")
	name, line, err := p.dotted()
	if err != nil {
		return nil, err
	}
	t := &testExpr{operand: operand, name: name, fn: testNamed(name)}
	if t.fn == nil && p.soft == 0 {
		p.unknown = append(p.unknown, p.fail(line, "no test named '%s'", name))
	}
	if p.isOp("(") {
		t.args, err = p.callArgs()
	} else if p.startsTestArgument() {
		if p.isName("is") {
			return nil, p.fail(line, "you cannot chain multiple tests with is")
		}
		var arg expr
		if arg, err = p.deeper(p.testArgument); err == nil {
			t.args.pos = []expr{arg}
		}
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &notExpr{t}, nil
	}
	return t, nil
}

func (p *parser) testArgument() (expr, error) {
	e, err := p.primary()
	if err != nil {
		return nil, err
	}
	return p.postfix(e)
}

func (p *parser) startsTestArgument() bool {
	switch t := p.tok(); t.kind {
	case tokString, tokInt, tokFloat:
		return true
	case tokName:
		return t.text != "else" && t.text != "or" && t.text != "and"
	case tokOp:
		return t.text == "[" || t.text == "{"
	}
	return false
}
