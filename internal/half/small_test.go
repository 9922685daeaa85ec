package half

import (
	"math"
	"testing"
)

// valueOf is a small float by its definition: sign, exponent and fraction of the given widths.
func valueOf(code, exponentBits, fractionBits int) float64 {
	bias := 1<<(exponentBits-1) - 1
	fraction := float64(code&(1<<fractionBits-1)) / float64(int(1)<<fractionBits)
	exponent := code >> fractionBits & (1<<exponentBits - 1)
	v := math.Ldexp(1+fraction, exponent-bias)
	if exponent == 0 {
		v = math.Ldexp(fraction, 1-bias)
	}
	if code>>(exponentBits+fractionBits)&1 == 1 {
		return -v
	}
	return v
}

func TestSmallFormatsAreTheirDefinition(t *testing.T) {
	for i := range 256 {
		b := uint8(i)
		got := FromE4M3(b)
		if b&0x7f == 0x7f {
			if got == got || FromE4M3(ToE4M3(got)) == FromE4M3(ToE4M3(got)) {
				t.Errorf("E4M3 %#x is %g", b, got)
			}
		} else if float64(got) != valueOf(i, 4, 3) || ToE4M3(got) != b {
			t.Errorf("E4M3 %#x is %g, and back %#x; want %g", b, got, ToE4M3(got),
				valueOf(i, 4, 3))
		}
		if e := FromE8M0(b); i < 255 && float64(e) != math.Ldexp(1, i-127) || i == 255 && e == e {
			t.Errorf("E8M0 %#x is %g", b, e)
		}
	}
	for i := range 16 {
		if got := FromE2M1(uint8(i)); float64(got) != valueOf(i, 2, 1) || ToE2M1(got) != uint8(i) {
			t.Errorf("E2M1 %#x is %g, and back %#x", i, got, ToE2M1(got))
		}
	}
}

// TestSmallFormatsRoundToTheNearest compares with a search over all values, ties to even codes.
func TestSmallFormatsRoundToTheNearest(t *testing.T) {
	nearest := func(x float64, codes, exponentBits, fractionBits int) float64 {
		best := 0
		for i := range codes {
			d := math.Abs(valueOf(i, exponentBits, fractionBits) - x)
			was := math.Abs(valueOf(best, exponentBits, fractionBits) - x)
			if d < was || d == was && i%2 == 0 {
				best = i
			}
		}
		return valueOf(best, exponentBits, fractionBits)
	}
	for i := range 4000 {
		x := float32(math.Exp2(float64(i%1000)/40 - 14))
		if i >= 1000 { // middles and what lies beside them
			x = float32(i-1000) / 16
		}
		got, want := FromE4M3(ToE4M3(-x)), -nearest(float64(x), 127, 4, 3)
		if float64(got) != want {
			t.Fatalf("E4M3 of %g is %g, want %g", -x, got, want)
		}
		if got, want := FromE2M1(ToE2M1(x)), nearest(float64(x), 8, 2, 1); float64(got) != want {
			t.Fatalf("E2M1 of %g is %g, want %g", x, got, want)
		}
	}
}

func TestDecodeSmallFormats(t *testing.T) {
	var got [4]float32
	check := func(want ...float32) {
		t.Helper()
		for i, v := range want {
			if got[i] != v {
				t.Errorf("value %d is %g, want %g", i, got[i], v)
			}
		}
	}
	DecodeE4M3(got[:2], []byte{0x38, 0xfe})
	check(1, -448)
	DecodeE8M0(got[:2], []byte{127, 120})
	check(1, 1.0/128)
	DecodeE2M1(got[:4], []byte{0x71, 0xc2})
	check(0.5, 6, 1, -2)
}
