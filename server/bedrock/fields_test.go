package bedrock

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"basalt/server/api"
)

// fieldRow is a line of a table of fields: what a member is, what is done with it, and bodies that
// show it.
type fieldRow struct {
	path, kind, does, note string
	good                   fieldExample
	bad                    []fieldExample
}

// fieldExample is JSON at a place of a body; index is that of the content block meant.
type fieldExample struct {
	place, json string
	index       int
}

var places = regexp.MustCompile(`(?:^| )(body|stream|content|system|tool) `)

func readFields(t testing.TB, file string) []fieldRow {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rows []fieldRow
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		c := strings.Split(line, " | ")
		if len(c) < 4 {
			t.Fatalf("a line of %d columns: %s", len(c), line)
		}
		row := fieldRow{path: c[0], kind: c[1], good: examples(c[3])[0]}
		row.does, row.note, _ = strings.Cut(c[2], ": ")
		if len(c) > 4 {
			row.bad = examples(c[4])
		}
		rows = append(rows, row)
	}
	return rows
}

func examples(s string) []fieldExample {
	var list []fieldExample
	at := places.FindAllStringSubmatchIndex(s, -1)
	for i, m := range at {
		end := len(s)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		e := fieldExample{place: s[m[2]:m[3]], json: strings.TrimSpace(s[m[1]:end])}
		if text, index, ok := strings.Cut(e.json, " @"); ok {
			e.json = text
			e.index, _ = strconv.Atoi(index)
		}
		list = append(list, e)
	}
	return list
}

const hiMessages = `"messages":[{"role":"user","content":[{"text":"Hi"}]}]`

// body is the example as a whole body.
func (e *fieldExample) body() string {
	switch e.place {
	case "content":
		return `{"messages":[{"role":"user","content":[` + e.json + `]}]}`
	case "system":
		return `{` + hiMessages + `,"system":[` + e.json + `]}`
	case "tool":
		return `{` + hiMessages + `,"toolConfig":{"tools":[` + e.json + `]}}`
	}
	if strings.HasPrefix(e.json, `{"messages"`) {
		return e.json
	}
	return `{` + hiMessages + `,` + e.json[1:]
}

// at is the row's path with the indices of an example.
func (r *fieldRow) at(e *fieldExample) string {
	p := strings.Replace(r.path, "content[]", "content["+strconv.Itoa(e.index)+"]", 1)
	p = strings.ReplaceAll(p, "[]", "[0]")
	return strings.ReplaceAll(p, "{}", ".team")
}

// edit replaces the value at a path of a body, or removes it when value is nil.
func edit(t testing.TB, body, path string, value *string) string {
	t.Helper()
	var root any
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	var with any
	if value != nil {
		if err := json.Unmarshal([]byte(*value), &with); err != nil {
			t.Fatal(err)
		}
	}
	steps := regexp.MustCompile(`[^.\[\]]+`).FindAllString(path, -1)
	root = editAt(t, root, steps, with, value == nil)
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

// decodeField decodes a Converse body; the codec's fields are told by what it writes.
func decodeField(body string, stream bool) (*api.Request, string, *api.Error) {
	req, codec, err := DecodeConverse([]byte(body), Call{Model: "m", Stream: stream})
	if err != nil {
		return nil, "", err
	}
	a := &api.Answer{Choices: []api.Choice{{Reason: api.FinishStopString, StopString: "s"}}}
	return req, string(codec.AppendAnswer(nil, a)), nil
}

func TestEveryFieldIsActedOnOrRefused(t *testing.T) {
	for _, r := range readFields(t, "testdata/converse.fields") {
		switch r.does {
		case "acted", "accepted":
			r.checkTaken(t)
		case "refused":
			r.checkRefused(t, &r.good)
		default:
			t.Errorf("%s is %q", r.path, r.does)
		}
		for i := range r.bad {
			r.checkRefused(t, &r.bad[i])
		}
	}
}

// checkRefused holds that the fault of an example is laid at the row's path: at it, below it, or at
// what is missing in it.
func (r *fieldRow) checkRefused(t *testing.T, e *fieldExample) {
	t.Helper()
	_, _, err := decodeField(e.body(), e.place == "stream")
	if err == nil {
		t.Errorf("%s: %s was accepted", r.path, e.body())
		return
	}
	want := r.at(e)
	if !strings.HasPrefix(err.Field, want) || !strings.HasPrefix(err.Message, err.Field) {
		t.Errorf("%s: %s is refused at %q: %s", r.path, e.body(), err.Field, err.Message)
	}
	if name, status := Exception(err); name != "ValidationException" || status != 400 {
		t.Errorf("%s: %s %d", r.path, name, status)
	}
}

// checkTaken holds that the example is taken, that it changes the request where the table says so,
// that no other type of value is taken in its place, and no unknown member beside it.
func (r *fieldRow) checkTaken(t *testing.T) {
	t.Helper()
	body, path, stream := r.good.body(), r.at(&r.good), r.good.place == "stream"
	req, answer, err := decodeField(body, stream)
	if err != nil {
		t.Errorf("%s: %s: %v", r.path, body, err)
		return
	}
	without, other, err := decodeField(edit(t, body, path, nil), stream)
	same := err == nil && cmp.Equal(req, without) && answer == other
	if r.does == "acted" && same {
		t.Errorf("%s has no effect, though it is said to be acted on", r.path)
	} else if r.does == "accepted" && err == nil && !same {
		t.Errorf("%s has an effect, though it is said to have none", r.path)
	}
	kind := regexp.MustCompile(`^[a-z0-9]+`).FindString(r.kind)
	for _, wrong := range []string{`null`, `true`, `1.5`, `"~?"`, `[1]`, `{"basalt":1}`} {
		if kind == "document" || takes(kind, wrong) {
			continue
		}
		_, _, err := decodeField(edit(t, body, path, &wrong), stream)
		if err == nil || !strings.HasPrefix(err.Field, path) {
			t.Errorf("%s: %s in its place: %v", r.path, wrong, err)
		}
	}
}

// takes reports a wrong value that is none for members of a kind.
func takes(kind, value string) bool {
	switch kind {
	case "string", "base64":
		return value[0] == '"'
	case "boolean":
		return value == "true"
	case "number":
		return value == "1.5"
	case "array":
		return false
	case "object", "union":
		return value[0] == '{'
	}
	return false
}

func TestUnknownMembersAreRefusedEverywhere(t *testing.T) {
	free := map[string]bool{ // whose members the client names
		"toolConfig.tools[].toolSpec.inputSchema.json":      true,
		"additionalModelRequestFields.chat_template_kwargs": true, "requestMetadata": true,
	}
	n := 0
	for _, r := range readFields(t, "testdata/converse.fields") {
		if r.does == "refused" || free[r.path] || !strings.HasPrefix(r.kind, "object") &&
			!strings.HasPrefix(r.kind, "union") {
			continue
		}
		n++
		body, path := r.good.body(), r.at(&r.good)
		unknown := `{"basalt_unknown":1}`
		_, _, err := decodeField(edit(t, body, path, &unknown), r.good.place == "stream")
		if err == nil || !strings.HasPrefix(err.Field, path) {
			t.Errorf("an unknown member of %s: %v", r.path, err)
		}
	}
	if n < 30 {
		t.Errorf("only %d objects were looked at", n)
	}
}

const docsFile = "../../docs/bedrock.md"

// TestDocsListTheFields holds that the table in the manual is the table that the tests walk;
// -update writes it.
func TestDocsListTheFields(t *testing.T) {
	data, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- fields of Converse -->\n", "<!-- end of fields -->\n"
	head, rest, ok := strings.Cut(string(data), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the marks of the table are missing")
	}
	var table strings.Builder
	table.WriteString("| field | type and limits | |\n|---|---|---|\n")
	for _, r := range readFields(t, "testdata/converse.fields") {
		note := r.does
		if r.note != "" {
			note += ": " + r.note
		}
		table.WriteString("| `" + r.path + "` | " + r.kind + " | " + note + " |\n")
	}
	want := head + begin + table.String() + end + tail
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error("the table is not that of testdata/converse.fields (go test -update): ", diff)
	}
}
