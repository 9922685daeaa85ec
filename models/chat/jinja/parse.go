package jinja

import (
	"fmt"
	"slices"
)

// parser turns tokens into nodes with the grammar of jinja2.parser.
type parser struct {
	toks  []token
	pos   int
	scope *scope
	names []*nameExpr // to resolve at the end
	nest  int         // open blocks
	deep  int         // open expressions
	// soft counts open {% if %}: an unknown filter in one fails only when reached. Those outside
	// are errors unless they turn out to stand in an inline if.
	soft    int
	unknown []error
}

func newParser(source string) (*parser, error) {
	toks, err := lex(source)
	if err != nil {
		return nil, err
	}
	return &parser{toks: toks, scope: newScope(nil)}, nil
}

func (p *parser) tok() *token { return &p.toks[p.pos] }

func (p *parser) next() *token {
	t := &p.toks[p.pos]
	if t.kind != tokEOF {
		p.pos++
	}
	return t
}

func (p *parser) peek() *token { return &p.toks[min(p.pos+1, len(p.toks)-1)] }

func (p *parser) is(kind tokenKind, text string) bool {
	t := p.tok()
	return t.kind == kind && t.text == text
}

func (p *parser) isOp(text string) bool { return p.is(tokOp, text) }

func (p *parser) isName(text string) bool { return p.is(tokName, text) }

func (p *parser) skip(kind tokenKind, text string) bool {
	if p.is(kind, text) {
		p.next()
		return true
	}
	return false
}

func (p *parser) fail(line int, format string, a ...any) error {
	return &Error{Kind: SyntaxError, Line: line, Msg: fmt.Sprintf(format, a...)}
}

func (p *parser) unexpected(want string) error {
	t := p.tok()
	return p.fail(t.line, "expected %s, got %s", want, t.describe())
}

func (t *token) describe() string {
	switch t.kind {
	case tokEOF:
		return "the end of the template"
	case tokData:
		return "text"
	case tokVarBegin, tokBlockBegin:
		return "the start of a tag"
	case tokVarEnd, tokBlockEnd:
		return "the end of the tag"
	case tokString:
		return "a string"
	}
	return "'" + t.text + "'"
}

func (p *parser) expect(kind tokenKind, text string) error {
	if p.skip(kind, text) {
		return nil
	}
	return p.unexpected("'" + text + "'")
}

func (p *parser) expectOp(text string) error { return p.expect(tokOp, text) }

func (p *parser) expectName() (*token, error) {
	if p.tok().kind != tokName {
		return nil, p.unexpected("a name")
	}
	return p.next(), nil
}

// within runs parse inside a new scope.
func (p *parser) within(s *scope, parse func() error) error {
	outer := p.scope
	p.scope = s
	err := parse()
	p.scope = outer
	return err
}

// template parses to the end of the source.
func (p *parser) template() ([]stmt, error) {
	body, err := p.statements()
	if err != nil {
		return nil, err
	}
	if p.tok().kind != tokEOF {
		t := p.peek()
		return nil, p.fail(t.line, "tag '%s' has nothing to end or continue", t.text)
	}
	if len(p.unknown) > 0 {
		return nil, p.unknown[0]
	}
	return body, nil
}

// statements parses until the end or until a tag whose name is in ends, which stays: the current
// token is then its {%.
func (p *parser) statements(ends ...string) ([]stmt, error) {
	if p.nest++; p.nest > maxNesting {
		return nil, p.fail(p.tok().line, "blocks nested more than %d deep", maxNesting)
	}
	defer func() { p.nest-- }()
	var body []stmt
	for {
		switch t := p.tok(); t.kind {
		case tokEOF:
			return body, nil
		case tokData:
			p.next()
			body = append(body, &dataStmt{t.text})
		case tokVarBegin:
			p.next()
			value, err := p.tuple(true, nil)
			if err != nil {
				return nil, err
			}
			if p.tok().kind != tokVarEnd {
				return nil, p.unexpected("'}}'")
			}
			p.next()
			body = append(body, &printStmt{value, t.line})
		default:
			name := p.peek()
			if name.kind == tokName && (slices.Contains(ends, name.text) || isClosing(name.text)) {
				return body, nil
			}
			p.next()
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			body = append(body, s...)
		}
	}
}

func isClosing(tag string) bool {
	switch tag {
	case "else", "elif", "endif", "endfor", "endset", "endmacro", "endcall", "endfilter", "endwith",
		"endgeneration", "endautoescape":
		return true
	}
	return false
}

// block parses the rest of an opening tag and the body up to one of ends, and steps past `{% end`.
// It returns the end's name.
func (p *parser) block(ends ...string) ([]stmt, string, error) {
	opened := p.tok().line
	p.skip(tokOp, ":")
	if err := p.endTag(); err != nil {
		return nil, "", err
	}
	body, err := p.statements(ends...)
	if err != nil {
		return nil, "", err
	}
	if p.tok().kind == tokEOF {
		return nil, "", p.fail(p.tok().line, "block of line %d has no '%s'", opened,
			ends[len(ends)-1])
	}
	p.next()
	t := p.next()
	if !slices.Contains(ends, t.text) {
		return nil, "", p.fail(t.line, "tag '%s' where block of line %d needs '%s'", t.text, opened,
			ends[len(ends)-1])
	}
	return body, t.text, nil
}

func (p *parser) endTag() error {
	if p.tok().kind != tokBlockEnd {
		return p.unexpected("'%}'")
	}
	p.next()
	return nil
}

// statement parses what follows {% up to the end of the whole construct.
func (p *parser) statement() ([]stmt, error) {
	t, err := p.expectName()
	if err != nil {
		return nil, err
	}
	var s stmt
	switch t.text {
	case "if":
		s, err = p.ifBlock(t.line)
	case "for":
		s, err = p.forBlock(t.line)
	case "set":
		s, err = p.set(t.line)
	case "macro":
		s, err = p.macro(t.line)
	case "call":
		s, err = p.callBlock(t.line)
	case "filter":
		s, err = p.filterBlock(t.line)
	case "with":
		s, err = p.with(t.line)
	case "generation":
		s, err = p.generation(t.line)
	case "print":
		return p.print(t.line)
	case "break", "continue":
		s, err = p.jump(t)
	default:
		err = p.fail(t.line, "tag '%s' is not supported", t.text)
	}
	if err != nil {
		return nil, err
	}
	return []stmt{s}, nil
}

func (p *parser) jump(t *token) (stmt, error) {
	for s := p.scope; s == nil || !s.loop; s = s.parent {
		if s == nil || s.macro != nil {
			return nil, p.fail(t.line, "'%s' outside of a loop", t.text)
		}
	}
	sig := doContinue
	if t.text == "break" {
		sig = doBreak
	}
	return &jumpStmt{sig}, p.endTag()
}

func (p *parser) print(line int) ([]stmt, error) {
	var out []stmt
	for p.tok().kind != tokBlockEnd {
		if out != nil {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		out = append(out, &printStmt{e, line})
	}
	return out, p.endTag()
}
