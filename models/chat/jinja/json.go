package jinja

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonStyle holds the arguments of the filter tojson as Hugging Face defines it, which are those of
// Python's json.dumps.
type jsonStyle struct {
	ascii      bool
	indent     string
	pretty     bool // one element a line
	item, pair string
	sorted     bool
}

func filterToJSON(in *interp, v Value, a args) (Value, error) {
	var p [4]Value
	err := a.bind("tojson", p[:], "ensure_ascii", "indent", "separators", "sort_keys")
	if err != nil {
		return nil, err
	}
	style := jsonStyle{item: ", ", pair: ": "}
	if p[0] != nil {
		style.ascii = truth(p[0])
	}
	if err := style.setIndent(in, p[1]); err != nil {
		return nil, err
	}
	if p[2] != nil && p[2] != (None{}) {
		pair, err := in.elements(p[2])
		if err != nil {
			return nil, err
		}
		if len(pair) != 2 || !isText(pair[0]) || !isText(pair[1]) {
			return nil, typeErrorf("tojson: separators must be two strings")
		}
		style.item, _ = asString(pair[0])
		style.pair, _ = asString(pair[1])
	}
	style.sorted = p[3] != nil && truth(p[3])
	w := jsonWriter{in: in, jsonStyle: style}
	if err := w.value(v, 0); err != nil {
		return nil, err
	}
	return string(w.b), nil
}

func (s *jsonStyle) setIndent(in *interp, v Value) error {
	switch v := v.(type) {
	case nil, None:
		return nil
	case string:
		s.indent = v
	case Markup:
		s.indent = string(v)
	default:
		n, ok := indexOf(v)
		if !ok {
			return typeErrorf("tojson: indent must be an int or a string, not %s", typeName(v))
		}
		if n > 0 {
			n = min(n, 1<<30)
			if err := in.grow(int(n)); err != nil {
				return err
			}
			s.indent = strings.Repeat(" ", int(n))
		}
	}
	s.pretty, s.item = true, ","
	return nil
}

// jsonWriter writes one value; every append is accounted for before it happens.
type jsonWriter struct {
	jsonStyle
	in *interp
	b  []byte
}

func (w *jsonWriter) put(s string) error {
	w.b = append(w.b, s...)
	return w.in.grow(len(s))
}

func (w *jsonWriter) newline(depth int) error {
	if !w.pretty {
		return nil
	}
	if err := w.put("\n"); err != nil {
		return err
	}
	for range depth {
		if err := w.put(w.indent); err != nil {
			return err
		}
	}
	return nil
}

func (w *jsonWriter) value(v Value, depth int) error {
	if depth > maxDataDepth {
		return w.in.tooDeep("values for tojson")
	}
	if err := w.in.work(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		return w.str(v)
	case Markup:
		return w.str(string(v))
	case *List:
		return w.list(v, depth)
	case *Dict:
		return w.dict(v, depth)
	}
	if n, ok := v.(*big.Int); ok {
		if err := w.in.work(n.BitLen() >> 4); err != nil {
			return err
		}
	}
	text, ok := jsonScalar(v)
	if !ok {
		return typeErrorf("Object of type %s is not JSON serializable", typeName(v))
	}
	return w.put(text)
}

func jsonScalar(v Value) (string, bool) {
	switch v := v.(type) {
	case None:
		return "null", true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case *big.Int:
		return v.String(), true
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN", true
		case math.IsInf(v, 1):
			return "Infinity", true
		case math.IsInf(v, -1):
			return "-Infinity", true
		}
		return string(appendFloat(nil, v)), true
	}
	return "", false
}

func (w *jsonWriter) list(l *List, depth int) error {
	if len(l.items) == 0 {
		return w.put("[]")
	}
	for i, item := range l.items {
		sep := w.item
		if i == 0 {
			sep = "["
		}
		if err := w.element(sep, depth+1); err != nil {
			return err
		}
		if err := w.value(item, depth+1); err != nil {
			return err
		}
	}
	if err := w.newline(depth); err != nil {
		return err
	}
	return w.put("]")
}

func (w *jsonWriter) element(sep string, depth int) error {
	if err := w.put(sep); err != nil {
		return err
	}
	return w.newline(depth)
}

func (w *jsonWriter) dict(d *Dict, depth int) error {
	if len(d.entries) == 0 {
		return w.put("{}")
	}
	entries := d.entries
	if w.sorted {
		var err error
		if entries, err = w.in.sortedEntries(entries); err != nil {
			return err
		}
	}
	for i := range entries {
		sep := w.item
		if i == 0 {
			sep = "{"
		}
		if err := w.element(sep, depth+1); err != nil {
			return err
		}
		if err := w.key(entries[i].key); err != nil {
			return err
		}
		if err := w.put(w.pair); err != nil {
			return err
		}
		if err := w.value(entries[i].val, depth+1); err != nil {
			return err
		}
	}
	if err := w.newline(depth); err != nil {
		return err
	}
	return w.put("}")
}

func (w *jsonWriter) key(key Value) error {
	if s, ok := asString(key); ok {
		return w.str(s)
	}
	text, ok := jsonScalar(key)
	if !ok {
		return typeErrorf("keys must be str, int, float, bool or None, not %s", typeName(key))
	}
	return w.put(`"` + text + `"`)
}

func (in *interp) sortedEntries(entries []entry) ([]entry, error) {
	if err := in.grow(48 * len(entries)); err != nil {
		return nil, err
	}
	sorted := slices.Clone(entries)
	keys := func(e entry) Value { return e.key }
	return sorted, sortBy(in, sorted, keys, false)
}

func (w *jsonWriter) str(s string) error {
	if err := w.in.grow(len(s) + 2); err != nil {
		return err
	}
	w.b = append(w.b, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf && !(w.ascii && c == 0x7f) {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if !w.ascii {
				i += size
				continue
			}
		}
		w.b = append(w.b, s[done:i]...)
		if err := w.escape(r); err != nil {
			return err
		}
		i += size
		done = i
	}
	w.b = append(append(w.b, s[done:]...), '"')
	return nil
}

func (w *jsonWriter) escape(r rune) error {
	if i := strings.IndexRune("\"\\\n\r\t\b\f", r); i >= 0 {
		w.b = append(w.b, '\\', "\"\\nrtbf"[i])
		return w.in.grow(1)
	}
	if r > 0xffff {
		r -= 0x10000
		w.b = appendEscape(w.b, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	if r < 0x100 { // JSON has no \x escapes
		w.b = append(w.b, `\u00`...)
		w.b = append(w.b, "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
	} else {
		w.b = appendEscape(w.b, r)
	}
	return w.in.grow(12)
}
