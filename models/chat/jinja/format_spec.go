package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatSpec is Python's [[fill]align][sign][#][0][width][,][.precision][type].
type formatSpec struct {
	fill      string
	align     byte // < > ^ =, 0 if not given
	sign      byte // + - or space, 0 if not given
	alt, zero bool
	width     int
	group     byte // , or _ between thousands
	precision int  // -1: none
	verb      byte // 0: none
}

func parseSpec(s string) (formatSpec, error) {
	f := formatSpec{precision: -1}
	_, size := utf8.DecodeRuneInString(s)
	if size < len(s) && strings.IndexByte("<>^=", s[size]) >= 0 {
		f.fill, f.align = s[:size], s[size]
		s = s[size+1:]
	} else if s != "" && strings.IndexByte("<>^=", s[0]) >= 0 {
		f.align, s = s[0], s[1:]
	}
	if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
		f.sign, s = s[0], s[1:]
	}
	f.alt = cutByte(&s, '#')
	if f.zero = cutByte(&s, '0'); f.fill == "" {
		f.fill = " "
		if f.zero {
			f.fill = "0"
		}
	}
	var err error
	if f.width, err = cutInt(&s, 0); err != nil {
		return f, err
	}
	if s != "" && (s[0] == ',' || s[0] == '_') {
		f.group, s = s[0], s[1:]
	}
	if cutByte(&s, '.') {
		if s == "" || !isDigitAt(s, 0) {
			return f, valueErrorf("Format specifier missing precision")
		}
		if f.precision, err = cutInt(&s, 0); err != nil {
			return f, err
		}
	}
	if s != "" {
		f.verb, s = s[0], s[1:]
	}
	if s != "" {
		return f, valueErrorf("Invalid format specifier")
	}
	return f, nil
}

func cutByte(s *string, c byte) bool {
	if *s != "" && (*s)[0] == c {
		*s = (*s)[1:]
		return true
	}
	return false
}

func cutInt(s *string, absent int) (int, error) {
	end := 0
	for isDigitAt(*s, end) {
		end++
	}
	if end == 0 {
		return absent, nil
	}
	n, err := strconv.ParseUint((*s)[:end], 10, 31)
	if err != nil {
		return 0, valueErrorf("Too many decimal digits in format string")
	}
	*s = (*s)[end:]
	return int(n), nil
}

// formatValue is Python's format(v, spec).
func (in *interp) formatValue(v Value, spec string) (string, error) {
	if spec == "" {
		return in.str(v)
	}
	f, err := parseSpec(spec)
	if err != nil {
		return "", err
	}
	if err := in.grow(f.width*len(f.fill) + 2*max(f.precision, 0)); err != nil {
		return "", err
	}
	refused := "scn"
	if f.group == ',' {
		refused = "scnboxX"
	}
	if f.group != 0 && f.verb != 0 && strings.IndexByte(refused, f.verb) >= 0 {
		return "", valueErrorf("Cannot specify '%c' with '%c'.", f.group, f.verb)
	}
	if text, ok := asString(v); ok {
		return f.text(text)
	}
	n, ok := numberOf(v)
	if !ok {
		return "", typeErrorf("unsupported format string passed to %s.__format__", typeName(v))
	}
	if n.isFloat || strings.IndexByte("eEfFgG%", f.verb) >= 0 && f.verb != 0 {
		x, err := n.float()
		if err != nil {
			return "", err
		}
		return f.float(x)
	}
	return f.integer(n.bigInt())
}

func (f *formatSpec) text(s string) (string, error) {
	if f.verb != 0 && f.verb != 's' || f.align == '=' || f.sign != 0 || f.alt || f.group != 0 {
		return "", valueErrorf("Invalid format specifier for a string")
	}
	if f.precision >= 0 && f.precision < utf8.RuneCountInString(s) {
		s = s[:runeOffset(s, f.precision)]
	}
	return f.pad("", s, '<'), nil
}

// numberAlign is where a number goes unless the format says: zeros belong after the sign.
func (f *formatSpec) numberAlign() byte {
	switch {
	case f.align != 0:
		return f.align
	case f.zero:
		return '='
	}
	return '>'
}

// pad brings sign+digits to the width; align is used where none was given.
func (f *formatSpec) pad(sign, digits string, align byte) string {
	n := f.width - utf8.RuneCountInString(sign) - utf8.RuneCountInString(digits)
	if n <= 0 {
		return sign + digits
	}
	if f.align != 0 {
		align = f.align
	}
	switch align {
	case '<':
		return sign + digits + strings.Repeat(f.fill, n)
	case '^':
		return strings.Repeat(f.fill, n/2) + sign + digits + strings.Repeat(f.fill, n-n/2)
	case '=':
		return sign + strings.Repeat(f.fill, n) + digits
	}
	return strings.Repeat(f.fill, n) + sign + digits
}

func (f *formatSpec) signOf(negative bool) string {
	switch {
	case negative:
		return "-"
	case f.sign == '-' || f.sign == 0:
		return ""
	}
	return string(f.sign)
}

func (f *formatSpec) integer(n *big.Int) (string, error) {
	base, prefix := 10, ""
	switch f.verb {
	case 0, 'd', 'n':
	case 'x', 'X':
		base, prefix = 16, "0"+string(f.verb)
	case 'o':
		base, prefix = 8, "0o"
	case 'b':
		base, prefix = 2, "0b"
	case 'c':
		return f.integerChar(n)
	default:
		return "", valueErrorf("Unknown format code '%c' for object of type 'int'", f.verb)
	}
	if f.precision >= 0 {
		return "", valueErrorf("Precision not allowed in integer format specifier")
	}
	digits := new(big.Int).Abs(n).Text(base)
	if f.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	sign := f.signOf(n.Sign() < 0)
	if f.alt {
		sign += prefix
	}
	return f.pad(sign, f.grouped(digits, len(sign), base), f.numberAlign()), nil
}

func (f *formatSpec) integerChar(n *big.Int) (string, error) {
	if f.precision >= 0 || f.sign != 0 || f.alt {
		return "", valueErrorf("Sign, '#' and precision not allowed with format specifier 'c'")
	}
	if !n.IsInt64() || n.Int64() < 0 || n.Int64() > utf8.MaxRune {
		return "", valueErrorf("%%c arg not in range(0x110000)")
	}
	return f.pad("", string(rune(n.Int64())), f.numberAlign()), nil
}

// grouped puts the separator between the digits before the point, and zeros in front of them where
// zero padding must be grouped too.
func (f *formatSpec) grouped(digits string, signLen, base int) string {
	if f.group == 0 {
		return digits
	}
	every := 3
	if base != 10 {
		every = 4
	}
	whole, rest := digits, ""
	if i := strings.IndexAny(digits, ".eEinIN%"); i >= 0 && base == 10 {
		whole, rest = digits[:i], digits[i:]
	}
	room := f.width - signLen - len(rest)
	zeros := f.fill == "0" && f.numberAlign() == '='
	for zeros && len(whole)+(len(whole)-1)/every < room {
		whole = "0" + whole
		if len(whole)%every == 1 && len(whole)+(len(whole)-1)/every > room {
			break
		}
	}
	var b strings.Builder
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%every == 0 {
			b.WriteByte(f.group)
		}
		b.WriteByte(whole[i])
	}
	return b.String() + rest
}

func (f *formatSpec) float(x float64) (string, error) {
	verb, precision := f.verb, f.precision
	if verb == '%' {
		x, verb = x*100, 'f'
	}
	digits, err := floatDigits(math.Abs(x), verb, precision, f.alt)
	if err != nil {
		return "", err
	}
	if f.verb == '%' {
		digits += "%"
	}
	sign := f.signOf(math.Signbit(x) && !math.IsNaN(x))
	return f.pad(sign, f.grouped(digits, len(sign), 10), f.numberAlign()), nil
}

// floatDigits formats a non-negative float with one of Python's presentation types; 0 is none.
func floatDigits(x float64, verb byte, precision int, alt bool) (string, error) {
	lower := verb | 0x20
	var out string
	switch {
	case verb != 0 && strings.IndexByte("efgEFGn", verb) < 0:
		return "", valueErrorf("Unknown format code '%c' for object of type 'float'", verb)
	case math.IsInf(x, 0):
		out = "inf"
	case math.IsNaN(x):
		out = "nan"
	case verb == 0 && precision < 0:
		out = string(appendFloat(nil, x))
		if alt {
			out = withPoint(out)
		}
	case verb == 0 || lower == 'g' || verb == 'n':
		out = generalFloat(x, precision, verb == 0, alt)
	default:
		if precision < 0 {
			precision = 6
		}
		out = strconv.FormatFloat(x, lower, precision, 64)
		if alt {
			out = withPoint(out)
		}
	}
	if verb >= 'A' && verb <= 'Z' {
		out = strings.ToUpper(out)
	}
	return out, nil
}

// withPoint puts a point behind the digits before any exponent, unless there is one.
func withPoint(digits string) string {
	mantissa, exp, _ := strings.Cut(digits, "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += "."
	}
	if exp != "" {
		mantissa += "e" + exp
	}
	return mantissa
}

// generalFloat is the presentation type g; bare is no type but a precision, which keeps one digit
// after the point and changes to an exponent one digit earlier.
func generalFloat(x float64, precision int, bare, alt bool) string {
	switch precision {
	case -1:
		precision = 6
	case 0:
		precision = 1
	}
	scientific := strconv.FormatFloat(x, 'e', precision-1, 64)
	mantissa, expText, _ := strings.Cut(scientific, "e")
	exp, _ := strconv.Atoi(expText)
	limit := precision
	if bare {
		limit--
	}
	out := mantissa + "e" + expText
	fixed := exp >= -4 && exp < limit
	if fixed {
		out = strconv.FormatFloat(x, 'f', precision-1-exp, 64)
	}
	switch {
	case alt:
		return withPoint(out)
	case !fixed:
		return trimZeros(mantissa) + "e" + expText
	}
	out = trimZeros(out)
	if bare && !strings.Contains(out, ".") {
		out += ".0"
	}
	return out
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
