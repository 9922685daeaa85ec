package half

import (
	"math"
	"testing"
)

func TestF16RoundTripsEveryValue(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := FromF16(h)
		if f != f {
			if g := FromF16(ToF16(f)); g == g {
				t.Fatalf("ToF16 lost the NaN %#04x", h)
			}
			continue
		}
		if got := ToF16(f); got != h {
			t.Fatalf("ToF16(FromF16(%#04x)) = %#04x", h, got)
		}
	}
}

func TestBF16RoundTripsEveryValue(t *testing.T) {
	for i := range 1 << 16 {
		b := uint16(i)
		f := FromBF16(b)
		if f != f {
			if g := FromBF16(ToBF16(f)); g == g {
				t.Fatalf("ToBF16 lost the NaN %#04x", b)
			}
			continue
		}
		if got := ToBF16(f); got != b {
			t.Fatalf("ToBF16(FromBF16(%#04x)) = %#04x", b, got)
		}
	}
}

func TestRoundingTiesToEven(t *testing.T) {
	f := func(in float64, wantF16, wantBF16 uint16) {
		t.Helper()
		if got := ToF16(float32(in)); got != wantF16 {
			t.Errorf("ToF16(%g) = %#04x, want %#04x", in, got, wantF16)
		}
		if got := ToBF16(float32(in)); got != wantBF16 {
			t.Errorf("ToBF16(%g) = %#04x, want %#04x", in, got, wantBF16)
		}
	}
	f(1, 0x3c00, 0x3f80)
	f(1+1.0/2048, 0x3c00, 0x3f80)
	f(1+3.0/2048, 0x3c02, 0x3f80)
	f(1+1.0/256, 0x3c04, 0x3f80)
	f(1+3.0/256, 0x3c0c, 0x3f82)
	f(65519.996, 0x7bff, 0x4780)
	f(65520, 0x7c00, 0x4780)
	f(math.Pow(2, -25), 0x0000, 0x3300)
	f(math.Pow(2, -25)*1.5, 0x0001, 0x3340)
	f(math.Inf(-1), 0xfc00, 0xff80)
}
