package tokenizer

import (
	"strings"
	"unicode/utf8"
)

const replacement = "\uFFFD"

// decoding says what text ids stand for.
type decoding struct {
	bytes byteTable
	whole []bool // by id: the bytes are whole characters
	// strip is how many leading stripByte bytes the text loses, as sentencepiece puts one there.
	strip     int
	stripByte byte
	// dropped is what the first token loses wherever it has it: the reference's Metaspace.
	dropped string
	// perByte: every byte that is not UTF-8 becomes a U+FFFD, as in sentencepiece; otherwise every
	// maximal part of a character does (Unicode 16, section 3.9), as in byte-level decoders. (The
	// ByteFallback of tokenizer.json would replace a whole run of byte tokens, good characters too,
	// for one bad byte at its end; a stream has shown them by then.)
	perByte bool
}

// byteTable holds the bytes of every id in one block.
type byteTable struct {
	block []byte
	ends  []uint32 // by id
}

func (t *byteTable) at(id int32) []byte {
	start, end := uint32(0), t.ends[id]
	if id > 0 {
		start = t.ends[id-1]
	}
	return t.block[start:end:end]
}

// Decoder turns a stream of ids into text, whole characters at a time. What Append and Flush
// return for a stream, put together, is Decode of all its ids; bytes that form no character come
// out as U+FFFD, once it is certain that they never will. Not safe for concurrent use.
type Decoder struct {
	t           *tables
	skipSpecial bool
	started     bool
	strip       int
	tail        [utf8.UTFMax]byte // the beginning of a character whose end is still to come
	numTail     int
}

// NewDecoder returns a Decoder at the beginning of a text. A SentencePiece text loses its leading
// space there; to decode what continues a prompt, Seed it with the prompt.
func (t *Tokenizer) NewDecoder(skipSpecial bool) *Decoder {
	return &Decoder{t: t.tables, skipSpecial: skipSpecial, strip: t.decoding.strip}
}

// Seed continues from ids without returning their text. A character that ids leave unfinished
// comes out with the id that finishes it.
func (d *Decoder) Seed(ids []int32) {
	var scratch [64]byte
	dst := scratch[:0]
	for _, id := range ids {
		dst = d.Append(dst[:0], id)
	}
}

// Append appends the text that is certain once id is known, always whole characters. It holds back
// at most 3 bytes. An id outside the vocabulary adds nothing.
func (d *Decoder) Append(dst []byte, id int32) []byte {
	v := &d.t.vocab
	if !v.has(id) || d.skipSpecial && v.flags[id]&flagSpecial != 0 {
		return dst
	}
	text := d.t.decoding.bytes.at(id)
	if !d.started {
		d.started = true
		if drop := d.t.decoding.dropped; drop != "" && v.flags[id]&flagByte == 0 {
			text = []byte(strings.ReplaceAll(v.pieces[id], drop, ""))
		}
	}
	for d.strip > 0 && len(text) > 0 {
		if text[0] != d.t.decoding.stripByte {
			d.strip = 0
			break
		}
		d.strip--
		text = text[1:]
	}
	if d.numTail == 0 && d.t.decoding.whole[id] {
		return append(dst, text...)
	}
	return d.complete(dst, text)
}

// complete appends the characters of the tail and text, and keeps the new tail.
func (d *Decoder) complete(dst []byte, text []byte) []byte {
	for d.numTail > 0 && len(text) > 0 {
		d.tail[d.numTail] = text[0]
		d.numTail++
		if utf8.FullRune(d.tail[:d.numTail]) {
			if !utf8.Valid(d.tail[:d.numTail]) {
				dst = d.give(dst)
				continue // text[0] begins something else
			}
			dst = append(dst, d.tail[:d.numTail]...)
			d.numTail = 0
		}
		text = text[1:]
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(text) {
				d.numTail = copy(d.tail[:], text)
				return dst
			}
			n = d.t.decoding.brokenLen(text)
			dst = append(dst, replacement...)
		} else {
			dst = append(dst, text[:n]...)
		}
		text = text[n:]
	}
	return dst
}

// give replaces the tail but its last byte, which showed that it becomes no character.
func (d *Decoder) give(dst []byte) []byte {
	d.numTail--
	return d.Flush(dst)
}

// Flush ends the text: a character that is still unfinished becomes U+FFFD.
func (d *Decoder) Flush(dst []byte) []byte {
	for rest := d.tail[:d.numTail]; len(rest) > 0; {
		dst = append(dst, replacement...)
		rest = rest[d.t.decoding.brokenLen(rest):]
	}
	d.numTail = 0
	return dst
}

// brokenLen returns how many bytes of b, which does not begin with a character, one U+FFFD stands
// for.
func (c *decoding) brokenLen(b []byte) int {
	if c.perByte {
		return 1
	}
	return maximalPart(b)
}

// maximalPart returns the length of the longest beginning of a character that b begins with, or 1.
func maximalPart(b []byte) int {
	n := 0
	for n < len(b) && n < utf8.UTFMax && !utf8.FullRune(b[:n+1]) {
		n++
	}
	return max(n, 1)
}

// appendLossy appends s with U+FFFD for every maximal part of a character that is not UTF-8.
func appendLossy(dst []byte, s string) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			n = maximalPart([]byte(s[:min(len(s), utf8.UTFMax)]))
			dst = append(dst, replacement...)
		} else {
			dst = append(dst, s[:n]...)
		}
		s = s[n:]
	}
	return dst
}
