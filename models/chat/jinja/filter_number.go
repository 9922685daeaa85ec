package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

func numberFilter(name string) filterFunc {
	switch name {
	case "abs":
		return filterAbs
	case "float":
		return filterFloat
	case "int":
		return filterInt
	case "round":
		return filterRound
	}
	return nil
}

func filterAbs(in *interp, v Value, a args) (Value, error) {
	if err := a.bind("abs", nil); err != nil {
		return nil, err
	}
	if u, ok := v.(*Undefined); ok {
		return nil, u.err()
	}
	n, ok := numberOf(v)
	if !ok {
		return nil, typeErrorf("bad operand type for abs(): '%s'", typeName(v))
	}
	if n.isFloat {
		return math.Abs(n.f), nil
	}
	return normInt(new(big.Int).Abs(n.bigInt())), nil
}

func filterFloat(in *interp, v Value, a args) (Value, error) {
	p := [1]Value{0.0}
	if err := a.bind("float", p[:], "default"); err != nil {
		return nil, err
	}
	if u, ok := v.(*Undefined); ok {
		return nil, u.err()
	}
	if text, ok := asString(v); ok {
		if f, ok := parseFloat(text); ok {
			return f, in.scan(len(text))
		}
		return p[0], in.scan(len(text))
	}
	n, ok := numberOf(v)
	if !ok {
		return p[0], nil
	}
	return n.float()
}

// parseFloat is Python's float(text).
func parseFloat(text string) (float64, bool) {
	text = strings.TrimFunc(text, isSpace)
	bare := strings.TrimLeft(text, "+-")
	if len(text)-len(bare) > 1 || bare == "" {
		return 0, false
	}
	switch strings.ToLower(bare) {
	case "inf", "infinity":
		return math.Inf(1 - 2*strings.Count(text, "-")), true
	case "nan":
		return math.NaN(), true
	}
	for i := range len(bare) {
		c := bare[i]
		if c == '_' && !(isDigitAt(bare, i-1) && isDigitAt(bare, i+1)) {
			return 0, false
		}
		if !strings.ContainsRune("0123456789.eE+-_", rune(c)) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

func filterInt(in *interp, v Value, a args) (Value, error) {
	p := [2]Value{int64(0), int64(10)}
	if err := a.bind("int", p[:], "default", "base"); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *Undefined:
		return nil, v.err()
	case string:
		return in.intOfText(v, p[0], p[1])
	case Markup:
		return in.intOfText(string(v), p[0], p[1])
	case float64:
		if math.IsInf(v, 0) {
			return nil, valueErrorf("cannot convert float infinity to integer")
		}
		if math.IsNaN(v) {
			return p[0], nil
		}
		n, _ := big.NewFloat(v).Int(nil)
		return normInt(n), nil
	}
	n, ok := numberOf(v)
	if !ok {
		return p[0], nil
	}
	return normInt(n.bigInt()), nil
}

func (in *interp) intOfText(text string, def, base Value) (Value, error) {
	if err := in.scan(len(text)); err != nil {
		return nil, err
	}
	if len(text) > 18 { // conversion to a big integer is quadratic
		if err := in.work(min(len(text), 4300)); err != nil {
			return nil, err
		}
	}
	b, ok := indexOf(base)
	if !ok {
		return nil, typeErrorf("int: base must be an integer")
	}
	if n, ok := parseIntText(text, b); ok {
		return in.checkedInt(n)
	}
	f, ok := parseFloat(text)
	if !ok || math.IsInf(f, 0) || math.IsNaN(f) {
		return def, nil
	}
	n, _ := big.NewFloat(f).Int(nil)
	return normInt(n), nil
}

// parseIntText is Python's int(text, base).
func parseIntText(text string, base int64) (*big.Int, bool) {
	text = strings.TrimFunc(text, isSpace)
	sign, bare := "", text
	if text != "" && (text[0] == '-' || text[0] == '+') {
		sign, bare = text[:1], text[1:]
	}
	if base != 0 && (base < 2 || base > 36) || len(bare) > 4300 || bare == "" {
		return nil, false
	}
	if len(bare) > 2 && bare[0] == '0' {
		prefix := map[byte]int64{'x': 16, 'o': 8, 'b': 2}[bare[1]|0x20]
		if prefix != 0 && (base == 0 || base == prefix) {
			base, bare = prefix, strings.TrimPrefix(bare[2:], "_")
		}
	}
	if base == 0 {
		if bare[0] == '0' && strings.Trim(bare, "0_") != "" {
			return nil, false
		}
		base = 10
	}
	if strings.HasPrefix(bare, "_") || strings.HasSuffix(bare, "_") ||
		strings.Contains(bare, "__") ||
		strings.ContainsAny(bare, "+-") {
		return nil, false
	}
	return new(big.Int).SetString(sign+strings.ReplaceAll(bare, "_", ""), int(base))
}

func filterRound(in *interp, v Value, a args) (Value, error) {
	p := [2]Value{int64(0), "common"}
	if err := a.bind("round", p[:], "precision", "method"); err != nil {
		return nil, err
	}
	if u, ok := v.(*Undefined); ok {
		return nil, u.err()
	}
	n, ok := numberOf(v)
	digits, okDigits := indexOf(p[0])
	if !ok || !okDigits {
		return nil, typeErrorf("round: cannot round %s to %s digits", typeName(v), typeName(p[0]))
	}
	if digits = max(-400, min(digits, 400)); digits < 0 {
		if err := in.work(100); err != nil {
			return nil, err
		}
	}
	switch method, _ := asString(p[1]); method {
	case "common":
		if n.isFloat {
			return roundFloat(n.f, int(digits)), nil
		}
		return roundInt(n.bigInt(), int(digits)), nil
	case "ceil":
		return in.roundBy(v, digits, math.Ceil)
	case "floor":
		return in.roundBy(v, digits, math.Floor)
	}
	return nil, valueErrorf("method must be common, ceil or floor")
}

// roundBy is f(v * 10**digits) / 10**digits.
func (in *interp) roundBy(v Value, digits int64, f func(float64) float64) (Value, error) {
	scale, err := in.arith("**", int64(10), digits)
	if err != nil {
		return nil, err
	}
	scaled, err := in.arith("*", v, scale)
	if err != nil {
		return nil, err
	}
	if x, ok := scaled.(float64); ok {
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return nil, valueErrorf("cannot convert float infinity or NaN to integer")
		}
		whole, _ := big.NewFloat(f(x)).Int(nil)
		scaled = normInt(whole)
	}
	return in.arith("/", scaled, scale)
}

// roundFloat rounds the exact value to digits after the point, ties to even, as Python does.
func roundFloat(f float64, digits int) Value {
	if math.IsInf(f, 0) || math.IsNaN(f) || f == 0 {
		return f
	}
	if digits >= 0 {
		r, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', digits, 64), 64)
		return r
	}
	exact, _ := new(big.Float).SetFloat64(f).Rat(nil)
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-digits)), nil)
	num := roundQuotient(exact.Num(), new(big.Int).Mul(exact.Denom(), unit))
	r, _ := new(big.Float).SetInt(num.Mul(num, unit)).Float64()
	return math.Copysign(r, f)
}

func roundInt(n *big.Int, digits int) Value {
	if digits >= 0 {
		return normInt(n)
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-digits)), nil)
	q := roundQuotient(n, unit)
	return normInt(q.Mul(q, unit))
}

// roundQuotient is num / den rounded to the nearest integer, ties to even; den is positive.
func roundQuotient(num, den *big.Int) *big.Int {
	q, rest := new(big.Int).DivMod(num, den, new(big.Int))
	switch order := rest.Lsh(rest, 1).Cmp(den); {
	case order > 0, order == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(1))
	}
	return q
}
