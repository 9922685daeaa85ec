package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

func textFilterNamed(name string) filterFunc {
	switch name {
	case "capitalize":
		return casing(capitalize)
	case "lower":
		return casing(lower)
	case "title":
		return casing(titleWords)
	case "upper":
		return casing(upper)
	case "center":
		return filterCenter
	case "format":
		return filterFormat
	case "indent":
		return filterIndent
	case "replace":
		return filterReplace
	case "trim":
		return filterTrim
	case "truncate":
		return filterTruncate
	case "wordcount":
		return filterWordCount
	}
	return nil
}

// like gives text the type that v has: Markup or str.
func like(v Value, text string) Value {
	if _, ok := v.(Markup); ok {
		return Markup(text)
	}
	return text
}

// casing makes a filter of a function whose result takes at most three times the bytes.
func casing(f func(string) string) filterFunc {
	return func(in *interp, v Value, a args) (Value, error) {
		if err := a.bind("filter", nil); err != nil {
			return nil, err
		}
		text, err := in.str(v)
		if err != nil {
			return nil, err
		}
		if err := in.grow(3 * len(text)); err != nil {
			return nil, err
		}
		if err := in.work(len(text)); err != nil {
			return nil, err
		}
		return like(v, f(text)), nil
	}
}

func filterCenter(in *interp, v Value, a args) (Value, error) {
	p := [1]Value{int64(80)}
	if err := a.bind("center", p[:], "width"); err != nil {
		return nil, err
	}
	text, err := in.str(v)
	if err != nil {
		return nil, err
	}
	out, err := in.pad(text, args{pos: p[:]}, "center")
	return like(v, out), err
}

func filterFormat(in *interp, v Value, a args) (Value, error) {
	text, err := in.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.pos) > 0 && len(a.kw) > 0 {
		return nil, typeErrorf("can't handle positional and keyword arguments at the same time")
	}
	var operand Value = newTuple(a.pos...)
	if len(a.kw) > 0 {
		d := NewDict(len(a.kw))
		for _, kw := range a.kw {
			d.Set(kw.name, kw.val)
		}
		operand = d
	}
	return in.arith("%", like(v, text), operand)
}

func filterIndent(in *interp, v Value, a args) (Value, error) {
	p := [3]Value{int64(4), false, false}
	if err := a.bind("indent", p[:], "width", "first", "blank"); err != nil {
		return nil, err
	}
	text, ok := asString(v)
	if !ok {
		if u, ok := v.(*Undefined); ok {
			return nil, u.err()
		}
		return nil, typeErrorf("indent: expected a string, not %s", typeName(v))
	}
	pad, ok := asString(p[0])
	if !ok {
		blank, err := in.arith("*", " ", p[0])
		if err != nil {
			return nil, err
		}
		pad = blank.(string)
	}
	lines := splitLines(text+"\n", false)
	if err := in.grow(16*len(lines) + len(text)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == 0 && truth(p[1]) || i > 0 && (line != "" || truth(p[2])) {
			if err := in.grow(len(pad)); err != nil {
				return nil, err
			}
			b.WriteString(pad)
		}
		b.WriteString(line)
	}
	return like(v, b.String()), in.grow(len(text))
}

func filterReplace(in *interp, v Value, a args) (Value, error) {
	p := [3]Value{nil, nil, None{}}
	if err := a.bind("replace", p[:], "old", "new", "count"); err != nil {
		return nil, err
	}
	if p[0] == nil || p[1] == nil {
		return nil, typeErrorf("replace needs two arguments: old and new")
	}
	var text [3]string
	for i, part := range [...]Value{v, p[0], p[1]} {
		var err error
		if text[i], err = in.str(part); err != nil {
			return nil, err
		}
	}
	count := int64(-1)
	if p[2] != (None{}) {
		var ok bool
		if count, ok = indexOf(p[2]); !ok {
			return nil, typeErrorf("replace: count must be an integer")
		}
	}
	return in.replace(text[0], text[1], text[2], count)
}

// replace is str.replace, accounted for before the result is made.
func (in *interp) replace(s, old, new string, count int64) (string, error) {
	if err := in.scan(len(s)); err != nil {
		return "", err
	}
	found := int64(strings.Count(s, old))
	if count >= 0 {
		found = min(found, count)
	}
	if found == 0 {
		return s, nil
	}
	if err := in.grow(len(s)); err != nil {
		return "", err
	}
	if extra := int64(len(new) - len(old)); extra > 0 {
		if extra > int64(in.limits.Bytes)/found {
			return "", in.grow(in.limits.Bytes + 1)
		}
		if err := in.grow(int(extra * found)); err != nil {
			return "", err
		}
	}
	return strings.Replace(s, old, new, int(found)), in.work(int(found) >> 3)
}

func filterTrim(in *interp, v Value, a args) (Value, error) {
	p := [1]Value{None{}}
	if err := a.bind("trim", p[:], "chars"); err != nil {
		return nil, err
	}
	text, err := in.str(v)
	if err != nil {
		return nil, err
	}
	out, err := in.strip(text, "strip", args{pos: p[:]})
	return like(v, out), err
}

func filterTruncate(in *interp, v Value, a args) (Value, error) {
	p := [4]Value{int64(255), false, "...", None{}}
	if err := a.bind("truncate", p[:], "length", "killwords", "end", "leeway"); err != nil {
		return nil, err
	}
	end, okEnd := asString(p[2])
	length, okLen := indexOf(p[0])
	leeway, okLeeway := int64(5), true
	if p[3] != (None{}) {
		leeway, okLeeway = indexOf(p[3])
	}
	if !okEnd || !okLen || !okLeeway {
		return nil, typeErrorf("truncate: expected a length, a string and a length")
	}
	tail := int64(utf8.RuneCountInString(end))
	if length < tail || leeway < 0 {
		return nil, valueErrorf("truncate: length %d or leeway %d is too small", length, leeway)
	}
	n, err := in.length(v)
	if err != nil || int64(n) <= min(length, 1<<40)+min(leeway, 1<<40) {
		return v, err
	}
	text, ok := asString(v)
	if !ok {
		return nil, typeErrorf("truncate: expected a string, not %s", typeName(v))
	}
	if err := in.grow(len(text) + len(end)); err != nil {
		return nil, err
	}
	kept := text[:runeOffset(text, int(length-tail))]
	if !truth(p[1]) {
		if i := strings.LastIndexByte(kept, ' '); i >= 0 {
			kept = kept[:i]
		}
	}
	return like(v, kept+end), nil
}

func filterWordCount(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("wordcount", nil); err != nil {
		return nil, err
	}
	text, err := in.str(v)
	if err != nil {
		return nil, err
	}
	count, inWord := 0, false
	for _, r := range text {
		is := r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
		if is && !inWord {
			count++
		}
		inWord = is
	}
	return smallInt(count), in.work(len(text) >> 3)
}
