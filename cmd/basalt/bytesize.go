package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// byteSize is a size on the command line: 1500000, 512MiB, 4GB, 2g.
type byteSize int64

// Decode implements kong.MapperValue.
func (b *byteSize) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("size", &text); err != nil {
		return err
	}
	n, err := parseByteSize(text)
	*b = byteSize(n)
	return err
}

func parseByteSize(text string) (int64, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	number := strings.TrimRight(s, "bikmgt ")
	scale, ok := map[string]float64{
		"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1e3, "m": 1 << 20, "mib": 1 << 20,
		"mb": 1e6,
		"g":  1 << 30, "gib": 1 << 30, "gb": 1e9, "t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
	}[strings.TrimSpace(s[len(number):])]
	x, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || !(x > 0) || x*scale > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is no size; write 1500000, 512MiB or 4GB", text)
	}
	return int64(x * scale), nil
}

// formatBytes prints a size with three digits.
func formatBytes(n int64) string {
	units, x, i := []string{"B", "KiB", "MiB", "GiB", "TiB"}, float64(n), 0
	for x >= 1000 && i < len(units)-1 {
		x, i = x/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.3g %s", x, units[i])
}
