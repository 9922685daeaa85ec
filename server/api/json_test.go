package api

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, body string) Value {
	t.Helper()
	v, err := ParseJSON([]byte(body))
	if err != nil {
		t.Fatalf("cannot parse %q: %v", body, err)
	}
	return v
}

func TestParseJSONReadsValues(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		v := parse(t, body)
		if got := string(v.Raw()); got != want {
			t.Errorf("%q reads as %q, want %q", body, got, want)
		}
	}
	f(`null`, `null`)
	f(` true `, `true`)
	f("\n-0.5e+10\t", `-0.5e+10`)
	f(`"a\n\u00e9"`, `"a\n\u00e9"`)
	f(`[]`, `[]`)
	f(`[1, [2], {"a": 3}]`, `[1, [2], {"a": 3}]`)
	f(`{"a":{"b":[{}]}}`, `{"a":{"b":[{}]}}`)
}

func TestParseJSONRefuses(t *testing.T) {
	f := func(body, reason string) {
		t.Helper()
		_, err := ParseJSON([]byte(body))
		if err == nil {
			t.Errorf("%q was read", body)
		} else if !strings.Contains(err.Message, reason) {
			t.Errorf("%q: %s; want %q", body, err.Message, reason)
		}
	}
	f("", "empty")
	f(" \n", "empty")
	f("{", "expected a key")
	f("[", "unexpected end")
	f(`{"a"`, "colon")
	f(`{"a":1,}`, "key")
	f(`{a:1}`, "key")
	f(`[1,]`, "unexpected character")
	f(`[1 2]`, "comma")
	f(`01`, "text after")
	f(`1.`, "broken number")
	f(`-`, "broken number")
	f(`1e`, "broken number")
	f(`+1`, "unexpected character")
	f(`NaN`, "unexpected character")
	f(`tru`, "unexpected character")
	f(`"a`, "unexpected end")
	f("\"a\nb\"", "control character")
	f(`"\x"`, "unknown escape")
	f(`"\u12g4"`, `broken \u`)
	f(`"\u12`, `broken \u`)
	f(`{} {}`, "text after")
	f(`{"a":1,"a":2}`, `duplicate key "a"`)
	f(`{"a":1,"\u0061":2}`, `duplicate key "a"`)
	f(`{"x":{"b":1,"c":2,"b":3}}`, `duplicate key "b"`)
	f("{\"a\":\"\xff\"}", "not valid UTF-8 at byte 6")
	f(strings.Repeat("[", 101)+strings.Repeat("]", 101), "levels")
	f(strings.Repeat("[", 10_000_000), "levels")
	f("["+strings.Repeat("0,", MaxJSONValues)+"0]", "values")
	many := make([]string, 40)
	for i := range many {
		many[i] = `"k` + strings.Repeat("x", i) + `":0`
	}
	f("{"+strings.Join(many, ",")+`,"kxx":1}`, `duplicate key "kxx"`)
}

func TestParseJSONTakesTheDeepestAllowed(t *testing.T) {
	parse(t, strings.Repeat("[", 100)+strings.Repeat("]", 100))
}

func TestStrResolvesEscapes(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		if got := parse(t, body).Str(); got != want {
			t.Errorf("%s is %q, want %q", body, got, want)
		}
	}
	f(`"plain é"`, "plain é")
	f(`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t")
	f(`"\u00e9\u4e2d"`, "é中")
	f(`"\ud83d\ude00"`, "😀")
	f(`"\ud83d"`, "\uFFFD")
	f(`"\ud83dx"`, "\uFFFDx")
	f(`"\ud83d\n"`, "\uFFFD\n")
	f(`"\ude00\ud83d\ude00"`, "\uFFFD😀")
}

func TestFieldsOfTheWrongKindAreNamed(t *testing.T) {
	f := func(body, path, reason string, read func(o *Object)) {
		t.Helper()
		v := parse(t, body)
		read(v.Object())
		err := v.Err()
		if err == nil {
			t.Errorf("%s was accepted", body)
		} else if err.Field != path || !strings.Contains(err.Message, reason) {
			t.Errorf("%s: field %q, %s; want %q, %q", body, err.Field, err.Message, path, reason)
		}
	}
	f(`{"a":"x"}`, "a", "must be a number", func(o *Object) { o.Float("a", 0, 1) })
	f(`{"a":1.5}`, "a", "must be between 0 and 1, not 1.5", func(o *Object) { o.Float("a", 0, 1) })
	f(`{"a":1e999}`, "a", "must be between", func(o *Object) { o.Float("a", 0, 1) })
	f(`{"a":null}`, "a", "not null", func(o *Object) { o.Float("a", 0, 1) })
	f(`{"a":1.5}`, "a", "whole number", func(o *Object) { o.Int("a", 0, 9) })
	f(`{"a":1e308}`, "a", "whole number", func(o *Object) { o.Int("a", 0, 9) })
	f(`{"a":10}`, "a", "between 0 and 9, not 10", func(o *Object) { o.Int("a", 0, 9) })
	f(`{"a":99999999999999999999}`, "a", "not 9999", func(o *Object) { o.Int("a", 0, 9) })
	f(`{"a":1}`, "a", "must be a string", func(o *Object) { o.String("a") })
	f(`{"a":1}`, "a", "true or false", func(o *Object) { o.Bool("a") })
	f(`{"a":"z"}`, "a", `one of "x", "y"`, func(o *Object) { o.OneOf("a", "x", "y") })
	f(`{}`, "a", "is required", func(o *Object) { o.NeedString("a") })
	f(`{"A":"x"}`, "a", "is required", func(o *Object) { o.NeedString("a") })
	f(`{"a":{"b":[0,{"c":true}]}}`, "a.b[1].c", "must be a string", func(o *Object) {
		a, _ := o.Get("a")
		b, _ := a.Object().Get("b")
		for i, e := range b.Elements() {
			if i == 1 {
				e.Object().String("c")
			}
		}
	})
	f(`{"a":{"b":[]}}`, "a.x", "is required", func(o *Object) {
		a, _ := o.Get("a")
		a.Object().Need("x")
	})
	f(`{"s":"secret"}`, "s", "not a string", func(o *Object) { o.Float("s", 0, 1) })
}

func TestIntTakesWholeFloats(t *testing.T) {
	v := parse(t, `{"a":3.0,"b":1e2,"c":-7}`)
	o := v.Object()
	got := []int{o.Int("a", 0, 9).Value, o.Int("b", 0, 100).Value, o.Int("c", -9, 9).Value}
	if diff := cmp.Diff([]int{3, 100, -7}, got); diff != "" || v.Err() != nil {
		t.Errorf("%v %s", v.Err(), diff)
	}
}

func TestUnreadFieldsAreKnown(t *testing.T) {
	o := parse(t, `{"a":1,"b":2,"c":3}`).Object()
	o.Get("b")
	var names []string
	for name := range o.Unread() {
		names = append(names, name)
	}
	if diff := cmp.Diff([]string{"a", "c"}, names); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5e3,"x\u00e9",null,true]}`, `"\ud83d\ude00"`, `[[[]]]`,
		`{"a":1}`,
		`{"messages":[{"role":"user","content":"hi"}],"n":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ParseJSON(data)
		if err != nil {
			return
		}
		var want any
		if e := json.Unmarshal(data, &want); e != nil {
			t.Fatalf("%q was read; encoding/json: %v", data, e)
		}
		var got any
		if e := json.Unmarshal(v.Raw(), &got); e != nil {
			t.Fatalf("%q: raw text is broken: %v", data, e)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if s, ok := want.(string); ok && v.Str() != s {
			t.Fatalf("%q is %q, want %q", data, v.Str(), s)
		}
		visit(v, func(v Value) { _ = v.Path() })
		if v.Err() != nil {
			t.Fatal(v.Err())
		}
	})
}

// visit calls f with every value of a document.
func visit(v Value, f func(Value)) {
	f(v)
	switch {
	case v.IsArray():
		for _, e := range v.Elements() {
			visit(e, f)
		}
	case v.IsObject():
		for _, e := range v.Object().Fields() {
			visit(e, f)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\x1f\"\\\n\xff é 😀 \u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(AppendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		want := strings.ToValidUTF8(s, "\uFFFD")
		if utf8.ValidString(s) && got != s || strings.ReplaceAll(got, "\uFFFD", "") !=
			strings.ReplaceAll(want, "\uFFFD", "") {
			t.Fatalf("%q came back as %q", s, got)
		}
	})
}
