package jinja

import "strconv"

func (p *parser) name(name string) *nameExpr {
	e := &nameExpr{name: name, scope: p.scope}
	p.names = append(p.names, e)
	return e
}

// tuple parses one expression, or several with commas as a tuple. cond allows inline ifs.
func (p *parser) tuple(cond bool, stops []string) (expr, error) {
	var items []expr
	for {
		if p.atTupleEnd(stops) {
			break
		}
		parse := p.or
		if cond {
			parse = p.conditional
		}
		e, err := p.deeper(parse)
		if err != nil {
			return nil, err
		}
		items = append(items, e)
		if !p.skip(tokOp, ",") {
			if len(items) == 1 {
				return e, nil
			}
			break
		}
	}
	if items == nil {
		return nil, p.unexpected("an expression")
	}
	return &listExpr{items, true}, nil
}

func (p *parser) atTupleEnd(stops []string) bool {
	t := p.tok()
	for _, s := range stops {
		if t.kind == tokName && t.text == s {
			return true
		}
	}
	return t.kind == tokVarEnd || t.kind == tokBlockEnd || p.isOp(")")
}

// deeper guards every way in which an expression contains another of the same rank.
func (p *parser) deeper(parse func() (expr, error)) (expr, error) {
	if p.deep++; p.deep > maxNesting {
		return nil, p.fail(p.tok().line, "expressions nested more than %d deep", maxNesting)
	}
	e, err := parse()
	p.deep--
	return e, err
}

func (p *parser) expression() (expr, error) { return p.deeper(p.conditional) }

func (p *parser) conditional() (expr, error) {
	line, unknown := p.tok().line, len(p.unknown)
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	for p.skip(tokName, "if") {
		defer func() { p.unknown = p.unknown[:unknown] }()
		c := &condExpr{then: e, line: line}
		if c.cond, err = p.or(); err != nil {
			return nil, err
		}
		if p.skip(tokName, "else") {
			if c.other, err = p.expression(); err != nil {
				return nil, err
			}
		}
		e = c
	}
	return e, nil
}

func (p *parser) or() (expr, error) {
	l, err := p.and()
	for err == nil && p.skip(tokName, "or") {
		var r expr
		r, err = p.and()
		l = &orExpr{l, r}
	}
	return l, err
}

func (p *parser) and() (expr, error) {
	l, err := p.not()
	for err == nil && p.skip(tokName, "and") {
		var r expr
		r, err = p.not()
		l = &andExpr{l, r}
	}
	return l, err
}

func (p *parser) not() (expr, error) {
	if !p.skip(tokName, "not") {
		return p.compare()
	}
	e, err := p.deeper(p.not)
	return &notExpr{e}, err
}

func (p *parser) compare() (expr, error) {
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &compareExpr{first: first}
	for {
		op, ok := p.compareOp()
		if !ok {
			break
		}
		operand, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.rest = append(c.rest, comparison{op, operand})
	}
	if c.rest == nil {
		return first, nil
	}
	return c, nil
}

func (p *parser) compareOp() (compareOp, bool) {
	t := p.tok()
	if t.kind == tokOp {
		op, ok := compareOpOf(t.text)
		if ok {
			p.next()
		}
		return op, ok
	}
	if p.skip(tokName, "in") {
		return opIn, true
	}
	if n := p.peek(); p.isName("not") && n.kind == tokName && n.text == "in" {
		p.next()
		p.next()
		return opNotIn, true
	}
	return 0, false
}

// binary parses a left-associative chain of the operators in ops.
func (p *parser) binary(operand func() (expr, error), ops ...string) (expr, error) {
	l, err := operand()
	for err == nil {
		op, ok := p.arithOp(ops)
		if !ok {
			break
		}
		var r expr
		r, err = operand()
		l = &binaryExpr{op, l, r}
	}
	return l, err
}

func (p *parser) arithOp(ops []string) (arithOp, bool) {
	for _, op := range ops {
		if p.skip(tokOp, op) {
			return arithOp(op), true
		}
	}
	return "", false
}

func (p *parser) sum() (expr, error) { return p.binary(p.concat, "+", "-") }

func (p *parser) concat() (expr, error) {
	e, err := p.product()
	if err != nil || !p.isOp("~") {
		return e, err
	}
	parts := []expr{e}
	for p.skip(tokOp, "~") {
		if e, err = p.product(); err != nil {
			return nil, err
		}
		parts = append(parts, e)
	}
	return &concatExpr{parts}, nil
}

func (p *parser) product() (expr, error) { return p.binary(p.power, "*", "/", "//", "%") }

func (p *parser) power() (expr, error) { return p.binary(p.unary, "**") }

func (p *parser) unary() (expr, error) {
	e, err := p.signed()
	if err != nil {
		return nil, err
	}
	return p.filters(e)
}

func (p *parser) signed() (expr, error) {
	minus := p.isOp("-")
	if !minus && !p.isOp("+") {
		e, err := p.primary()
		if err != nil {
			return nil, err
		}
		return p.postfix(e)
	}
	p.next()
	e, err := p.deeper(p.signed)
	if err != nil {
		return nil, err
	}
	u := &unaryExpr{operand: e}
	if minus {
		u.neg = e
	}
	return p.postfix(u)
}

func (p *parser) primary() (expr, error) {
	t := p.tok()
	switch t.kind {
	case tokName:
		p.next()
		switch t.text {
		case "true", "True":
			return &constExpr{true}, nil
		case "false", "False":
			return &constExpr{false}, nil
		case "none", "None":
			return &constExpr{None{}}, nil
		}
		return p.name(t.text), nil
	case tokString:
		return p.strings(), nil
	case tokInt, tokFloat:
		p.next()
		return p.number(t)
	case tokOp:
		switch t.text {
		case "(":
			return p.parenthesis()
		case "[":
			return p.list()
		case "{":
			return p.dict()
		}
	}
	return nil, p.unexpected("an expression")
}

func (p *parser) strings() expr {
	text := p.next().text
	for p.tok().kind == tokString {
		text += p.next().text
	}
	return &constExpr{text}
}

func (p *parser) number(t *token) (expr, error) {
	if t.kind == tokInt {
		v, err := parseInt(t.text)
		if err != nil {
			return nil, p.fail(t.line, "%v", err)
		}
		return &constExpr{v}, nil
	}
	// Out of range is infinity, as in Python.
	f, _ := strconv.ParseFloat(t.text, 64)
	return &constExpr{f}, nil
}

func (p *parser) parenthesis() (expr, error) {
	p.next()
	if p.skip(tokOp, ")") {
		return &listExpr{nil, true}, nil
	}
	e, err := p.tuple(true, nil)
	if err != nil {
		return nil, err
	}
	return e, p.expectOp(")")
}

func (p *parser) list() (expr, error) {
	p.next()
	l := &listExpr{}
	for !p.isOp("]") {
		if l.items != nil {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.isOp("]") {
				break
			}
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, e)
	}
	return l, p.expectOp("]")
}

func (p *parser) dict() (expr, error) {
	p.next()
	d := &dictExpr{}
	for !p.isOp("}") {
		if d.keys != nil {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.isOp("}") {
				break
			}
		}
		key, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expectOp(":"); err != nil {
			return nil, err
		}
		val, err := p.expression()
		if err != nil {
			return nil, err
		}
		d.keys, d.vals = append(d.keys, key), append(d.vals, val)
	}
	return d, p.expectOp("}")
}
