package tokenizer

import (
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// The reference's regular expressions know Unicode 16, Go's unicode package 15.0. newIn16 holds
// what was added since, by category: hexadecimal ranges.
var newIn16 = map[string][]string{
	"L": {lu16, ll16, lm16, lo16}, "Lu": {lu16}, "Ll": {ll16}, "Lm": {lm16}, "Lo": {lo16},
	"M": {m16}, "N": {nd16}, "Nd": {nd16}, "P": {p16}, "S": {s16}, "Han": {"2ebf0-2ee5d"},
}

const (
	lu16 = "1c89 a7cb-a7cc a7da a7dc 10d50-10d65"
	ll16 = "1c8a a7cd a7db 10d70-10d85"
	lm16 = "10d4e 10d6f 16d40-16d42 16d6b-16d6c"
	lo16 = "105c0-105f3 10d4a-10d4d 10d4f 10ec2-10ec4 11380-11389 1138b 1138e 11390-113b5 " +
		"113b7 113d1 113d3 11bc0-11be0 13460-143fa 16100-1611d 16d43-16d6a 18cff 1e5d0-1e5ed " +
		"1e5f0 2ebf0-2ee5d"
	m16 = "897 10d69-10d6d 10efc 113b8-113c0 113c2 113c5 113c7-113ca 113cc-113d0 113d2 " +
		"113e1-113e2 11f5a 1611e-1612f 1e5ee-1e5ef"
	nd16 = "10d40-10d49 116d0-116e3 11bf0-11bf9 16130-16139 16d70-16d79 1ccf0-1ccf9 1e5f1-1e5fa"
	p16  = "1b4e-1b4f 1b7f 10d6e 113d4-113d5 113d7-113d8 11be1 16d6d-16d6f 1e5ff"
	s16  = "2427-2429 2ffc-2fff 31e4-31e5 31ef 10d8e-10d8f 1cc00-1ccef 1cd00-1ceb3 1f8b2-1f8bb " +
		"1f8c0-1f8c1 1fa89 1fa8f 1fabe 1fac6 1fadc 1fadf 1fae9 1fbcb-1fbef"

	// What the reference's Digits step splits off beside \p{N}: its language knows Unicode 17.
	numeric17 = "11de0-11de9 16ff4-16ff6"

	// The reference's Punctuation step has tables of Unicode 8; punctuation since then is not split
	// off, and two characters that have ceased to be punctuation are.
	notPunctuation8 = "61d 9fd a76 c77 c84 1b4e-1b4f 1b7d-1b7f 2e43-2e4f 2e52-2e5d 10d6e 10ead " +
		"10f55-10f59 10f86-10f89 113d4-113d5 113d7-113d8 1144b-1144f 1145a-1145b 1145d " +
		"11660-1166c 116b9 1183b 11944-11946 119e2 11a3f-11a46 11a9a-11a9c 11a9e-11aa2 " +
		"11b00-11b09 11be1 11c41-11c45 11c70-11c71 11ef7-11ef8 11f43-11f4f 11fff 12ff1-12ff2 " +
		"16d6d-16d6f 16e97-16e9a 16fe2 1e5ff 1e95e-1e95f"
	onlyPunctuation8 = "166d 111c9"

	// The reference normalises by Unicode 9. These are the characters with a normalisation property
	// that have come since; it leaves them and what stands on either side alone.
	plainIn9 = "7fd 898-89f 8ca-8d3 9fe c3c d3b-d3c eba 1715 1abf-1ace 1df6-1dfa 32ff " +
		"a7f2-a7f4 a82c ab69 10781-10785 10787-107b0 107b2-107ba 10d24-10d27 10eab-10eac " +
		"10efd-10eff 10f46-10f50 10f82-10f85 11070 1133b 1145e 11839-1183a 11930 11938 " +
		"1193d-1193e 11943 119e0 11a34 11a47 11a99 11d42 11d44-11d45 11d97 11f41-11f42 " +
		"16ff0-16ff1 1e030-1e06d 1e08f 1e130-1e136 1e2ae 1e2ec-1e2ef 1e4ec-1e4ef 1f16c " +
		"1fbf0-1fbf9"
)

var isPlainIn9 = sync.OnceValue(func() *runeSet { return newRuneSet(parseRanges(plainIn9)) })

// toLower17 maps r as Unicode 17 does.
func toLower17(r rune) rune {
	switch {
	case r == 0xA7CB:
		return 0x264
	case r == 0xA7DC:
		return 0x19B
	case r == 0x1C89, r == 0xA7CC, r == 0xA7CE, r == 0xA7D2, r == 0xA7D4, r == 0xA7DA:
		return r + 1
	case r >= 0x10D50 && r <= 0x10D65:
		return r + 0x20
	case r >= 0x16EA0 && r <= 0x16EB8:
		return r + 0x1B
	}
	return unicode.ToLower(r)
}

func parseRanges(s string) []runeRange {
	var list []runeRange
	for _, f := range strings.Fields(s) {
		lo, hi, ok := strings.Cut(f, "-")
		if !ok {
			hi = lo
		}
		list = append(list, runeRange{parseHex(lo), parseHex(hi)})
	}
	return list
}

func parseHex(s string) rune {
	n, err := strconv.ParseUint(s, 16, 21)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return rune(n)
}

// numeric is the set of the Digits step.
func numeric() []runeRange {
	return append(mustCategory("N"), parseRanges(numeric17)...)
}

// punctuation is the set of the Punctuation step.
func punctuation() []runeRange {
	rest := append(complement(mustCategory("P")), parseRanges(notPunctuation8)...)
	list := append(complement(rest), parseRanges(onlyPunctuation8)...)
	for c := rune('!'); c < unicode.MaxASCII; c++ {
		if unicode.IsPunct(c) || unicode.IsSymbol(c) {
			list = append(list, runeRange{c, c})
		}
	}
	return list
}
