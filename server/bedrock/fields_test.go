package bedrock

import (
	"strings"
	"testing"

	"basalt/internal/fields"
	"basalt/server/api"
)

const hiMessages = `"messages":[{"role":"user","content":[{"text":"Hi"}]}]`

// inBody puts members into a body; those that bring messages are one already.
func inBody(members string) string {
	if strings.HasPrefix(members, `{"messages"`) {
		return members
	}
	return `{` + hiMessages + `,` + members[1:]
}

// decodedField is what fields can change: the request, and what the codec writes.
type decodedField struct {
	Request *api.Request
	Answer  string
}

func decodeField(place, body string) (state any, field, message string, ok bool) {
	call := Call{Model: "m", Stream: place == "stream"}
	req, codec, err := DecodeConverse([]byte(body), call)
	if err != nil {
		if name, status := Exception(err); name != "ValidationException" || status != 400 {
			return nil, err.Field, name, false
		}
		return nil, err.Field, err.Message, false
	}
	a := &api.Answer{Choices: []api.Choice{{Reason: api.FinishStopString, StopString: "s"}}}
	return decodedField{req, string(codec.AppendAnswer(nil, a))}, "", "", true
}

func converseFields(t *testing.T) *fields.Table {
	return &fields.Table{
		Rows: fields.Read(t, "testdata/converse.fields", "body", "stream", "content", "system",
			"tool"),
		Places: map[string]func(string) string{
			"body": inBody, "stream": inBody,
			"content": inContent,
			"system":  func(s string) string { return `{` + hiMessages + `,"system":[` + s + `]}` },
			"tool": func(s string) string {
				return `{` + hiMessages + `,"toolConfig":{"tools":[` + s + `]}}`
			},
		},
		Decode: decodeField,
		List:   "content[]",
		Free: []string{
			"toolConfig.tools[].toolSpec.inputSchema.json", "requestMetadata",
			"additionalModelRequestFields.chat_template_kwargs",
		},
	}
}

func TestEveryFieldIsActedOnOrRefused(t *testing.T) { converseFields(t).Check(t) }

func TestDocsListTheFields(t *testing.T) {
	fields.CheckDocs(t, "../../docs/bedrock.md", "Converse", converseFields(t).Rows, *update)
}
