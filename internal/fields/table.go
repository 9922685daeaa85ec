package fields

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Table is a table of fields and the decoder that it is held against.
type Table struct {
	Rows []Row
	// Places make a body of an example's JSON, by the first word of the example.
	Places map[string]func(json string) string
	// Decode decodes a body. state is all that the body's fields can change. Of a refused body the
	// field at fault and the message are given, and ok is false.
	Decode func(place, body string) (state any, field, message string, ok bool)
	// Free are objects whose members the client names.
	Free []string
	// List is the array of the path whose index an example's @ sets, such as "content[]".
	List string
	// Nulls says that null stands for a field that is left out.
	Nulls bool
}

// Row is a field.
type Row struct {
	Path, Kind, Does, Note string
	Good                   Example
	Bad                    []Example
}

// Example is JSON at a place of a body.
type Example struct {
	Place, JSON string
	Index       int
}

// Read reads a table; places are the words that begin an example.
func Read(t testing.TB, file string, places ...string) []Row {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin := regexp.MustCompile(`(?:^| )(` + strings.Join(places, "|") + `) `)
	var rows []Row
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		c := strings.Split(line, " | ")
		if len(c) < 4 || len(examples(begin, c[3])) != 1 {
			t.Fatalf("%s: a line of %d columns: %s", file, len(c), line)
		}
		row := Row{Path: c[0], Kind: c[1], Good: examples(begin, c[3])[0]}
		row.Does, row.Note, _ = strings.Cut(c[2], ": ")
		if len(c) > 4 {
			row.Bad = examples(begin, c[4])
		}
		rows = append(rows, row)
	}
	return rows
}

func examples(begin *regexp.Regexp, s string) []Example {
	var list []Example
	at := begin.FindAllStringSubmatchIndex(s, -1)
	for i, m := range at {
		end := len(s)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		e := Example{Place: s[m[2]:m[3]], JSON: strings.TrimSpace(s[m[1]:end])}
		if text, index, ok := strings.Cut(e.JSON, " @"); ok {
			e.JSON = text
			e.Index, _ = strconv.Atoi(index)
		}
		list = append(list, e)
	}
	return list
}

// at is a row's path with the indices of an example; the keys of maps are "key".
func (t *Table) at(r *Row, e *Example) string {
	p := r.Path
	if t.List != "" {
		at := strings.TrimSuffix(t.List, "]") + strconv.Itoa(e.Index) + "]"
		p = strings.Replace(p, t.List, at, 1)
	}
	p = strings.ReplaceAll(p, "[]", "[0]")
	return strings.ReplaceAll(p, "{}", ".key")
}

// edit replaces the value at a path of a body, or removes it when value is empty.
func edit(t testing.TB, body, path, value string) string {
	t.Helper()
	var root any
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	var with any
	if value != "" {
		if err := json.Unmarshal([]byte(value), &with); err != nil {
			t.Fatal(err)
		}
	}
	steps := regexp.MustCompile(`[^.\[\]]+`).FindAllString(path, -1)
	root = editAt(t, root, steps, with, value == "")
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func editAt(t testing.TB, v any, steps []string, with any, remove bool) any {
	t.Helper()
	if len(steps) == 0 {
		return with
	}
	switch at := v.(type) {
	case map[string]any:
		if _, ok := at[steps[0]]; !ok {
			t.Fatalf("there is no %s in %v", steps[0], at)
		}
		if remove && len(steps) == 1 {
			delete(at, steps[0])
			return at
		}
		at[steps[0]] = editAt(t, at[steps[0]], steps[1:], with, remove)
	case []any:
		n, err := strconv.Atoi(steps[0])
		if err != nil || n >= len(at) {
			t.Fatalf("there is no [%s] in %v", steps[0], at)
		}
		if remove && len(steps) == 1 {
			return append(at[:n], at[n+1:]...)
		}
		at[n] = editAt(t, at[n], steps[1:], with, remove)
	default:
		t.Fatalf("%v has no %s", v, steps[0])
	}
	return v
}
