package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// percent is format % operand with Python's conversions. safe escapes what is put in.
func (in *interp) percent(format string, operand Value, safe bool) (string, error) {
	p := percentState{in: in, operand: operand, args: []Value{operand}, safe: safe}
	if l, ok := operand.(*List); ok && l.tuple {
		p.args = l.items
	}
	for format != "" {
		text, rest, found := strings.Cut(format, "%")
		if err := p.put(text); err != nil {
			return "", err
		}
		if !found {
			break
		}
		var err error
		if format, err = p.conversion(rest); err != nil {
			return "", err
		}
	}
	if p.next < len(p.args) && !p.keyed && !mayHaveSpare(operand) {
		return "", typeErrorf("not all arguments converted during string formatting")
	}
	return p.b.String(), nil
}

// mayHaveSpare names the operands whose elements need not all be used: what Python can subscript,
// less str and tuple.
func mayHaveSpare(operand Value) bool {
	switch v := operand.(type) {
	case *Dict, *span, *Undefined:
		return true
	case *List:
		return !v.tuple
	}
	return false
}

type percentState struct {
	in      *interp
	operand Value
	args    []Value
	next    int
	keyed   bool // %(name)s was used
	safe    bool
	b       strings.Builder
}

func (p *percentState) put(s string) error {
	p.b.WriteString(s)
	return p.in.grow(len(s))
}

func (p *percentState) arg() (Value, error) {
	if p.next >= len(p.args) {
		return nil, typeErrorf("not enough arguments for format string")
	}
	p.next++
	return p.args[p.next-1], nil
}

// conversion handles one conversion, s being what follows its %; it returns the rest.
func (p *percentState) conversion(s string) (rest string, err error) {
	var v Value
	if strings.HasPrefix(s, "(") {
		if v, s, err = p.key(s); err != nil {
			return "", err
		}
	}
	f := formatSpec{fill: " ", align: '>', precision: -1}
	for s != "" && strings.IndexByte("-+ #0", s[0]) >= 0 {
		f.flag(s[0])
		s = s[1:]
	}
	if f.width, s, err = p.size(s, &f); err != nil {
		return "", err
	}
	if cutByte(&s, '.') {
		if f.precision, s, err = p.size(s, nil); err != nil {
			return "", err
		}
	}
	s = strings.TrimLeft(s, "hlL")
	if s == "" {
		return "", valueErrorf("incomplete format")
	}
	f.verb, s = s[0], s[1:]
	if f.verb == '%' {
		return s, p.put("%")
	}
	if v == nil {
		if v, err = p.arg(); err != nil {
			return "", err
		}
	}
	if err := p.in.grow(f.width + 2*max(f.precision, 0)); err != nil {
		return "", err
	}
	text, err := p.format(&f, v)
	if err != nil {
		return "", err
	}
	return s, p.put(text)
}

func (p *percentState) key(s string) (Value, string, error) {
	end := strings.IndexByte(s, ')')
	d, ok := p.operand.(*Dict)
	if end < 0 || !ok {
		return nil, "", typeErrorf("format requires a mapping")
	}
	v, ok := d.Get(s[1:end])
	if !ok {
		return nil, "", valueErrorf("no key '%s' for the format string", s[1:end])
	}
	p.keyed = true
	return v, s[end+1:], nil
}

func (f *formatSpec) flag(c byte) {
	switch c {
	case '-':
		f.align = '<'
	case '+':
		f.sign = '+'
	case ' ':
		if f.sign != '+' {
			f.sign = ' '
		}
	case '#':
		f.alt = true
	case '0':
		f.zero = true
	}
}

// size reads a width or precision: digits, or * for the next argument.
func (p *percentState) size(s string, width *formatSpec) (int, string, error) {
	if !cutByte(&s, '*') {
		n, err := cutInt(&s, 0)
		return n, s, err
	}
	v, err := p.arg()
	if err != nil {
		return 0, "", err
	}
	n, ok := indexOf(v)
	if !ok || n > math.MaxInt32 || n < -math.MaxInt32 {
		return 0, "", typeErrorf("* wants int")
	}
	if n < 0 && width != nil {
		width.align = '<'
		n = -n
	}
	return int(max(n, 0)), s, nil
}

func (p *percentState) format(f *formatSpec, v Value) (string, error) {
	switch f.verb {
	case 's', 'r':
		text, err := p.text(f.verb, v)
		if f.precision >= 0 && f.precision < utf8.RuneCountInString(text) {
			text = text[:runeOffset(text, f.precision)]
		}
		return f.pad("", text, '>'), err
	case 'c':
		return f.char(v)
	case 'd', 'i', 'u', 'x', 'X', 'o':
		return f.percentInt(v)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		return f.percentFloat(v)
	}
	return "", valueErrorf("unsupported format character '%c'", f.verb)
}

func (p *percentState) text(verb byte, v Value) (string, error) {
	if verb != 's' {
		text, err := p.in.repr(v)
		if !p.safe {
			return text, err
		}
		v = text
	}
	if p.safe {
		text, err := p.in.escaped(v)
		return string(text), err
	}
	return p.in.str(v)
}

func (f *formatSpec) char(v Value) (string, error) {
	if text, ok := asString(v); ok && utf8.RuneCountInString(text) == 1 {
		return f.pad("", text, '>'), nil
	}
	if n, ok := indexOf(v); ok && n >= 0 && n <= utf8.MaxRune {
		return f.pad("", string(rune(n)), '>'), nil
	}
	return "", typeErrorf("%%c requires int or char")
}

func (f *formatSpec) percentInt(v Value) (string, error) {
	n, ok := numberOf(v)
	if !ok || n.isFloat && strings.IndexByte("xXo", f.verb) >= 0 {
		if u, ok := v.(*Undefined); ok {
			return "", u.err()
		}
		return "", typeErrorf("%%%c format: a real number is required, not %s", f.verb, typeName(v))
	}
	whole := n.bigInt()
	if n.isFloat {
		if math.IsInf(n.f, 0) || math.IsNaN(n.f) {
			return "", valueErrorf("cannot convert float infinity or NaN to integer")
		}
		whole, _ = big.NewFloat(n.f).Int(nil)
	}
	base, prefix := 10, ""
	switch f.verb {
	case 'x', 'X':
		base, prefix = 16, "0"+string(f.verb)
	case 'o':
		base, prefix = 8, "0o"
	}
	digits := new(big.Int).Abs(whole).Text(base)
	if f.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if missing := f.precision - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	sign := f.signOf(whole.Sign() < 0)
	if f.alt {
		sign += prefix
	}
	return f.padNumber(sign, digits), nil
}

// padNumber lets the flag 0 fill with zeros after the sign, unless - asks for the left.
func (f *formatSpec) padNumber(sign, digits string) string {
	if f.zero && f.align != '<' {
		f.fill, f.align = "0", '='
	}
	return f.pad(sign, digits, '>')
}

func (f *formatSpec) percentFloat(v Value) (string, error) {
	if u, ok := v.(*Undefined); ok {
		return "", u.err()
	}
	n, ok := numberOf(v)
	if !ok {
		return "", typeErrorf("must be real number, not %s", typeName(v))
	}
	x, err := n.float()
	if err != nil {
		return "", err
	}
	digits, err := floatDigits(math.Abs(x), f.verb, f.precision, f.alt)
	if err != nil {
		return "", err
	}
	return f.padNumber(f.signOf(math.Signbit(x) && !math.IsNaN(x)), digits), nil
}

// itoa pads a number to width digits with fill.
func itoa(n, width int, fill string) string {
	text := strconv.Itoa(n)
	if missing := width - len(text); missing > 0 {
		return strings.Repeat(fill, missing) + text
	}
	return text
}
