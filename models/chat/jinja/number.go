package jinja

import (
	"math"
	"math/big"
)

// number is an int, float or bool on its way through arithmetic.
type number struct {
	i       int64
	big     *big.Int // set when the integer does not fit i
	f       float64
	isFloat bool
}

func numberOf(v Value) (number, bool) {
	switch v := v.(type) {
	case int64:
		return number{i: v}, true
	case bool:
		i, _ := indexOf(v)
		return number{i: i}, true
	case float64:
		return number{f: v, isFloat: true}, true
	case *big.Int:
		return number{big: v}, true
	}
	return number{}, false
}

func (n number) bigInt() *big.Int {
	if n.big != nil {
		return n.big
	}
	return big.NewInt(n.i)
}

// float converts as Python's float() does: too large an integer is an error.
func (n number) float() (float64, error) {
	switch {
	case n.isFloat:
		return n.f, nil
	case n.big == nil:
		return float64(n.i), nil
	}
	f, _ := new(big.Float).SetInt(n.big).Float64()
	if math.IsInf(f, 0) {
		return 0, valueErrorf("int too large to convert to float")
	}
	return f, nil
}

// normInt gives an integer its one representation.
func normInt(n *big.Int) Value {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

func (in *interp) checkedInt(n *big.Int) (Value, error) {
	if n.BitLen() > maxIntBits {
		return nil, errorf(LimitError, "an integer has more than %d bits", maxIntBits)
	}
	return normInt(n), in.grow(n.BitLen() / 8)
}

// intArith handles the cases that stay inside int64 and leaves the others to numArith.
func (in *interp) intArith(op arithOp, x, y int64) (Value, error) {
	switch op {
	case "+":
		if s := x + y; (s > x) == (y > 0) {
			return s, nil
		}
	case "-":
		if d := x - y; (d < x) == (y > 0) {
			return d, nil
		}
	case "%":
		if y > 0 {
			mod := x % y
			if mod < 0 {
				mod += y
			}
			return mod, nil
		}
	}
	return in.numArith(op, x, y)
}

func (in *interp) numArith(op arithOp, a, b Value) (Value, error) {
	x, okX := numberOf(a)
	y, okY := numberOf(b)
	if !okX || !okY {
		return nil, unsupported(op, a, b)
	}
	if op == "**" {
		return in.power(x, y)
	}
	if !x.isFloat && !y.isFloat {
		if op == "/" {
			return trueDivide(x, y)
		}
		return in.bigArith(op, x.bigInt(), y.bigInt())
	}
	f, err := x.float()
	if err != nil {
		return nil, err
	}
	g, err := y.float()
	if err != nil {
		return nil, err
	}
	return floatArith(op, f, g)
}

func (in *interp) bigArith(op arithOp, x, y *big.Int) (Value, error) {
	z := new(big.Int)
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	default:
		if y.Sign() == 0 {
			return nil, valueErrorf("integer division or modulo by zero")
		}
		mod := new(big.Int)
		z.QuoRem(x, y, mod)
		if mod.Sign() != 0 && (mod.Sign() < 0) != (y.Sign() < 0) {
			z.Sub(z, big.NewInt(1))
			mod.Add(mod, y)
		}
		if op == "%" {
			z = mod
		}
	}
	return in.checkedInt(z)
}

// trueDivide is int / int, correctly rounded.
func trueDivide(x, y number) (Value, error) {
	d := y.bigInt()
	if d.Sign() == 0 {
		return nil, valueErrorf("division by zero")
	}
	f, _ := new(big.Rat).SetFrac(x.bigInt(), d).Float64()
	if math.IsInf(f, 0) {
		return nil, valueErrorf("integer division result too large for a float")
	}
	if f == 0 && x.bigInt().Sign() == 0 && d.Sign() < 0 {
		f = math.Copysign(0, -1)
	}
	return f, nil
}

func floatArith(op arithOp, x, y float64) (Value, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	}
	if y == 0 {
		return nil, valueErrorf("float division by zero")
	}
	if op == "/" {
		return x / y, nil
	}
	div, mod := floatDivMod(x, y)
	if op == "%" {
		return mod, nil
	}
	return div, nil
}

// floatDivMod is CPython's float_divmod: the modulus has the sign of y.
func floatDivMod(x, y float64) (div, mod float64) {
	mod = math.Mod(x, y)
	div = (x - mod) / y
	if mod != 0 {
		if (y < 0) != (mod < 0) {
			mod += y
			div--
		}
	} else {
		mod = math.Copysign(0, y)
	}
	if div == 0 {
		return math.Copysign(0, x/y), mod
	}
	floor := math.Floor(div)
	if div-floor > 0.5 {
		floor++
	}
	return floor, mod
}

func (in *interp) power(x, y number) (Value, error) {
	if !x.isFloat && !y.isFloat && y.bigInt().Sign() >= 0 {
		return in.intPower(x.bigInt(), y.bigInt())
	}
	f, err := x.float()
	if err != nil {
		return nil, err
	}
	g, err := y.float()
	if err != nil {
		return nil, err
	}
	switch {
	case f == 0 && g < 0:
		return nil, valueErrorf("0.0 cannot be raised to a negative power")
	case f < 0 && !math.IsInf(f, 0) && g != math.Trunc(g):
		return nil, valueErrorf("a negative number to a fractional power is complex")
	}
	p := math.Pow(f, g)
	if math.IsInf(p, 0) && !math.IsInf(f, 0) && !math.IsInf(g, 0) {
		return nil, valueErrorf("numerical result out of range")
	}
	return p, nil
}

func (in *interp) intPower(x, y *big.Int) (Value, error) {
	if x.BitLen() <= 1 {
		return in.checkedInt(smallPower(x, y))
	}
	if !y.IsInt64() || y.Int64() > maxIntBits || int64(x.BitLen()-1)*y.Int64() > maxIntBits {
		return nil, errorf(LimitError, "an integer has more than %d bits", maxIntBits)
	}
	if err := in.work(x.BitLen() * int(y.Int64()) >> 6); err != nil {
		return nil, err
	}
	return in.checkedInt(new(big.Int).Exp(x, y, nil))
}

// smallPower is x**y for x in -1, 0, 1, which stay small whatever the exponent.
func smallPower(x, y *big.Int) *big.Int {
	if y.Sign() == 0 || x.Sign() < 0 && y.Bit(0) == 0 {
		return big.NewInt(1)
	}
	return x
}

func (in *interp) negative(v Value) (Value, error) {
	switch x := v.(type) {
	case float64:
		return -x, nil
	case int64:
		if x != math.MinInt64 {
			return -x, nil
		}
	}
	if u, ok := v.(*Undefined); ok {
		return nil, u.err()
	}
	n, ok := numberOf(v)
	if !ok {
		return nil, typeErrorf("bad operand type for unary -: '%s'", typeName(v))
	}
	return in.checkedInt(new(big.Int).Neg(n.bigInt()))
}

func (in *interp) positive(v Value) (Value, error) {
	if u, ok := v.(*Undefined); ok {
		return nil, u.err()
	}
	n, ok := numberOf(v)
	if !ok {
		return nil, typeErrorf("bad operand type for unary +: '%s'", typeName(v))
	}
	if b, ok := v.(bool); ok {
		v, _ := indexOf(b)
		return v, nil
	}
	if n.big != nil {
		return n.big, nil
	}
	return v, nil
}
