package jinja

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"
)

// FuzzRender compiles and renders any text: it must end, within the limits, with text or an *Error
// that has a line, and twice with the same result.
func FuzzRender(f *testing.F) {
	vars, goldens := readGoldens(f)
	for _, g := range goldens {
		f.Add(g.Source)
	}
	for _, a := range hostile() {
		if len(a.source) < 1000 {
			f.Add(a.source)
		}
	}
	limits := Limits{Steps: 20_000, Bytes: 1 << 20, Output: 1 << 16}
	f.Fuzz(func(t *testing.T, source string) {
		p, err := Compile(source)
		if err != nil {
			checkFuzzError(t, err)
			return
		}
		got, err := p.Render(vars, testEnv(), limits)
		if err != nil {
			checkFuzzError(t, err)
		}
		if len(got) > limits.Output {
			t.Errorf("%d bytes of output", len(got))
		}
		again, err2 := p.Render(vars, testEnv(), limits)
		if got != again || (err == nil) != (err2 == nil) {
			t.Errorf("two renders differ: %q %v, %q %v", got, err, again, err2)
		}
	})
}

func checkFuzzError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Line < 1 || e.Msg == "" && e.Kind != RaisedError {
		t.Errorf("error %#v", err)
	}
}

// FuzzDecodeJSON agrees with encoding/json about what is JSON, and writes back what it read.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{
		`{"a": [1, 2.5, -0, 1e400, "x\u00e9\ud83d\ude00\ud800", null, ` +
			`true]}`, `[1,]`, `{"a":1,"a":2}`,
		`"\x"`, `01`, `-`, `1.`, `[[[]]]`, "\"\x01\"", `123456789012345678901234567890`, `nul`,
		` [ ] `,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := DecodeJSON(text)
		if !utf8.Valid(text) {
			if err == nil {
				t.Error("accepts bad UTF-8")
			}
			return
		}
		if err != nil {
			if json.Valid(text) && len(text) < maxDataDepth {
				t.Errorf("refuses %q: %v", text, err)
			}
			return
		}
		if !json.Valid(text) {
			t.Errorf("accepts %q", text)
		}
		in := &interp{limits: testLimits(), steps: 1 << 30, bytes: 1 << 30}
		out, err := filterToJSON(in, v, args{})
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeJSON([]byte(out.(string)))
		if err != nil {
			return // an infinity, which JSON does not have
		}
		if same, err := in.equal(v, back); err != nil || !same {
			t.Errorf("%q comes back as %q", text, out)
		}
	})
}
