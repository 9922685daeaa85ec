package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// class reads what follows an opening bracket: characters, ranges, escapes, nested classes, and &&
// for what is in both.
func (p *regexParser) class() ([]runeRange, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxRegexDepth {
		return nil, fmt.Errorf("more than %d classes within each other", maxRegexDepth)
	}
	negate := p.take("^")
	if p.more() && p.s[p.at] == ']' {
		return nil, fmt.Errorf("empty class")
	}
	var set, both []runeRange
	narrowed := false
	for !p.take("]") {
		if p.take("&&") {
			both, set = p.narrow(both, set, narrowed), nil
			narrowed = true
			continue
		}
		item, err := p.classItem()
		if err != nil {
			return nil, err
		}
		set = append(set, item...)
	}
	set = p.narrow(both, set, narrowed)
	if p.fold {
		set = foldRanges(set)
	}
	if negate {
		return complement(set), nil
	}
	return mergeRanges(set), nil
}

func (p *regexParser) narrow(both, set []runeRange, narrowed bool) []runeRange {
	if !narrowed {
		return set
	}
	return complement(append(complement(both), complement(set)...))
}

func (p *regexParser) classItem() ([]runeRange, error) {
	if strings.HasPrefix(p.s[p.at:], "[:") {
		return nil, fmt.Errorf("[: :] is not supported")
	}
	if p.take("[") {
		return p.class()
	}
	item, single, err := p.classRune()
	if err != nil || !single || !strings.HasPrefix(p.s[p.at:], "-") || p.ends("-]") {
		return item, err
	}
	p.at++
	to, single, err := p.classRune()
	if err != nil {
		return nil, err
	}
	if !single || to[0].lo < item[0].lo {
		return nil, fmt.Errorf("bad range in a class")
	}
	return []runeRange{{item[0].lo, to[0].lo}}, nil
}

func (p *regexParser) ends(with string) bool { return strings.HasPrefix(p.s[p.at:], with) }

// classRune reads a character or an escape; single says that it is one character.
func (p *regexParser) classRune() ([]runeRange, bool, error) {
	r, err := p.next()
	if err != nil {
		return nil, false, err
	}
	if r == '\\' {
		return p.escapedSet()
	}
	return []runeRange{{r, r}}, true, nil
}

// escapedSet reads what follows a backslash where it stands for characters.
func (p *regexParser) escapedSet() (set []runeRange, single bool, err error) {
	r, err := p.next()
	if err != nil {
		return nil, false, err
	}
	switch r {
	case 'p', 'P':
		set, err = p.property(r == 'P')
		return set, false, err
	case 'x', 'u':
		r, err = p.hex(r)
		return []runeRange{{r, r}}, true, err
	}
	if set, ok := shorthand(unicode.ToLower(r)); ok {
		if unicode.IsUpper(r) {
			set = complement(set)
		}
		return set, false, nil
	}
	if i := strings.IndexRune("nrtfvae", r); i >= 0 {
		r = rune("\n\r\t\f\v\a\x1b"[i])
	} else if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return nil, false, fmt.Errorf(`\%c is not supported`, r)
	}
	return []runeRange{{r, r}}, true, nil
}

// shorthand returns the set of \s, \d, \w and \h.
func shorthand(r rune) ([]runeRange, bool) {
	switch r {
	case 's':
		return whitespace(), true
	case 'd':
		return mustCategory("Nd"), true
	case 'w':
		return wordRanges(), true
	case 'h':
		return []runeRange{{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, true
	}
	return nil, false
}

// Beside letters, marks, digits and connectors the reference's \w holds letter-like numbers and
// symbols.
const wordExtra = "b2-b3 b9 bc-be 16ee-16f0 2160-2182 2185-2188 24b6-24e9 3007 3021-3029 " +
	"3038-303a a6e6-a6ef 10140-10174 10341 1034a 103d1-103d5 12400-1246e 1f130-1f149 " +
	"1f150-1f169 1f170-1f189"

func wordRanges() []runeRange {
	list := parseRanges(wordExtra)
	for _, name := range []string{"L", "M", "Nd", "Pc"} {
		list = append(list, mustCategory(name)...)
	}
	return list
}

var wordSet = sync.OnceValue(func() *runeSet { return newRuneSet(wordRanges()) })

// property reads {Name} or {^Name}.
func (p *regexParser) property(negate bool) ([]runeRange, error) {
	end := strings.IndexByte(p.s[p.at:], '}')
	if !p.take("{") || end < 0 {
		return nil, fmt.Errorf(`\p wants {name}`)
	}
	name := p.s[p.at : p.at+end-1]
	p.at += end
	if strings.HasPrefix(name, "^") {
		name, negate = name[1:], !negate
	}
	list, err := category(name)
	if err == nil && negate {
		list = complement(list)
	}
	return list, err
}

// hex reads HH, HHHH or {H...}.
func (p *regexParser) hex(kind rune) (rune, error) {
	var digits string
	if rest := p.s[p.at:]; kind == 'x' && strings.HasPrefix(rest, "{") {
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return 0, fmt.Errorf("missing }")
		}
		digits = rest[1:end]
		p.at += end + 1
	} else {
		n := 2
		if kind == 'u' {
			n = 4
		}
		if len(rest) < n {
			return 0, fmt.Errorf(`\%c wants %d digits`, kind, n)
		}
		digits = rest[:n]
		p.at += n
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || n > unicode.MaxRune || n >= 0xD800 && n < 0xE000 {
		return 0, fmt.Errorf(`\%c%s is no character`, kind, digits)
	}
	return rune(n), nil
}

const lastCased = 0x1E943

// foldRanges adds all characters that differ from one of list in case only.
func foldRanges(list []runeRange) []runeRange {
	folded := append([]runeRange(nil), list...)
	for _, r := range mergeRanges(list) {
		for c := r.lo; c <= min(r.hi, lastCased); c++ {
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				folded = append(folded, runeRange{f, f})
			}
		}
	}
	return mergeRanges(folded)
}
