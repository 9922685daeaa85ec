package chat

import "strings"

// firstMarker finds the earliest of markers in s, the longest of those that start there; at is -1
// if there is none.
func firstMarker(s string, markers []string) (at int, marker string) {
	at = -1
	for _, m := range markers {
		i := strings.Index(s, m)
		if i >= 0 && (at < 0 || i < at || i == at && len(m) > len(marker)) {
			at, marker = i, m
		}
	}
	return at, marker
}

// pending is the length of the longest end of s that may become one of markers.
func pending(s string, markers []string) int {
	longest := 0
	for _, m := range markers {
		for n := min(len(m)-1, len(s)); n > longest; n-- {
			if strings.HasSuffix(s, m[:n]) {
				longest = n
			}
		}
	}
	return longest
}

func beginsWith(s string, markers []string) bool {
	for _, m := range markers {
		if strings.HasPrefix(s, m) {
			return true
		}
	}
	return false
}

// mayBecome says that s is the beginning of one of markers but not all of it.
func mayBecome(s string, markers ...string) bool {
	for _, m := range markers {
		if len(s) < len(m) && strings.HasPrefix(m, s) {
			return true
		}
	}
	return false
}
