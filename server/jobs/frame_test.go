package jobs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func collect(data []byte) (texts []string, end int64) {
	end, _ = readFrames(bytes.NewReader(data), 1<<20, func(at int64, text []byte) error {
		if string(data[at:at+int64(len(text))]) != string(text) {
			return fmt.Errorf("offset %d is wrong", at)
		}
		texts = append(texts, string(text))
		return nil
	})
	return texts, end
}

// TestEveryTornLineIsCut cuts a file at each of its bytes, and changes each of them.
func TestEveryTornLineIsCut(t *testing.T) {
	var data []byte
	want := []string{"one", "", "three " + strings.Repeat("x", 300), "four"}
	var ends []int
	for _, text := range want {
		data = appendFrame(data, []byte(text))
		ends = append(ends, len(data))
	}
	for n := range len(data) + 1 {
		whole := 0
		for whole < len(ends) && ends[whole] <= n {
			whole++
		}
		got, end := collect(data[:n])
		if !slices.Equal(got, want[:whole]) || whole > 0 && end != int64(ends[whole-1]) {
			t.Fatalf("of %d bytes: %q up to %d", n, got, end)
		}
	}
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 0x20
		line := 0
		for ends[line] <= i {
			line++
		}
		if got, _ := collect(changed); len(got) > line && got[line] == want[line] &&
			!hexCase(data[i], changed[i]) || len(got) < line {
			t.Fatalf("byte %d is changed: %q", i, got)
		}
	}
}

// hexCase reports a digit of a checksum that only changed its case.
func hexCase(a, b byte) bool {
	return a|0x20 == b|0x20 && strings.ContainsRune("abcdef", rune(a|0x20))
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("one")), []byte("two")))
	f.Add([]byte("00000000 \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, end := collect(data)
		var again []byte
		for _, text := range texts {
			again = appendFrame(again, []byte(text))
		}
		if end > int64(len(data)) || !bytes.EqualFold(again, data[:end]) {
			t.Errorf("%q is read as %q up to %d", data, texts, end)
		}
	})
}

func FuzzResults(f *testing.F) {
	f.Add(appendResult(nil, &Result{Record: 7, OK: true, Input: 1, Output: 2, Body: []byte("x y")}))
	f.Add([]byte("1 s 2 3 "))
	f.Add([]byte("-1 s 2 3 "))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, ok := parseResult(text)
		if !ok {
			return
		}
		again, ok := parseResult(appendResult(nil, &r))
		if !ok || again.Record != r.Record || again.OK != r.OK || again.Input != r.Input ||
			again.Output != r.Output || !bytes.Equal(again.Body, r.Body) || r.Record < 0 {
			t.Errorf("%q is %+v, then %+v", text, r, again)
		}
	})
}

func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewID(12)
		if len(id) != 12 || !validID(id) || seen[id] {
			t.Fatalf("%q", id)
		}
		seen[id] = true
	}
	for _, id := range []string{
		"", ".", "..", "a/b", "A", "a.b", "new-a", strings.Repeat("a", 65),
	} {
		if validID(id) {
			t.Errorf("%q is taken", id)
		}
	}
}
