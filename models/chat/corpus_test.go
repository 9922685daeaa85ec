package chat

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"basalt/models/chat/jinja"
)

// corpusDir holds published templates and what Python renders for them; see its README.
const corpusDir = "../../../shared/data/templates"

type rendering struct {
	OK  *string `json:"ok"`
	Err string  `json:"err"`
}

func corpus(t testing.TB) (conversations *jinja.Dict, want map[string]map[string]rendering) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(corpusDir, "conversations.json"))
	if os.IsNotExist(err) {
		t.Skipf("published templates are absent: no %s", corpusDir)
	}
	v, err := jinja.DecodeJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	expected, err := os.ReadFile(filepath.Join(corpusDir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(expected, &want); err != nil {
		t.Fatal(err)
	}
	return v.(*jinja.Dict), want
}

func corpusTemplate(t testing.TB, name string) *Template {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(corpusDir, name))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 5, 9, 8, 7, 0, time.UTC)
	tmpl, err := Parse(string(source), Options{
		BOS: "<s>", EOS: "</s>",
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return tmpl
}

func keys[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// TestPublishedTemplates compares every pair of template and conversation with Python.
func TestPublishedTemplates(t *testing.T) {
	conversations, want := corpus(t)
	for _, name := range keys(want) {
		tmpl := corpusTemplate(t, name)
		same, refused, wrong := 0, 0, 0
		for _, conv := range keys(want[name]) {
			vars, _ := conversations.Get(conv)
			got, err := tmpl.render(vars.(*jinja.Dict), inputSize{})
			w := want[name][conv]
			switch {
			case w.OK != nil && err == nil && got == *w.OK:
				same++
			case w.OK == nil && err != nil:
				refused++
				checkRefusal(t, name+" "+conv, w.Err, err)
			default:
				wrong++
				t.Errorf("%s %s: error %v, Python error %q\n%s", name, conv, err, w.Err,
					firstDifference(got, w.OK))
			}
		}
		t.Logf("%-70s identical %2d, refused alike %d, wrong %d", name, same, refused, wrong)
	}
}

func checkRefusal(t *testing.T, what, python string, err error) {
	t.Helper()
	kind, msg, _ := strings.Cut(python, ": ")
	var raised *RaisedError
	ok := errors.As(err, &raised)
	if ok != (kind == "TemplateError") {
		t.Errorf("%s: %v where Python says %s", what, err, python)
	} else if ok && raised.Message != msg {
		t.Errorf("%s: raised %q, want %q", what, raised.Message, msg)
	}
}

func firstDifference(got string, want *string) string {
	if want == nil {
		return "got " + got
	}
	i := 0
	for i < len(got) && i < len(*want) && got[i] == (*want)[i] {
		i++
	}
	return "got  ..." + clip(got, i) + "\nwant ..." + clip(*want, i)
}

func clip(s string, at int) string {
	return strings.ReplaceAll(s[max(0, at-60):min(len(s), at+80)], "\n", "\\n")
}
