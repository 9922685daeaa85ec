package bedrock

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"basalt/server/api"
)

func converseBody(fields string) string {
	if fields != "" {
		fields = "," + fields
	}
	return `{"messages":[{"role":"user","content":[{"text":"Hi"}]}]` + fields + `}`
}

func TestDecodeConverseReadsContent(t *testing.T) {
	f := func(content string, want ...api.Block) {
		t.Helper()
		body := `{"messages":[{"role":"user","content":[` + content + `]}]}`
		req, _, err := DecodeConverse([]byte(body), Call{Model: "m"})
		if err != nil {
			t.Errorf("%s: %v", content, err)
			return
		}
		if diff := cmp.Diff(want, req.Messages[0].Content); diff != "" {
			t.Errorf("%s: %s", content, diff)
		}
	}
	text := func(s string) api.Block { return api.Block{Kind: api.BlockText, Text: s} }
	f(`{"text":"a"},{"text":"b"}`, text("a"), text("b"))
	f(`{"text":"a"},{"cachePoint":{"type":"default","ttl":"1h"}}`, text("a"))
	f(`{"toolUse":{"toolUseId":"t_1.:-","name":"f","input":{"x":[1, 2]}}}`, api.Block{
		Kind: api.BlockToolUse, ToolID: "t_1.:-", ToolName: "f", Input: []byte(`{"x":[1, 2]}`),
	})
	f(`{"toolResult":{"toolUseId":"t","status":"error","content":[{"text":"no"},
		{"json":{"a":1}}]}}`,
		api.Block{
			Kind: api.BlockToolResult, ToolID: "t", IsError: true,
			Content: []api.Block{text("no"), text(`{"a":1}`)},
		})
	f(`{"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}},{"text":"a"}`,
		api.Block{Kind: api.BlockReasoning, Text: "hm"}, text("a"))
	f(`{"reasoningContent":{"redactedContent":"AAAA"}},{"text":"a"}`, text("a"))
	f(`{"image":{"format":"png","source":{"bytes":"AQI="}}}`, api.Block{
		Kind:   api.BlockImage,
		Format: "png", Data: []byte{1, 2},
	})
	f(`{"document":{"format":"md","name":"notes","source":{"bytes":"IyBBCg=="}}},{"text":"?"}`,
		text("Document notes:\n# A\n\n"), text("?"))
	f(`{"document":{"name":"n","source":{"text":"T"},"context":"C"}},{"text":"?"}`,
		text("Document n:\nC\nT\n"), text("?"))
	f(`{"searchResult":{"source":"s","title":"T","content":[{"text":"a"},{"text":"b"}]}}`,
		text("Search result T (s):\na\nb\n"))
	f(`{"citationsContent":{"content":[{"text":"a"}],"citations":[{"title":"t"}]}}`, text("a"))
	f(`{"guardContent":{"text":{"text":"g","qualifiers":["guard_content"]}}}`,
		api.Block{Kind: api.BlockText, Text: "g", Guard: true})
}

func TestDecodeConverseReadsEverything(t *testing.T) {
	body := `{"messages":[{"role":"user","content":[{"text":"Hi"}]}],
	"system":[{"text":"Be brief."},{"cachePoint":{"type":"default"}}],
	"inferenceConfig":{"maxTokens":7,"temperature":0.5,"topP":0,"stopSequences":["END","\n"]},
	"toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d",
		"inputSchema":{"json":{"type":"object"}},
		"strict":false}},{"cachePoint":{"type":"default"}}],"toolChoice":{"tool":{"name":"f"}}},
	"additionalModelRequestFields":{"top_k":5,"min_p":0.1,"seed":-1,"repetition_penalty":1.1,
		"presence_penalty":-2,"frequency_penalty":2,"thinking":{"type":"disabled"},
		"chat_template_kwargs":{"x":[1]}},
	"requestMetadata":{"team":"a"}}`
	req, _, err := DecodeConverse([]byte(body), Call{Model: "m", Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	seed := int64(-1)
	want := &api.Request{
		Operation: "ConverseStream", Model: "m", NumChoices: 1, Stream: true,
		Messages: []api.Message{
			{Role: "system", Content: []api.Block{{Text: "Be brief."}}},
			{Role: "user", Content: []api.Block{{Text: "Hi"}}},
		},
		Tools: []api.Tool{{
			Name: "f", Description: "d", Schema: []byte(`{"type":"object"}`),
		}},
		ToolChoice: api.ToolChoice{Mode: api.ToolNamed, Name: "f"},
		Sampling: api.Sampling{
			MaxTokens: api.Some(7), MaxTokensField: "inferenceConfig.maxTokens",
			Temperature: api.Some(0.5), TopP: api.Some(0.0), TopK: api.Some(5), MinP: api.Some(0.1),
			Seed: api.Some(uint64(seed)), RepetitionPenalty: api.Some(1.1),
			PresencePenalty: api.Some(-2.0), FrequencyPenalty: api.Some(2.0),
		},
		Stop: []string{"END", "\n"},
		TemplateArgs: map[string][]byte{
			"enable_thinking": []byte("false"),
			"x":               []byte("[1]"),
		},
		Metadata: [][2]string{{"team", "a"}},
	}
	if diff := cmp.Diff(want, req); diff != "" {
		t.Error(diff)
	}
}

// refusal is a check of one body that must be refused.
func refusal(t *testing.T) func(body, field, reason string) {
	return func(body, field, reason string) {
		t.Helper()
		_, _, err := DecodeConverse([]byte(body), Call{Model: "m"})
		if err == nil {
			t.Errorf("%s was accepted", body)
			return
		}
		if err.Field != field || !strings.Contains(err.Message, reason) {
			t.Errorf("%s: field %q: %s; want %q, %q", body, err.Field, err.Message, field, reason)
		}
		if name, status := Exception(err); name != "ValidationException" || status != 400 {
			t.Errorf("%s: %s %d", body, name, status)
		}
	}
}

func inContent(s string) string {
	return `{"messages":[{"role":"user","content":[` + s + `]}]}`
}

func TestDecodeConverseRefuses(t *testing.T) {
	f := refusal(t)
	content := inContent
	f(``, "", "empty")
	f(`[]`, "", "must be an object")
	f(`{}`, "messages", "is required")
	f(`{"messages":[]}`, "messages", "1 to 65536 messages, not 0")
	f(`{"messages":{}}`, "messages", "must be an array")
	f(`{"messages":[{"content":[{"text":"a"}]}]}`, "messages[0].role", "is required")
	f(`{"messages":[{"role":"tool","content":[{"text":"a"}]}]}`, "messages[0].role", "one of")
	f(`{"messages":[{"role":"user"}]}`, "messages[0].content", "is required")
	f(`{"messages":[{"role":"user","content":"hi"}]}`, "messages[0].content", "must be an array")
	f(`{"messages":[{"role":"user","content":[]}]}`, "messages[0].content", "not be empty")
	f(content(`{}`), "messages[0].content[0]", "exactly one member, not 0")
	f(content(`{"text":"a","image":{}}`), "messages[0].content[0]", "exactly one member, not 2")
	f(content(`{"text":""}`), "messages[0].content[0].text", "must not be empty")
	f(content(`{"video":{}}`), "messages[0].content[0].video", "not supported")
	f(content(`{"image":{"format":"bmp","source":{"bytes":""}}}`),
		"messages[0].content[0].image.format",
		"one of")
	f(content(`{"image":{"format":"png","source":{"bytes":"?"}}}`),
		"messages[0].content[0].image.source.bytes", "base64")
	f(content(`{"image":{"format":"png","source":{"s3Location":{"bucketOwner":"123456789012"}}}}`),
		"messages[0].content[0].image.source.s3Location.uri", "required")
	f(content(`{"image":{"format":"png","source":{"s3Location":{"uri":"s3://b/k","bytes":"AQ"}}}}`),
		"messages[0].content[0].image.source.s3Location.bytes", "not supported")
	f(content(`{"document":{"format":"pdf","name":"n","source":{"bytes":""}}}`),
		"messages[0].content[0].document.format", "is not read here")
	f(content(`{"toolUse":{"toolUseId":"a b","name":"f","input":{}}}`),
		"messages[0].content[0].toolUse.toolUseId", "1 to 64")
	f(content(`{"toolResult":{"toolUseId":"a"}}`), "messages[0].content[0].toolResult.content",
		"required")
}

func TestDecodeConverseRefusesFields(t *testing.T) {
	f := refusal(t)
	content := inContent
	f(converseBody(`"unknown":1`), "unknown", "not supported")
	documents := strings.Repeat(`{"document":{"name":"n","source":{"text":"T"}}},`, 6)
	f(content(documents+`{"text":"a"}`), "messages[0].content", "6 documents; at most 5")
	f(content(`{"document":{"name":"n","source":{"text":"T"}}}`), "messages[0].content", "a text")
	f(`{"messages":[{"role":"assistant","content":[{"text":"a"},{"document":{"name":"n",
		"source":{"text":"T"}}}]}]}`, "messages[0].content[1].document", "of the user")
	f(converseBody(`"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{}}}},
		{"toolSpec":{"name":"f","inputSchema":{"json":{}}}}]}`), "toolConfig.tools[1].toolSpec",
		"repeats")
	many := make([]string, 17)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":""`, i)
	}
	f(converseBody(`"requestMetadata":{`+strings.Join(many, ",")+`}`), "requestMetadata",
		"1 to 16 entries, not 17")
	f(converseBody(`"additionalModelRequestFields":{"foo":1}`), "additionalModelRequestFields.foo",
		"not supported")
	f(converseBody(`"additionalModelResponseFieldPaths":["x"]`),
		"additionalModelResponseFieldPaths[0]",
		"JSON pointer")
	f(converseBody(`"performanceConfig":{"latency":"fast"}`), "performanceConfig.latency", "one of")
	f(converseBody(`"toolConfig":{"tools":[]}`), "toolConfig.tools", "1 to 128 tools")
	f(converseBody(`"toolConfig":{"tools":[{"toolSpec":{"name":"a b","inputSchema":{}}}]}`),
		"toolConfig.tools[0].toolSpec.name", "letters")
	f(converseBody(`"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{}}}}],`+
		`"toolChoice":{"tool":{"name":"g"}}}`), "toolConfig.toolChoice.tool",
		"not in toolConfig.tools")
	stops := strings.Repeat(`"x",`, 2500) + `"x"`
	f(converseBody(`"inferenceConfig":{"stopSequences":[`+stops+`]}`),
		"inferenceConfig.stopSequences",
		"has 2501 strings; at most 2500")
	f(converseBody(`"inferenceConfig":{"stopSequences":[""]}`), "inferenceConfig.stopSequences[0]",
		"1 to 1024 bytes")
}

// numbers are values that some field must refuse.
var numbers = []string{
	"-1", "0", "1e308", "-1e308", "2147483648", "9223372036854775808", "1.5",
	`"1"`,
	"null", "true", "[]", "{}", "1e999",
}

func TestNumericFieldsRefuseWhatTheyMust(t *testing.T) {
	f := func(field, accepted string, decode func(number string) *api.Error) {
		t.Helper()
		ok := map[string]bool{}
		for _, a := range strings.Fields(accepted) {
			ok[a] = true
			if err := decode(a); err != nil {
				t.Errorf("%s = %s was refused: %v", field, a, err)
			}
		}
		for _, n := range numbers {
			if ok[n] {
				continue
			}
			err := decode(n)
			if err == nil {
				t.Errorf("%s = %s was accepted", field, n)
			} else if err.Field != field || !strings.Contains(err.Message, field) {
				t.Errorf("%s = %s: field %q: %s", field, n, err.Field, err.Message)
			}
		}
	}
	converse := func(format string) func(string) *api.Error {
		return func(n string) *api.Error {
			_, _, err := DecodeConverse([]byte(converseBody(fmt.Sprintf(format, n))), Call{})
			return err
		}
	}
	config := func(name string) func(string) *api.Error {
		return converse(`"inferenceConfig":{"` + name + `":%s}`)
	}
	extra := func(name string) func(string) *api.Error {
		return converse(`"additionalModelRequestFields":{"` + name + `":%s}`)
	}
	llama := func(name string) func(string) *api.Error {
		return func(n string) *api.Error {
			body := []byte(`{"prompt":"a","` + name + `":` + n + `}`)
			_, _, err := DecodeInvoke(body, Call{}, []Family{Llama()})
			return err
		}
	}
	f("inferenceConfig.maxTokens", "1 2147483647", config("maxTokens"))
	f("inferenceConfig.temperature", "0 0.7 1", config("temperature"))
	f("inferenceConfig.topP", "0 0.7 1", config("topP"))
	f("additionalModelRequestFields.top_k", "0 1 50", extra("top_k"))
	f("additionalModelRequestFields.min_p", "0 1", extra("min_p"))
	f("additionalModelRequestFields.seed", "-1 0 1 2147483648 -9223372036854775808", extra("seed"))
	f("additionalModelRequestFields.repetition_penalty", "1 1.5", extra("repetition_penalty"))
	f("additionalModelRequestFields.presence_penalty", "-2 -1 0 1.5 2", extra("presence_penalty"))
	f("additionalModelRequestFields.frequency_penalty", "-2 -1 0 1.5 2", extra("frequency_penalty"))
	f("max_gen_len", "1 512", llama("max_gen_len"))
	f("temperature", "0 1", llama("temperature"))
	f("top_p", "0 1", llama("top_p"))
}

func TestDecodeInvokeRefuses(t *testing.T) {
	f := func(body, reason string) {
		t.Helper()
		_, _, err := DecodeInvoke([]byte(body), Call{Model: "m"}, []Family{Llama()})
		if err == nil || !strings.Contains(err.Message, reason) {
			t.Errorf("%s: %v; want %q", body, err, reason)
		}
	}
	f(``, "empty")
	f(`{}`, `must have "prompt" (Meta Llama)`)
	f(`"text"`, "must be an object")
	f(`{"prompt":1}`, "prompt must be a string")
	f(`{"prompt":null}`, "prompt must be a string")
	f(`{"prompt":"a","top_k":1}`, `extraneous key`)
	f(`{"prompt":"a","images":[]}`, `extraneous key`)
}

func TestErrorsAreShapedAsTheServiceDoes(t *testing.T) {
	f := func(code api.Code, field, name string, status int, member string) {
		t.Helper()
		err := &api.Error{Code: code, Field: field, Message: "why"}
		gotName, gotStatus := Exception(err)
		if gotName != name || gotStatus != status {
			t.Errorf("%d: %s %d, want %s %d", code, gotName, gotStatus, name, status)
		}
		var body struct{ Message string }
		if e := json.Unmarshal(AppendError(nil, err), &body); e != nil || body.Message == "" {
			t.Errorf("%s: %v", AppendError(nil, err), e)
		}
		frames := decodeFrames(t, appendException(nil, err))
		if len(frames) != 1 || frames[0].Kind != "exception" || frames[0].Name != member {
			t.Errorf("%v, want %s", frames, member)
		}
	}
	f(api.Invalid, "x", "ValidationException", 400, "validationException")
	f(api.ContextExceeded, "", "ValidationException", 400, "validationException")
	f(api.Unauthenticated, "", "AccessDeniedException", 403, "internalServerException")
	f(api.NotFound, "modelId", "ResourceNotFoundException", 404, "internalServerException")
	f(api.NotFound, "", "UnknownOperationException", 404, "internalServerException")
	f(api.Throttled, "", "ThrottlingException", 429, "throttlingException")
	f(api.Unavailable, "", "ServiceUnavailableException", 503, "serviceUnavailableException")
	f(api.DeviceFailed, "", "InternalServerException", 500, "modelStreamErrorException")
	f(api.ModelFailed, "", "ModelErrorException", 424, "modelStreamErrorException")
	f(api.Internal, "", "InternalServerException", 500, "internalServerException")
}

func TestOverlongPromptsAreToldInTheServicesWords(t *testing.T) {
	const want = "Input is too long for requested model."
	f := func(message string) {
		t.Helper()
		got := string(AppendError(nil, &api.Error{Code: api.ContextExceeded, Message: message}))
		if strings.Count(got, want) != 1 {
			t.Errorf("%s lacks %q", got, want)
		}
	}
	f("The prompt has 9 tokens.")
	f(want + " The prompt has 9 tokens.")
}

func FuzzDecodeConverse(f *testing.F) {
	f.Add([]byte(converseBody(`"inferenceConfig":{"maxTokens":7,"stopSequences":["a"]}`)))
	f.Add([]byte(converseBody(`"toolConfig":{"tools":[{"toolSpec":{"name":"f",
		"inputSchema":{"json":{}}}}]}`)))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"a",
		"content":[{"json":1}]}}]}],"system":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, codec, err := DecodeConverse(body, Call{Model: "m", Stream: true})
		if err != nil {
			if err.Message == "" {
				t.Fatal("an error without a message")
			}
			return
		}
		if len(req.Messages) == 0 || len(req.Stop) > maxStops {
			t.Fatalf("accepted %d messages, %d stops", len(req.Messages), len(req.Stop))
		}
		render(t, codec, script())
	})
}

func FuzzDecodeInvoke(f *testing.F) {
	f.Add([]byte(`{"prompt":"a","max_gen_len":3,"temperature":0.5,"top_p":0.9}`))
	f.Add([]byte(`{"prompt":"a","max_tokens":3,"top_k":5,"stop":["x"]}`))
	f.Add([]byte(`{"inputText":"a","textGenerationConfig":{"maxTokenCount":3,"topP":1}}`))
	f.Add([]byte(`{"message":"a","chat_history":[{"role":"USER","message":"b"}],"tools":[{
		"name":"f","parameter_definitions":{"x":{"type":"str","required":true}}}],"tool_results":[{
		"call":{"name":"f","parameters":{}},"outputs":[{"text":"t"}]}]}`))
	f.Add([]byte(`{"schemaVersion":"messages-v1","messages":[{"role":"user","content":[{"text":"a"
		}]}],"inferenceConfig":{"topK":3}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, family := range ownFamilies() {
			call := Call{Model: "m", Stream: true}
			req, codec, err := DecodeInvoke(body, call, []Family{family})
			if err != nil {
				continue
			}
			if req.Sampling.MaxTokens.Set && req.Sampling.MaxTokens.Value < 1 {
				t.Fatal("accepted", req.Sampling.MaxTokens)
			}
			if req.Kind == api.Chat && len(req.Messages) == 0 {
				t.Fatal("accepted a chat without messages")
			}
			if req.NumChoices == 1 {
				render(t, codec, script())
			}
		}
	})
}

func FuzzDecodeCount(f *testing.F) {
	f.Add([]byte(`{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"a"}]}]}}}`))
	f.Add([]byte(`{"input":{"invokeModel":{"body":"eyJwcm9tcHQiOiJhIn0="}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := DecodeCount(body, Call{Model: "m"}, ownFamilies())
		if err == nil && len(req.Messages)+len(req.Prompts) == 0 {
			t.Fatal("accepted nothing to count")
		}
	})
}

func FuzzDecodeApply(f *testing.F) {
	f.Add([]byte(`{"source":"INPUT","outputScope":"FULL",
		"content":[{"text":{"text":"a","qualifiers":["guard_content"]}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := DecodeApply(body)
		if err == nil && len(a.Texts) != len(a.Guarded) {
			t.Fatal(a)
		}
	})
}
