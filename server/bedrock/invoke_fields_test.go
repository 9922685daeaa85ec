package bedrock

import (
	"encoding/json"
	"testing"

	"basalt/internal/fields"
	"basalt/server/api"
)

// fieldTables are the tables of all bodies but Converse's, by the names of their files: what a body
// has beside an example's members, and its decoder.
func fieldTables() map[string]fields.Table {
	t := map[string]fields.Table{
		"apply": bodyTable(`{"source":"INPUT","content":[{"text":{"text":"a"}}]}`,
			func(body string) (any, *api.Error) { return DecodeApply([]byte(body)) }),
		"count": bodyTable(`{}`, func(body string) (any, *api.Error) {
			return DecodeCount([]byte(body), Call{Model: "m"}, ownFamilies())
		}),
	}
	for _, f := range ownFamilies() {
		least := `{"` + f.Keys[0] + `":"a"}`
		if f.Name == "nova" {
			least = `{` + hiMessages + `}`
		}
		t[f.Name] = bodyTable(least, func(body string) (any, *api.Error) {
			req, codec, err := f.Decode([]byte(body), Call{Model: "m"})
			if err != nil {
				return nil, err
			}
			a := &api.Answer{Choices: []api.Choice{{Reason: api.FinishLength}}}
			return decodedField{req, string(codec.AppendAnswer(nil, a))}, nil
		})
	}
	return t
}

// bodyTable adds the members that a body must have to examples that lack them, but for those that
// stand alone: there a member is missing.
func bodyTable(least string, decode func(string) (any, *api.Error)) fields.Table {
	return fields.Table{
		Places: map[string]func(string) string{
			"alone": func(members string) string { return members },
			"body":  func(members string) string { return joined(members, least) },
		},
		Decode: func(_, body string) (state any, field, message string, ok bool) {
			state, err := decode(body)
			if err != nil {
				return nil, err.Field, err.Message, false
			}
			return state, "", "", true
		},
	}
}

func joined(members, least string) string {
	all := map[string]json.RawMessage{}
	for _, s := range []string{least, members} {
		if err := json.Unmarshal([]byte(s), &all); err != nil {
			panic("BUG: " + s)
		}
	}
	body, err := json.Marshal(all)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return string(body)
}

func TestEveryFieldOfABodyIsActedOnOrRefused(t *testing.T) {
	titles := map[string]string{"apply": "ApplyGuardrail", "count": "CountTokens"}
	for _, f := range ownFamilies() {
		titles[f.Name] = f.Title
	}
	for name, table := range fieldTables() {
		t.Run(name, func(t *testing.T) {
			table.Rows = fields.Read(t, "testdata/"+name+".fields", "alone", "body")
			table.Free = []string{
				"tools[].parameter_definitions", "tool_results[].call.parameters",
			}
			table.Check(t)
			fields.CheckDocs(t, "../../docs/bedrock.md", titles[name], table.Rows, *update)
		})
	}
}
