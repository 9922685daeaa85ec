package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"pgregory.net/rapid"
)

func findAll(t fataler, pattern, s string) []string {
	re, err := compileRegex(pattern)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var parts []string
	for _, f := range re.find(&encoder{}, nil, s) {
		parts = append(parts, s[f.start:f.end])
	}
	return parts
}

func TestRegex(t *testing.T) {
	f := func(pattern, s string, want ...string) {
		t.Helper()
		if got := findAll(t, pattern, s); !slices.Equal(got, want) {
			t.Errorf("%s in %q finds %q, want %q", pattern, s, got, want)
		}
	}
	f(`a+?b|a`, "aabaa", "aab", "a", "a")
	f(`(?:ab)+c?`, "ababcab", "ababc", "ab")
	f(`\p{N}{1,3}+`, "1234567", "1234567") // + repeats the interval
	f(`[a-c]++c`, "abcc")                  // possessive: nothing is left for the last c
	f(`[a-c]+c`, "abcc", "abcc")
	f(`(?>a|ab)c`, "abc ac", "ac")
	f(`(?i:'s)`, "'s 'S '\u017f 'ß", "'s", "'S", "'\u017f")
	f(`(?i:k)`, "kK\u212a", "k", "K", "\u212a")
	f(`(?i)a|b`, "aB", "a", "B")
	f(`[a-c&&[^b]]+`, "abcb", "a", "c")
	f(`[^a[bc]]`, "abcd", "d")
	f(`x{,2}y`, "xxxyy", "xxy", "y")
	f(`a{`, "a{", "a{")
	f(`a{x}`, "a{x}", "a{x}")
	f(`(?<=é)b|(?<!a)c`, "ébac", "b")
	f(`^a|b$`, "a\na b\nb", "a", "a", "b", "b")
	f(`\Aa|b\z|c\Z`, "a\nab\nc\n", "a", "c")
	f(`\bb\B.`, "b bc", "bc")
	f(`\x{1F600}|\x41|\u00e9`, "😀Aé", "😀", "A", "é")
	f(`(?=b)`, "abb", "", "")
	f(`é|\n|\-|\/`, "é\n-/", "é", "\n", "-", "/")
}

func TestRegexErrors(t *testing.T) {
	f := func(pattern, want string) {
		t.Helper()
		_, err := compileRegex(pattern)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", pattern, err, want)
		}
	}
	f(`(a`, "missing )")
	f(`a)`, "unmatched )")
	f(`[a`, "ends too early")
	f(`[]`, "empty class")
	f(`*a`, "nothing to repeat")
	f(`(a|b*)+`, "must not match the empty text")
	f(`(?P<x>a)`, "group is not supported")
	f(`(?<x>a)`, "group is not supported")
	f(`a(?i)b`, "group is not supported")
	f(`\1`, `\1 is not supported`)
	f(`\R`, `\R is not supported`)
	f(`\p{Klingon}`, "Klingon")
	f(`\pL`, "wants {name}")
	f(`[[:alpha:]]`, "not supported")
	f(`[b-a]`, "bad range")
	f(`[a-\s]`, "bad range")
	f(`(?<=a+)b`, "one length")
	f(`(?i:ss)`, "one character folds to it")
	f(`(?i:ä)`, "only ASCII")
	f(`a{5,2}`, "repeats 5 to 2")
	f(`a{2000}`, "limit")
	f(`(?:(?:ab){900}c){900}`, "instructions")
	f(strings.Repeat("(", 100), "within each other")
	f(strings.Repeat("[", 100), "within each other")
	f(strings.Repeat("a", maxPattern+1), "bytes")
	f(`\x{110000}`, "no character")
	f(`\xZ`, "wants 2 digits")
	f("\xff", "not UTF-8")
	f(`$*`, "can't be repeated")
	f(`\`, "ends too early")
}

// TestRegexBudget: a pattern without end leaves the rest of the text alone.
func TestRegexBudget(t *testing.T) {
	text := strings.Repeat("a", 60)
	if got := findAll(t, `(?:a|aa)+b`, text); got != nil {
		t.Errorf("found %q", got)
	}
}

// TestRegexAgainstLibrary compares with another backtracking engine on what both understand.
func TestRegexAgainstLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := drawPattern(t, 3)
		re, err := compileRegex(pattern)
		if err != nil {
			t.Skip(err)
		}
		library, err := regexp2.Compile(pattern, regexp2.None)
		if err != nil {
			t.Skip(err)
		}
		s := rapid.StringOfN(rapid.RuneFrom([]rune("abc1 é")), 0, 12, -1).Draw(t, "text")
		var got, want []span
		got = re.find(&encoder{}, nil, s)
		m, err := library.FindStringMatch(s)
		for ; m != nil && err == nil; m, err = library.FindNextMatch(m) {
			start := runesLen(s, m.Index)
			want = append(want, span{start, start + len(m.String()), true})
		}
		want = slices.DeleteFunc(want, func(f span) bool { return f.start == f.end })
		got = slices.DeleteFunc(got, func(f span) bool { return f.start == f.end })
		if !slices.Equal(got, want) {
			t.Fatalf("%s in %q finds %v, want %v", pattern, s, got, want)
		}
	})
}

// runesLen returns the length in bytes of the first n characters.
func runesLen(s string, n int) int {
	at := 0
	for range n {
		_, w := utf8.DecodeRuneInString(s[at:])
		at += w
	}
	return at
}

func drawPattern(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	sub := func() string { return drawPattern(t, depth-1) }
	one := func(list ...string) string { return rapid.SampledFrom(list).Draw(t, "part") }
	switch {
	case depth == 0 || kind < 3:
		return one("a", "b", "c", "1", "é", `\s`, `\p{L}`, `[ab]`, `[^a1]`, `\d`, `[b-cé]`)
	case kind < 5:
		return sub() + sub()
	case kind < 6:
		return fmt.Sprintf("(?:%s|%s)", sub(), sub())
	case kind < 8:
		return fmt.Sprintf("(?:%s)%s", sub(),
			one("?", "*", "+", "??", "+?", "*?", "{2}", "{1,3}", "{0,2}", "{2,}"))
	case kind < 9:
		return fmt.Sprintf("(?>%s)", sub())
	}
	return fmt.Sprintf("(%s%s)%s", one("?=", "?!"), sub(), sub())
}

func FuzzRegex(f *testing.F) {
	for _, p := range presets() {
		for _, s := range p.steps {
			f.Add(s, "It's 1 text, é\r\n ")
		}
	}
	f.Add(`(?<=[a-z])(?=[A-Z])|[a&&[^b]]{1,3}?`, "aBcD")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		re, err := compileRegex(pattern)
		if err != nil {
			return
		}
		s = strings.ToValidUTF8(s, "")
		at := 0
		for _, m := range re.find(&encoder{}, nil, s) {
			if m.start < at || m.end < m.start || m.end > len(s) {
				t.Fatalf("%q in %q: match %v behind %d", pattern, s, m, at)
			}
			at = m.end
		}
	})
}
