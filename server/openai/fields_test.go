package openai

import (
	"strings"
	"testing"

	"basalt/internal/fields"
	"basalt/server/api"
)

// over puts members over those of a whole body.
func over(whole map[string]string, members string) string {
	v, err := api.ParseJSON([]byte(members))
	if err != nil || !v.IsObject() {
		return members
	}
	var list []string
	for _, name := range []string{"model", "messages", "prompt", "input", "stream"} {
		if json, ok := whole[name]; ok && !v.Object().Has(name) {
			list = append(list, `"`+name+`":`+json)
		}
	}
	if own := strings.TrimSpace(members[1 : len(members)-1]); own != "" {
		list = append(list, own)
	}
	return `{` + strings.Join(list, ",") + `}`
}

// decodedField is what fields can change: the request, and what the codec writes.
type decodedField struct {
	Request        *api.Request
	Stream, Answer string
}

func decodedBy[C api.Codec](t testing.TB, req *api.Request, codec C, err *api.Error) (any, string,
	string, bool,
) {
	if err != nil {
		return nil, err.Field, err.Message, false
	}
	answer := string(codec.AppendAnswer(nil, answerOf(script())))
	return decodedField{req, render(t, codec, script()), answer}, "", "", true
}

func bodyTable(t *testing.T, file string, whole map[string]string,
	decode func(body string) (any, string, string, bool),
) *fields.Table {
	stream := map[string]string{"stream": "true"}
	for name, json := range whole {
		stream[name] = json
	}
	in := func(before, after string) func(string) string {
		return func(s string) string { return over(whole, `{`+before+s+after+`}`) }
	}
	return &fields.Table{
		Rows: fields.Read(t, "testdata/"+file, "body", "stream", "message", "content", "tool",
			"item", "part"),
		Places: map[string]func(string) string{
			"body":    func(s string) string { return over(whole, s) },
			"stream":  func(s string) string { return over(stream, s) },
			"message": in(`"messages":[`, `]`),
			"content": in(`"messages":[{"role":"user","content":[`, `]}]`),
			"tool":    in(`"tools":[`, `]`),
			"item":    in(`"input":[`, `]`),
			"part":    in(`"input":[{"role":"user","content":[`, `]}]`),
		},
		Decode: func(_, body string) (any, string, string, bool) { return decode(body) },
		Free: []string{
			"chat_template_kwargs", "metadata", "prompt_cache_options", "prediction",
			"messages[].content[].prompt_cache_breakpoint", "messages[].content[].cache_control",
			"tools[].cache_control", "tools[].function.parameters", "tools[].parameters",
			"input[].content[].prompt_cache_breakpoint",
		},
		Nulls: true,
	}
}

func chatFields(t *testing.T) *fields.Table {
	return bodyTable(t, "chat.fields",
		map[string]string{"model": `"m"`, "messages": `[{"role":"user","content":"Hi"}]`},
		func(body string) (any, string, string, bool) {
			req, codec, err := DecodeChat([]byte(body), Call{ID: "x"})
			return decodedBy(t, req, codec, err)
		})
}

func completionFields(t *testing.T) *fields.Table {
	return bodyTable(t, "completion.fields",
		map[string]string{"model": `"m"`, "prompt": `"Hi"`},
		func(body string) (any, string, string, bool) {
			req, codec, err := DecodeCompletion([]byte(body), Call{ID: "x"})
			return decodedBy(t, req, codec, err)
		})
}

func responseFields(t *testing.T) *fields.Table {
	return bodyTable(t, "response.fields",
		map[string]string{"model": `"m"`, "input": `"Hi"`},
		func(body string) (any, string, string, bool) {
			req, codec, err := DecodeResponse([]byte(body), Call{ID: "x"})
			return decodedBy(t, req, codec, err)
		})
}

func TestEveryFieldIsActedOnOrRefused(t *testing.T) {
	for name, table := range map[string]func(*testing.T) *fields.Table{
		"chat": chatFields, "completion": completionFields, "response": responseFields,
	} {
		t.Run(name, func(t *testing.T) { table(t).Check(t) })
	}
}

func TestDocsListTheFields(t *testing.T) {
	f := func(name string, table *fields.Table) {
		fields.CheckDocs(t, "../../docs/openai.md", name, table.Rows, *update)
	}
	f("chat completions", chatFields(t))
	f("completions", completionFields(t))
	f("responses", responseFields(t))
}
