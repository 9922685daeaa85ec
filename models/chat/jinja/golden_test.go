package jinja

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// golden is what Python's Jinja2 3.1.6 made of a template; see testdata/make_goldens.py.
type golden struct {
	Source string  `json:"source"`
	Want   *string `json:"want"`
	Err    string  `json:"err"`
}

func readGoldens(t testing.TB) (vars *Dict, goldens []golden) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vars.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := DecodeJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = os.ReadFile("testdata/goldens.json"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &goldens); err != nil {
		t.Fatal(err)
	}
	return v.(*Dict), goldens
}

func testEnv() Env {
	now := time.Date(2026, 3, 4, 15, 6, 7, 89_000_000, time.UTC)
	return Env{Now: func() time.Time { return now }}
}

func testLimits() Limits { return Limits{Steps: 200_000, Bytes: 4 << 20, Output: 1 << 20} }

func render(source string, vars *Dict) (string, error) {
	p, err := Compile(source)
	if err != nil {
		return "", err
	}
	return p.Render(vars, testEnv(), testLimits())
}

func TestGoldens(t *testing.T) {
	vars, goldens := readGoldens(t)
	for _, g := range goldens {
		got, err := render(g.Source, vars)
		switch {
		case g.Want == nil && err == nil:
			t.Errorf("%s\n  gives %q; Python: %s", g.Source, got, g.Err)
		case g.Want == nil:
			checkError(t, g, err)
		case err != nil:
			t.Errorf("%s\n  %v\n  want %q", g.Source, err, *g.Want)
		case got != *g.Want:
			t.Errorf("%s\n   got %q\n  want %q", g.Source, got, *g.Want)
		}
	}
	if len(goldens) < 300 {
		t.Errorf("only %d goldens", len(goldens))
	}
}

// checkError wants Python's class of error; of undefined values and raise_exception its words too.
func checkError(t *testing.T, g golden, err error) {
	t.Helper()
	class, msg, _ := strings.Cut(g.Err, ": ")
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no error of this package", err)
	}
	want := map[string]ErrorKind{
		"TemplateError": RaisedError, "UndefinedError": UndefinedError,
		"SecurityError": SecurityError,
		"TypeError":     TypeError, "FilterArgumentError": TypeError,
		"AttributeError":      UndefinedError,
		"TemplateSyntaxError": SyntaxError, "TemplateAssertionError": SyntaxError,
		"SyntaxError":          SyntaxError,
		"TemplateRuntimeError": TypeError,
	}
	kind, ok := want[class]
	if !ok {
		kind = ValueError
	}
	same := e.Kind == kind
	if class == "TemplateRuntimeError" || class == "FilterArgumentError" {
		same = e.Kind == TypeError || e.Kind == SyntaxError || e.Kind == ValueError
	}
	if !same {
		t.Errorf("%s\n  %v\n  Python: %s", g.Source, err, g.Err)
	}
	if exact := e.Kind == RaisedError || e.Kind == SecurityError ||
		class == "UndefinedError"; exact &&
		e.Msg != strings.Replace(msg, " on line 1 ", " ", 1) {
		t.Errorf("%s\n  says %q\n  Python %q", g.Source, e.Msg, msg)
	}
	if e.Line < 1 {
		t.Errorf("%s: error without a line: %v", g.Source, err)
	}
}
