package server

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// firstStop is the definition: the stop string that ends first; of those that end there, the
// longest.
func firstStop(text string, stops []string) (end, length int) {
	for end := 1; end <= len(text); end++ {
		for _, s := range stops {
			if strings.HasSuffix(text[:end], s) && len(s) > length {
				length = len(s)
			}
		}
		if length > 0 {
			return end, length
		}
	}
	return len(text), 0
}

// heldBack is the definition: the longest end of text that is a proper beginning of a stop string.
func heldBack(text string, stops []string) int {
	for n := len(text); n > 0; n-- {
		for _, s := range stops {
			if n < len(s) && strings.HasPrefix(s, text[len(text)-n:]) {
				return n
			}
		}
	}
	return 0
}

func TestStopperFindsStopStringsInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab]{1,5}`)
		stops := rapid.SliceOfN(word, 1, 5).Draw(t, "stops")
		text := rapid.StringMatching(`[abc]{0,40}`).Draw(t, "text")
		s := newStopper(stops)
		read := 0
		for read < len(text) {
			n := rapid.IntRange(1, len(text)-read).Draw(t, "piece")
			piece := text[read : read+n]
			got, match := s.feedString(piece)
			read += got
			wantEnd, wantLen := firstStop(text[:read], stops)
			if match != wantLen || match > 0 && read != wantEnd {
				t.Fatalf("after %q: match %d, want %d at %d", text[:read], match, wantLen, wantEnd)
			}
			if match > 0 {
				return
			}
			if got != n {
				t.Fatalf("read %d of %d without a match", got, n)
			}
			if want := heldBack(text[:read], stops); s.held() != want {
				t.Fatalf("after %q with stops %q: %d bytes held, want %d", text[:read], stops,
					s.held(), want)
			}
		}
	})
}

func TestNoStopperHoldsNothing(t *testing.T) {
	s := newStopper(nil)
	if n, match := s.feedString("abc"); n != 3 || match != 0 || s.held() != 0 {
		t.Error(n, match, s.held())
	}
}
