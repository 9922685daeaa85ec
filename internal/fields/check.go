package fields

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Check holds the decoder to the table.
func (t *Table) Check(tb testing.TB) {
	tb.Helper()
	for i := range t.Rows {
		r := &t.Rows[i]
		switch r.Does {
		case "acted", "accepted":
			t.checkTaken(tb, r)
		case "refused":
			t.checkRefused(tb, r, &r.Good)
		default:
			tb.Errorf("%s is %q", r.Path, r.Does)
		}
		for j := range r.Bad {
			t.checkRefused(tb, r, &r.Bad[j])
		}
	}
}

func (t *Table) body(tb testing.TB, e *Example) string {
	make, ok := t.Places[e.Place]
	if !ok {
		tb.Fatalf("there is no place %q", e.Place)
	}
	return make(e.JSON)
}

// checkRefused holds that the fault of an example is laid at the row's path: at it, below it, or at
// what is missing in it.
func (t *Table) checkRefused(tb testing.TB, r *Row, e *Example) {
	tb.Helper()
	body := t.body(tb, e)
	_, field, message, ok := t.Decode(e.Place, body)
	if ok {
		tb.Errorf("%s: %s was accepted", r.Path, body)
	} else if !strings.HasPrefix(field, t.at(r, e)) || !strings.HasPrefix(message, field) {
		tb.Errorf("%s: %s is refused at %q: %s", r.Path, body, field, message)
	}
}

// checkTaken holds that the example is taken, that it changes the request where the table says so,
// and that neither other types of value are taken in its place nor unknown members in it.
func (t *Table) checkTaken(tb testing.TB, r *Row) {
	tb.Helper()
	body, path, place := t.body(tb, &r.Good), t.at(r, &r.Good), r.Good.Place
	state, field, message, ok := t.Decode(place, body)
	if !ok {
		tb.Errorf("%s: %s is refused at %q: %s", r.Path, body, field, message)
		return
	}
	without, _, _, ok := t.Decode(place, edit(tb, body, path, ""))
	same := ok && cmp.Equal(state, without)
	if r.Does == "acted" && same {
		tb.Errorf("%s has no effect, though it is said to be acted on", r.Path)
	} else if r.Does == "accepted" && ok && !same {
		tb.Errorf("%s has an effect, though it is said to have none", r.Path)
	}
	for _, wrong := range t.wrong(r) {
		_, field, message, ok := t.Decode(place, edit(tb, body, path, wrong))
		if ok || !strings.HasPrefix(field, path) {
			tb.Errorf("%s: %s in its place: %q %s", r.Path, wrong, field, message)
		}
	}
}

// wrong are values that may not stand in a field's place.
func (t *Table) wrong(r *Row) []string {
	kind := regexp.MustCompile(`^[a-z0-9]+`).FindString(r.Kind)
	not := map[string][]string{
		"string": {`"`}, "base64": {`"`}, "boolean": {"true"}, "number": {"1.5"}, "array": {"["},
		"object": {"{"}, "union": {"{"}, "integer": {}, "text": {`"`, "["},
		"list": {`"`, "["}, "choice": {`"`, "{"}, "document": {""},
	}
	takes, known := not[kind]
	if !known {
		return []string{"BUG: " + kind}
	}
	var list []string
	for _, v := range []string{`null`, `true`, `1.5`, `"~?"`, `[1]`, `{"basalt_unknown":1}`} {
		fits := slices.ContainsFunc(takes, func(p string) bool { return strings.HasPrefix(v, p) })
		if !fits && (v != "null" || !t.Nulls) {
			list = append(list, v)
		}
	}
	if (kind == "object" || kind == "union") && !slices.Contains(t.Free, r.Path) {
		list = append(list, `{"basalt_unknown":1}`)
	}
	return list
}
