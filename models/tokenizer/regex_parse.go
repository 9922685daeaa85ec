package tokenizer

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// node is a parsed pattern.
type node struct {
	kind     nodeKind
	set      []runeRange // nodeSet
	subs     []*node
	min, max int // nodeRepeat; max = unbounded for none
	mode     repeatMode
	negate   bool // nodeLook
	behind   bool
	assert   assertion
}

type nodeKind uint8

const (
	nodeSet nodeKind = iota
	nodeCat
	nodeAlt
	nodeRepeat
	nodeAtomic
	nodeLook
	nodeAssert
)

type repeatMode uint8

const (
	greedy repeatMode = iota
	lazy
	possessive
)

const (
	unbounded     = math.MaxInt
	maxPattern    = 1 << 12 // bytes
	maxRegexDepth = 32      // nested groups and classes
	maxRepeat     = 1 << 10
)

// regexParser reads a pattern by recursive descent.
type regexParser struct {
	s     string
	at    int
	depth int
	fold  bool // under (?i)
}

func parseRegex(pattern string) (*node, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("pattern has %d bytes, more than %d", len(pattern), maxPattern)
	}
	if !utf8.ValidString(pattern) {
		return nil, fmt.Errorf("pattern is not UTF-8")
	}
	p := &regexParser{s: pattern}
	n, err := p.alternatives()
	if err == nil && p.at < len(p.s) {
		err = fmt.Errorf("unmatched )")
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %q, byte %d: %w", pattern, p.at, err)
	}
	return n, nil
}

func (p *regexParser) more() bool { return p.at < len(p.s) }

// take consumes prefix if the rest begins with it.
func (p *regexParser) take(prefix string) bool {
	if !strings.HasPrefix(p.s[p.at:], prefix) {
		return false
	}
	p.at += len(prefix)
	return true
}

func (p *regexParser) next() (rune, error) {
	if !p.more() {
		return 0, fmt.Errorf("ends too early")
	}
	r, n := runeAt(p.s, p.at)
	p.at += n
	return r, nil
}

func (p *regexParser) alternatives() (*node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxRegexDepth {
		return nil, fmt.Errorf("more than %d groups within each other", maxRegexDepth)
	}
	alt := &node{kind: nodeAlt}
	for {
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alt.subs = append(alt.subs, n)
		if !p.take("|") {
			break
		}
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

func (p *regexParser) sequence() (*node, error) {
	cat := &node{kind: nodeCat}
	for p.more() && p.s[p.at] != '|' && p.s[p.at] != ')' {
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue
		}
		if n, err = p.repeats(n); err != nil {
			return nil, err
		}
		cat.subs = append(cat.subs, n)
	}
	return cat, nil
}

// atom reads one element without its quantifiers; nil for an option, (?i).
func (p *regexParser) atom() (*node, error) {
	r, err := p.next()
	if err != nil {
		return nil, err
	}
	switch r {
	case '(':
		return p.group()
	case '[':
		set, err := p.class()
		return &node{kind: nodeSet, set: set}, err
	case '\\':
		return p.escape()
	case '.':
		return &node{kind: nodeSet, set: complement([]runeRange{{'\n', '\n'}})}, nil
	case '^':
		return &node{kind: nodeAssert, assert: lineStart}, nil
	case '$':
		return &node{kind: nodeAssert, assert: lineEnd}, nil
	case '*', '+', '?':
		return nil, fmt.Errorf("%q has nothing to repeat", r)
	}
	return p.literal(r)
}

// literal is one character, or, under (?i), the characters that fold together with it. Foldings to
// several characters (ß, ss) are not followed, so what could need one is refused.
func (p *regexParser) literal(r rune) (*node, error) {
	if !p.fold {
		return &node{kind: nodeSet, set: []runeRange{{r, r}}}, nil
	}
	if r >= utf8.RuneSelf {
		return nil, fmt.Errorf("%q under (?i) is not supported: only ASCII is", r)
	}
	if p.more() {
		switch pair := strings.ToLower(string(r) + p.s[p.at:p.at+1]); pair {
		case "ss", "st", "ff", "fi", "fl":
			return nil, fmt.Errorf("%q under (?i) is not supported: one character folds to it",
				pair)
		}
	}
	return &node{kind: nodeSet, set: foldRanges([]runeRange{{r, r}})}, nil
}

// group reads what follows an opening parenthesis.
func (p *regexParser) group() (*node, error) {
	fold, wrap := p.fold, (*node)(nil)
	switch {
	case p.at == 1 && p.take("?i)"): // elsewhere it would also regroup the alternatives
		p.fold = true
		return nil, nil
	case p.take("?:"):
	case p.take("?i:"):
		fold = true
	case p.take("?>"):
		wrap = &node{kind: nodeAtomic}
	case p.take("?="):
		wrap = &node{kind: nodeLook}
	case p.take("?!"):
		wrap = &node{kind: nodeLook, negate: true}
	case p.take("?<="):
		wrap = &node{kind: nodeLook, behind: true}
	case p.take("?<!"):
		wrap = &node{kind: nodeLook, behind: true, negate: true}
	case p.take("?"):
		return nil, fmt.Errorf("this kind of group is not supported")
	}
	outer := p.fold
	p.fold = fold
	n, err := p.alternatives()
	p.fold = outer
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, fmt.Errorf("missing )")
	}
	if wrap != nil {
		wrap.subs = []*node{n}
		return wrap, nil
	}
	return n, nil
}

// repeats reads the quantifiers behind n.
func (p *regexParser) repeats(n *node) (*node, error) {
	for p.more() {
		rep := &node{kind: nodeRepeat, subs: []*node{n}, max: unbounded}
		interval := false
		switch {
		case p.take("*"):
		case p.take("+"):
			rep.min = 1
		case p.take("?"):
			rep.max = 1
		case p.interval(rep):
			interval = true
		default:
			return n, nil
		}
		if n.kind == nodeLook || n.kind == nodeAssert {
			return nil, fmt.Errorf("a condition can't be repeated")
		}
		switch {
		case p.take("?"):
			rep.mode = lazy
		case !interval && p.take("+"): // behind an interval + repeats the whole again
			rep.mode = possessive
		}
		if rep.min > rep.max || rep.min > maxRepeat || rep.max != unbounded && rep.max > maxRepeat {
			return nil, fmt.Errorf("repeats %d to %d times; the limit is %d", rep.min, rep.max,
				maxRepeat)
		}
		n = rep
	}
	return n, nil
}

// interval reads {n}, {n,}, {,m} or {n,m}; other braces are literal.
func (p *regexParser) interval(rep *node) bool {
	rest := p.s[p.at:]
	end := strings.IndexByte(rest, '}')
	if end < 0 || rest[0] != '{' {
		return false
	}
	from, to, isRange := strings.Cut(rest[1:end], ",")
	lo, okLo := parseCount(from, 0)
	hi, okHi := parseCount(to, unbounded)
	if !isRange {
		hi = lo
	}
	if !okLo || !okHi || from == "" && to == "" {
		return false
	}
	rep.min, rep.max = lo, hi
	p.at += end + 1
	return true
}

// parseCount reads a decimal number, at most a little over maxRepeat; "" is none.
func parseCount(s string, none int) (int, bool) {
	if s == "" {
		return none, true
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(10*n+int(c-'0'), maxRepeat+1)
	}
	return n, true
}

// escape reads what follows a backslash outside a class.
func (p *regexParser) escape() (*node, error) {
	if p.more() {
		if a, ok := assertionEscape(p.s[p.at]); ok {
			p.at++
			return &node{kind: nodeAssert, assert: a}, nil
		}
	}
	set, single, err := p.escapedSet()
	if err != nil {
		return nil, err
	}
	if single && p.fold {
		return p.literal(set[0].lo)
	}
	return &node{kind: nodeSet, set: set}, nil
}

func assertionEscape(c byte) (assertion, bool) {
	switch c {
	case 'A':
		return textStart, true
	case 'z':
		return textEnd, true
	case 'Z':
		return textEndOrNewline, true
	case 'b':
		return wordBoundary, true
	case 'B':
		return notWordBoundary, true
	}
	return 0, false
}
