package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// isStringMethod names the methods of str that templates may call.
func isStringMethod(name string) bool {
	switch name {
	case "capitalize", "center", "count", "endswith", "expandtabs", "find", "format", "index",
		"isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric",
		"isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip",
		"partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust",
		"rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip",
		"swapcase", "title", "upper", "zfill":
		return true
	}
	return false
}

func (in *interp) stringMethod(s, name string, a args) (Value, error) {
	if err := in.scan(len(s)); err != nil {
		return nil, err
	}
	switch name {
	case "split", "rsplit":
		return in.split(s, name, a)
	case "splitlines":
		return in.lines(s, a)
	case "strip", "lstrip", "rstrip":
		return in.strip(s, name, a)
	case "startswith", "endswith":
		return affix(s, name, a)
	case "removeprefix", "removesuffix":
		return removeAffix(s, name, a)
	case "find", "rfind", "index", "rindex", "count":
		return find(s, name, a)
	case "partition", "rpartition":
		return partition(s, name, a)
	case "center", "ljust", "rjust", "zfill":
		return in.pad(s, a, name)
	case "expandtabs":
		return in.expandTabs(s, a)
	case "join":
		return in.joinMethod(s, a)
	case "replace":
		return in.replaceMethod(s, a)
	case "format":
		return in.format(s, a, false)
	}
	if err := a.bind(name, nil); err != nil {
		return nil, err
	}
	if strings.HasPrefix(name, "is") {
		if err := in.work(len(s) >> 4); err != nil {
			return nil, err
		}
		return classify(s, name), nil
	}
	if err := in.grow(3 * len(s)); err != nil {
		return nil, err
	}
	if err := in.work(len(s)); err != nil {
		return nil, err
	}
	switch name {
	case "upper":
		return upper(s), nil
	case "lower":
		return lower(s), nil
	case "title":
		return title(s), nil
	case "capitalize":
		return capitalize(s), nil
	case "swapcase":
		return swapCase(s), nil
	}
	panic("BUG: no string method " + name)
}

// classify is the methods of str that ask about its characters.
func classify(s, name string) bool {
	switch name {
	case "islower":
		return isLower(s)
	case "isupper":
		return isUpper(s)
	case "istitle":
		return isTitle(s)
	case "isascii":
		return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	}
	var is func(r rune) bool
	switch name {
	case "isalpha":
		is = unicode.IsLetter
	case "isalnum":
		is = func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	case "isdecimal":
		is = func(r rune) bool { return unicode.Is(unicode.Nd, r) }
	case "isdigit":
		is = isDigitRune
	case "isnumeric":
		is = unicode.IsNumber
	case "isprintable":
		return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	default: // isspace
		is = isSpace
	}
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
}

// isDigitRune is Numeric_Type Digit or Decimal: decimals, superscripts and circled digits.
func isDigitRune(r rune) bool {
	return unicode.Is(unicode.Nd, r) || strings.ContainsRune("²³¹", r) || r == 0x2070 ||
		r >= 0x2074 && r <= 0x2079 || r >= 0x2080 && r <= 0x2089 || r >= 0x2460 && r <= 0x2468 ||
		r >= 0x2474 && r <= 0x247c || r >= 0x2488 && r <= 0x2490 || r == 0x24ea
}

// strs makes a list of str values.
func (in *interp) strs(parts []string) (Value, error) {
	if err := in.grow(48 + 48*len(parts)); err != nil {
		return nil, err
	}
	items := make([]Value, len(parts))
	for i, p := range parts {
		items[i] = p
	}
	return NewList(items...), nil
}

func (in *interp) split(s, name string, a args) (Value, error) {
	p := [2]Value{None{}, int64(-1)}
	if err := a.bind(name, p[:], "sep", "maxsplit"); err != nil {
		return nil, err
	}
	limit, ok := indexOf(p[1])
	if !ok {
		return nil, typeErrorf("%s: maxsplit must be an integer", name)
	}
	n := int(max(-1, min(limit, int64(len(s)))))
	right := name == "rsplit"
	if p[0] == (None{}) {
		if right {
			return in.strs(splitFieldsRight(s, n))
		}
		return in.strs(splitFields(s, n))
	}
	sep, ok := asString(p[0])
	if !ok {
		return nil, typeErrorf("must be str or None, not %s", typeName(p[0]))
	}
	if sep == "" {
		return nil, valueErrorf("empty separator")
	}
	if err := in.grow(16 * strings.Count(s, sep)); err != nil {
		return nil, err
	}
	if right {
		return in.strs(splitRight(s, sep, n))
	}
	if n >= 0 {
		n++
	}
	return in.strs(strings.SplitN(s, sep, n))
}

func (in *interp) lines(s string, a args) (Value, error) {
	p := [1]Value{false}
	if err := a.bind("splitlines", p[:], "keepends"); err != nil {
		return nil, err
	}
	return in.strs(splitLines(s, truth(p[0])))
}

// strip is strip, lstrip and rstrip; the result shares the memory of s.
func (in *interp) strip(s, name string, a args) (string, error) {
	p := [1]Value{None{}}
	if err := a.bind(name, p[:], "chars"); err != nil {
		return "", err
	}
	drop := isSpace
	if p[0] != (None{}) {
		chars, ok := asString(p[0])
		if !ok {
			return "", typeErrorf("%s arg must be None or str", name)
		}
		drop = func(r rune) bool { return strings.ContainsRune(chars, r) }
		if err := in.scan(len(s) * min(len(chars), 64)); err != nil {
			return "", err
		}
	}
	if name != "rstrip" {
		s = strings.TrimLeftFunc(s, drop)
	}
	if name != "lstrip" {
		s = strings.TrimRightFunc(s, drop)
	}
	return s, nil
}

// window cuts s to the characters [start:end) that find, count, startswith and so on look at. from
// is the number of characters before it; ok is false where the window lies outside s.
func window(s string, start, end Value) (cut string, from int, ok bool, err error) {
	n := int64(utf8.RuneCountInString(s))
	lo, err := clampBound(start, 0, n, 0, n+1)
	if err != nil {
		return "", 0, false, err
	}
	hi, err := clampBound(end, n, n, 0, n)
	if err != nil || lo > hi {
		return "", 0, false, err
	}
	first := runeOffset(s, int(lo))
	return s[first : first+runeOffset(s[first:], int(hi-lo))], int(lo), true, nil
}

func affix(s, name string, a args) (Value, error) {
	var p [3]Value
	if err := a.bind(name, p[:], "prefix", "start", "end"); err != nil {
		return nil, err
	}
	test := strings.HasPrefix
	if name == "endswith" {
		test = strings.HasSuffix
	}
	s, _, ok, err := window(s, p[1], p[2])
	if err != nil {
		return nil, err
	}
	choices := []Value{p[0]}
	if l, isList := p[0].(*List); isList && l.tuple {
		choices = l.items
	}
	for _, c := range choices {
		part, isStr := asString(c)
		if !isStr {
			return nil, typeErrorf("%s first arg must be str or a tuple of str, not %s", name,
				argType(c))
		}
		if ok && test(s, part) {
			return true, nil
		}
	}
	return false, nil
}

func argType(v Value) string {
	if v == nil {
		return "nothing"
	}
	return typeName(v)
}

func removeAffix(s, name string, a args) (Value, error) {
	part, err := a.oneString(name)
	if err != nil {
		return nil, err
	}
	if name == "removeprefix" {
		return strings.TrimPrefix(s, part), nil
	}
	return strings.TrimSuffix(s, part), nil
}

func (a *args) oneString(name string) (string, error) {
	if len(a.pos) != 1 || len(a.kw) != 0 {
		return "", typeErrorf("%s takes exactly one argument", name)
	}
	text, ok := asString(a.pos[0])
	if !ok {
		return "", typeErrorf("%s: argument must be str, not %s", name, typeName(a.pos[0]))
	}
	return text, nil
}

func find(s, name string, a args) (Value, error) {
	var p [3]Value
	if err := a.bind(name, p[:], "sub", "start", "end"); err != nil {
		return nil, err
	}
	sub, ok := asString(p[0])
	if !ok {
		return nil, typeErrorf("%s: must be str, not %s", name, argType(p[0]))
	}
	cut, from, ok, err := window(s, p[1], p[2])
	if err != nil {
		return nil, err
	}
	if name == "count" {
		if !ok {
			return int64(0), nil
		}
		return smallInt(strings.Count(cut, sub)), nil
	}
	at := -1
	if ok && strings.HasPrefix(name, "r") {
		at = strings.LastIndex(cut, sub)
	} else if ok {
		at = strings.Index(cut, sub)
	}
	if at >= 0 {
		return smallInt(from + utf8.RuneCountInString(cut[:at])), nil
	}
	if strings.HasSuffix(name, "index") {
		return nil, valueErrorf("substring not found")
	}
	return int64(-1), nil
}

func partition(s, name string, a args) (Value, error) {
	sep, err := a.oneString(name)
	if err != nil {
		return nil, err
	}
	if sep == "" {
		return nil, valueErrorf("empty separator")
	}
	if name == "rpartition" {
		if i := strings.LastIndex(s, sep); i >= 0 {
			return newTuple(s[:i], sep, s[i+len(sep):]), nil
		}
		return newTuple("", "", s), nil
	}
	before, after, found := strings.Cut(s, sep)
	if !found {
		sep = ""
	}
	return newTuple(before, sep, after), nil
}
