package tokenizer

import (
	"unicode/utf8"
	"unsafe"
)

// The byte alphabet of GPT-2 writes each byte as a visible character: printable Latin-1 stands for
// itself, and the other 68 bytes, in order, for U+0100 and up, so " the" is spelled "Ġthe".

// alphabet returns the character of b.
func alphabet(b byte) rune {
	switch {
	case b <= ' ':
		return 0x100 + rune(b)
	case b >= 0x7F && b <= 0xA0:
		return 0x121 + rune(b-0x7F)
	case b == 0xAD:
		return 0x143
	}
	return rune(b)
}

// fromAlphabet returns the byte that r stands for.
func fromAlphabet(r rune) (byte, bool) {
	switch {
	case r >= 0x100 && r <= 0x120:
		return byte(r - 0x100), true
	case r >= 0x121 && r <= 0x142:
		return byte(r - 0x121 + 0x7F), true
	case r == 0x143:
		return 0xAD, true
	}
	return byte(r), r > ' ' && r < 0x7F || r > 0xA0 && r <= 0xFF && r != 0xAD
}

func appendMapped(dst []byte, s string) []byte {
	for i := range len(s) {
		if b := s[i]; b > ' ' && b < 0x7F {
			dst = append(dst, b)
		} else {
			dst = utf8.AppendRune(dst, alphabet(b))
		}
	}
	return dst
}

// appendUnmapped undoes appendMapped; s holds nothing outside the alphabet.
func appendUnmapped(dst []byte, s string) []byte {
	for _, r := range s {
		b, _ := fromAlphabet(r)
		dst = append(dst, b)
	}
	return dst
}

// alphabetBytes returns the bytes that a token spells, or false if it isn't all in the alphabet.
func alphabetBytes(dst []byte, piece string) ([]byte, bool) {
	n := len(dst)
	for i := 0; i < len(piece); {
		if c := piece[i]; c > ' ' && c < 0x7F {
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(piece[i:])
		b, ok := fromAlphabet(r)
		if !ok {
			return dst[:n], false
		}
		dst = append(dst, b)
		i += size
	}
	return dst, true
}

// view returns b as a string without copying: the string lives no longer than b stays unchanged.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
