package anthropic

import (
	"flag"
	"testing"

	"basalt/internal/fields"
	"basalt/server/api"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata and the manual")

const hi = `"messages":[{"role":"user","content":"Hi"}]`

func decodeField(place, body string) (state any, field, message string, ok bool) {
	call := Call{ID: "1"}
	if place == "bedrock" {
		call.Model = "m"
	}
	req, codec, err := DecodeMessages([]byte(body), call)
	if err != nil {
		return nil, err.Field, err.Message, false
	}
	return [2]any{req, string(codec.head)}, "", "", true
}

// inBody puts members over those of a whole body.
func inBody(members string) string {
	body := `{`
	for _, m := range []struct{ name, json string }{
		{"model", `"model":"m"`}, {"max_tokens", `"max_tokens":1`}, {"messages", hi},
	} {
		v, err := api.ParseJSON([]byte(members))
		if err != nil {
			return members
		}
		if !v.Object().Has(m.name) {
			body += m.json + ","
		}
	}
	return body + members[1:]
}

func messagesFields(t *testing.T) *fields.Table {
	return &fields.Table{
		Rows: fields.Read(t, "testdata/messages.fields", "body", "bare", "bedrock", "content",
			"tool"),
		Places: map[string]func(string) string{
			"body": inBody,
			"bare": func(s string) string { return s },
			"bedrock": func(s string) string {
				return `{"max_tokens":1,` + hi + `,` + s[1:]
			},
			"content": func(s string) string {
				return `{"model":"m","max_tokens":1,"messages":[{"role":"user",` +
					`"content":[` + s + `]}]}`
			},
			"tool": func(s string) string { return inBody(`{"tools":[` + s + `]}`) },
		},
		Decode: decodeField,
		List:   "tools[]",
		Free:   []string{"messages[].content[].input", "tools[].input_schema"},
		Nulls:  true,
	}
}

func TestEveryFieldIsActedOnOrRefused(t *testing.T) { messagesFields(t).Check(t) }

func TestDocsListTheFields(t *testing.T) {
	fields.CheckDocs(t, "../../docs/bedrock.md", "Messages", messagesFields(t).Rows, *update)
}

func FuzzDecodeMessages(f *testing.F) {
	f.Add([]byte(inBody(`{"stream":true}`)))
	f.Add([]byte(inBody(`{"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"}}`)))
	f.Add([]byte(`{"model":"m","max_tokens":3,"system":[{"type":"text","text":"s"}],"messages":[
		{"role":"assistant","content":[{"type":"tool_use","id":"i","name":"n","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, codec, err := DecodeMessages(body, Call{ID: "1"})
		if err != nil {
			if err.Message == "" {
				t.Fatal("an error without a message")
			}
			return
		}
		if len(req.Messages) == 0 || req.Sampling.MaxTokens.Value < 1 {
			t.Fatal("accepted", req)
		}
		render(t, codec, script())
		if _, err := DecodeCount(body, Call{ID: "1"}); err == nil && req.Sampling.MaxTokens.Set {
			t.Fatal("max_tokens was counted")
		}
	})
}
