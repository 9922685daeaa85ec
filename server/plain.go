package server

import (
	"strings"
	"unicode/utf8"

	"basalt/models/tokenizer"
	"basalt/server/api"
)

// Control tokens delimit turns and roles in a rendered conversation, so a client's text that spells
// one must not become one: it could end its own turn and speak as the system. Before rendering, a
// seam is put into every such spelling; after it, the prompt is cut at the seams and the pieces are
// encoded one by one. No piece spells the token, and the model reads the text as it was written.
const seam = "\uFDD0" // a noncharacter, which no text may hold

// plain puts seams into s.
func (m *model) plain(s string) string {
	s = strings.ReplaceAll(s, seam, "\uFFFD")
	if m.controls == nil {
		return s
	}
	find := *m.controls
	var out []byte
	start := 0 // of what is not copied yet
	for at := 0; at < len(s); {
		read, match := find.feedString(s[at:])
		at += read
		if match == 0 {
			break
		}
		_, first := utf8.DecodeRuneInString(s[at-match:])
		cut := max(at-match+first, start)
		out = append(append(out, s[start:cut]...), seam...)
		start = cut
	}
	if start == 0 {
		return s
	}
	return string(append(out, s[start:]...))
}

// plainJSON puts seams into the strings of a JSON text.
func (m *model) plainJSON(raw []byte) []byte {
	v, err := api.ParseJSON(raw)
	if err != nil {
		return raw
	}
	return m.appendPlain(nil, v)
}

func (m *model) appendPlain(dst []byte, v api.Value) []byte {
	switch {
	case v.IsString():
		return api.AppendString(dst, m.plain(v.Str()))
	case v.IsArray():
		dst = append(dst, '[')
		for i, e := range v.Elements() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = m.appendPlain(dst, e)
		}
		return append(dst, ']')
	case v.IsObject():
		dst = append(dst, '{')
		first := true
		for name, e := range v.Object().Fields() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(api.AppendString(dst, m.plain(name)), ':')
			dst = m.appendPlain(dst, e)
		}
		return append(dst, '}')
	}
	return append(dst, v.Raw()...)
}

// encodeRendered encodes a rendered conversation.
func (m *model) encodeRendered(text string) []int32 {
	var ids []int32
	for piece := range strings.SplitSeq(text, seam) {
		ids = m.Tokenizer.Encode(ids, piece, tokenizer.EncodeOptions{ParseSpecial: true})
	}
	return ids
}
