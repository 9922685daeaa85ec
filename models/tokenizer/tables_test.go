package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"path/filepath"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// allRunes calls f for every character.
func allRunes(f func(r rune)) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r < 0xD800 || r > 0xDFFF {
			f(r)
		}
	}
}

// lines digests strings joined by newlines.
type lines struct {
	h     hash.Hash
	first bool
}

func newLines() *lines { return &lines{h: sha256.New(), first: true} }

func (l *lines) add(s string) {
	if !l.first {
		l.h.Write([]byte{'\n'})
	}
	l.first = false
	l.h.Write([]byte(s))
}

func (l *lines) sum() string { return hex.EncodeToString(l.h.Sum(nil)) }

// TestTables: every character is what the reference takes it for.
func TestTables(t *testing.T) {
	var want map[string]string
	unmarshalFile(t, []byte(readText(t, filepath.Join("testdata", "tables.json"))), &want)
	check := func(name, got string) {
		t.Helper()
		if want[name] == "" || got != want[name] {
			t.Errorf("%s: digest %s, want %q", name, got, want[name])
		}
		delete(want, name)
	}
	set := func(name string, list []runeRange) {
		t.Helper()
		members, l := newRuneSet(list), newLines()
		allRunes(func(r rune) {
			if members.has(r) {
				l.add(string(r))
			}
		})
		check(name, l.sum())
	}
	for _, name := range []string{
		"L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "Nd", "P", "S",
		"Han", "Hiragana",
	} {
		set(name, mustCategory(name))
	}
	set("space", whitespace())
	set("word", wordRanges())
	set("numeric", numeric())
	set("punctuation", punctuation())

	rewritten := func(name string, n normalizer, around ...string) {
		t.Helper()
		l := newLines()
		allRunes(func(r rune) {
			for i := 0; i < len(around); i += 2 {
				s, _ := n.apply(nil, around[i]+string(r)+around[i+1])
				l.add(s)
			}
		})
		check(name, l.sum())
	}
	for name, form := range map[string]norm.Form{
		"NFC": norm.NFC, "NFD": norm.NFD,
		"NFKC": norm.NFKC, "NFKD": norm.NFKD,
	} {
		rewritten(name, unicodeForm(form), "", "", "a", "\u0334", "a\u0323", "")
	}
	rewritten("Lowercase", lowercase{}, "", "")
	if len(want) != 0 {
		t.Errorf("not compared: %v", want)
	}
}
