package openai

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"basalt/server/api"
)

func chatBody(fields string) string {
	if fields != "" {
		fields = "," + fields
	}
	return `{"model":"m","messages":[{"role":"user","content":"Hi"}]` + fields + `}`
}

func textBody(fields string) string {
	if fields != "" {
		fields = "," + fields
	}
	return `{"model":"m","prompt":"Hi"` + fields + `}`
}

func text(s string) api.Block { return api.Block{Kind: api.BlockText, Text: s} }

func TestDecodeChatReadsMessages(t *testing.T) {
	f := func(message string, want api.Message) {
		t.Helper()
		req, _, err := DecodeChat([]byte(`{"model":"m","messages":[`+message+`]}`), Call{})
		if err != nil {
			t.Errorf("%s: %v", message, err)
			return
		}
		if diff := cmp.Diff(want, req.Messages[0]); diff != "" {
			t.Errorf("%s: %s", message, diff)
		}
	}
	f(`{"role":"user","content":"a","name":"bob"}`,
		api.Message{Role: "user", Name: "bob", Content: []api.Block{text("a")}})
	f(`{"role":"developer","content":"a"}`, api.Message{
		Role:    "system",
		Content: []api.Block{text("a")},
	})
	f(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`,
		api.Message{Role: "user", Content: []api.Block{text("a"), text("b")}})
	f(`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function",
		"function":{"name":"f","arguments":"{\"x\":1}"}}]}`,
		api.Message{Role: "assistant", Content: []api.Block{{
			Kind: api.BlockToolUse, ToolID: "c",
			ToolName: "f", Input: []byte(`{"x":1}`),
		}}})
	f(`{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f",
		"arguments":"{broken"}}]}`,
		api.Message{Role: "assistant", Content: []api.Block{{
			Kind: api.BlockToolUse, ToolID: "c",
			ToolName: "f", Input: []byte(`"{broken"`),
		}}})
	f(`{"role":"assistant","reasoning_content":"hm","content":"a"}`, api.Message{
		Role:    "assistant",
		Content: []api.Block{{Kind: api.BlockReasoning, Text: "hm"}, text("a")},
	})
	f(`{"role":"tool","tool_call_id":"c","content":"42"}`, api.Message{
		Role: "tool",
		Content: []api.Block{{
			Kind: api.BlockToolResult, ToolID: "c",
			Content: []api.Block{text("42")},
		}},
	})
	f(`{"role":"user","content":[{"type":"image_url",
		"image_url":{"url":"data:image/png;base64,AQI="}}]}`,
		api.Message{Role: "user", Content: []api.Block{{
			Kind: api.BlockImage, Format: "png",
			Data: []byte("AQI="),
		}}})
}

func TestDecodeChatReadsEverything(t *testing.T) {
	body := chatBody(`"temperature":0.5,"top_p":0.25,"top_k":-1,"min_p":0.1,"n":2,"seed":-5,
		"repetition_penalty":1.5,"presence_penalty":-2,"frequency_penalty":2,"max_tokens":5,
		"max_completion_tokens":9,"ignore_eos":true,"stop_token_ids":[3],"logit_bias":{"7":-100},
		"stop":["a","b"],"stream":true,"stream_options":{"include_usage":true},"logprobs":true,
		"top_logprobs":3,"tools":[{"type":"function","function":{"name":"f","description":"d",
		"parameters":{"type":"object"},"strict":false}}],"tool_choice":"required",
		"reasoning_effort":"low","chat_template_kwargs":{"enable_thinking":false},
		"response_format":{"type":"text"},"user":"u","store":false`)
	req, _, err := DecodeChat([]byte(body), Call{})
	if err != nil {
		t.Fatal(err)
	}
	seed := int64(-5)
	want := &api.Request{
		Operation: "ChatCompletions", Model: "m", NumChoices: 2, Stream: true,
		Messages: []api.Message{{Role: "user", Content: []api.Block{text("Hi")}}},
		Tools: []api.Tool{{
			Name: "f", Description: "d", Schema: []byte(`{"type":"object"}`),
		}},
		ToolChoice: api.ToolChoice{Mode: api.ToolRequired},
		Stop:       []string{"a", "b"},
		Sampling: api.Sampling{
			Temperature: api.Some(0.5), TopP: api.Some(0.25), TopK: api.Some(-1),
			MinP:              api.Some(0.1),
			RepetitionPenalty: api.Some(1.5), PresencePenalty: api.Some(-2.0),
			FrequencyPenalty: api.Some(2.0), Seed: api.Some(uint64(seed)), MaxTokens: api.Some(9),
			MaxTokensField: "max_completion_tokens", IgnoreEOS: true, StopIDs: []int32{3},
			LogitBias: []api.LogitBias{{ID: 7, Bias: -100}}, Logprobs: api.Some(3),
		},
		TemplateArgs: map[string][]byte{
			"reasoning_effort": []byte(`"low"`),
			"enable_thinking":  []byte("false"),
		},
		Metadata: [][2]string{{"user", "u"}},
	}
	if diff := cmp.Diff(want, req); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeCompletionReadsPrompts(t *testing.T) {
	f := func(prompt string, want ...api.Prompt) {
		t.Helper()
		req, _, err := DecodeCompletion([]byte(`{"model":"m","prompt":`+prompt+`}`), Call{})
		if err != nil {
			t.Errorf("%s: %v", prompt, err)
			return
		}
		if diff := cmp.Diff(want, req.Prompts); diff != "" {
			t.Errorf("%s: %s", prompt, diff)
		}
		if req.Sampling.MaxTokens.Value != 16 {
			t.Errorf("the limit is %d tokens, not 16", req.Sampling.MaxTokens.Value)
		}
	}
	f(`"a"`, api.Prompt{Text: "a"})
	f(`["a","b"]`, api.Prompt{Text: "a"}, api.Prompt{Text: "b"})
	f(`[1,2]`, api.Prompt{Tokens: []int32{1, 2}})
	f(`[[1],[2,3]]`, api.Prompt{Tokens: []int32{1}}, api.Prompt{Tokens: []int32{2, 3}})
}

func TestDecodeRefuses(t *testing.T) {
	check := func(what string, err *api.Error, field, reason string) {
		t.Helper()
		switch {
		case err == nil:
			t.Errorf("%s was accepted", what)
		case err.Field != field || !strings.Contains(err.Message, reason) || Status(err) != 400:
			t.Errorf("%s: field %q: %s; want %q, %q", what, err.Field, err.Message, field, reason)
		}
	}
	f := func(body, field, reason string) {
		t.Helper()
		_, _, err := DecodeChat([]byte(body), Call{})
		check(body, err, field, reason)
	}
	f(`no json`, "", "not valid JSON")
	f(`{}`, "model", "is required")
	f(`{"model":""}`, "model", "must not be empty")
	f(`{"model":"m"}`, "messages", "is required")
	f(`{"model":"m","messages":[]}`, "messages", "1 to 65536")
	f(`{"model":"m","messages":[{"content":"a"}]}`, "messages[0].role", "is required")
	f(`{"model":"m","messages":[{"role":"function","content":"a"}]}`, "messages[0].role", "one of")
	f(`{"model":"m","messages":[{"role":"user"}]}`, "messages[0].content", "is required")
	f(`{"model":"m","messages":[{"role":"user","content":null}]}`, "messages[0].content",
		"string or an array")
	f(`{"model":"m","messages":[{"role":"user","content":[{"text":"a"}]}]}`,
		"messages[0].content[0].type", "is required")
	f(`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url",
		"image_url":{"url":"http://169.254.169.254/"}}]}]}`, "messages[0].content[0].image_url",
		"not fetched")
	f(`{"model":"m","messages":[{"role":"tool","content":"a"}]}`, "messages[0].tool_call_id",
		"required")
	f(chatBody(`"model":"x"`), "", "duplicate key")
	f(chatBody(`"stop":1`), "stop", "string or an array")
	f(chatBody(`"stop":[""]`), "stop[0]", "1 to 1024 bytes")
	f(chatBody(`"stop":["a",1]`), "stop[1]", "must be a string")
	f(chatBody(`"stream":"yes"`), "stream", "true or false")
	f(chatBody(`"stream_options":{}`), "stream_options", "only allowed with stream")
	f(chatBody(`"top_logprobs":2`), "top_logprobs", "needs logprobs")
	f(chatBody(`"logit_bias":{"x":1}`), "logit_bias", "token ids")
	f(chatBody(`"logit_bias":{"-1":1}`), "logit_bias", "token ids")
	f(chatBody(`"logit_bias":{"1":101}`), "logit_bias.1", "between -100 and 100")
	f(chatBody(`"response_format":{"type":"json_object"}`), "response_format.type", "not supported")
	f(chatBody(`"chat_template":"{{ x }}"`), "chat_template", "not supported")
	f(chatBody(`"guided_json":{}`), "guided_json", "not supported")
	f(chatBody(`"tool_choice":"required"`), "tool_choice", "no tools")
	f(chatBody(`"tool_choice":{"type":"function","function":{"name":"f"}}`), "tool_choice",
		"not in tools")
	f(chatBody(`"tools":[{"type":"function","function":{"name":"a b"}}]`),
		"tools[0].function.name", "letters")
	g := func(body, field, reason string) {
		t.Helper()
		_, _, err := DecodeCompletion([]byte(body), Call{})
		check(body, err, field, reason)
	}
	g(`{"model":"m"}`, "prompt", "is required")
	g(`{"model":"m","prompt":1}`, "prompt", "must be a string")
	g(`{"model":"m","prompt":[]}`, "prompt", "1 to 128 prompts")
	g(`{"model":"m","prompt":["a",1]}`, "prompt[1]", "must be a string")
	g(`{"model":"m","prompt":[1,"a"]}`, "prompt[1]", "whole number")
	g(`{"model":"m","prompt":[[1],[]]}`, "prompt[1]", "must not be empty")
	g(`{"model":"m","prompt":[-1]}`, "prompt[0]", "between 0")
	g(textBody(`"echo":true`), "echo", "not supported")
	g(textBody(`"suffix":"x"`), "suffix", "not supported")
	g(textBody(`"best_of":2`), "best_of", "must equal n")
	g(`{"model":"m","prompt":["a","b","c"],"n":50}`, "", "150 choices")
}

// numbers are values that some field must refuse; null stands for a field that is left out.
var numbers = []string{
	"-1", "0", "1e308", "-1e308", "2147483648", "9223372036854775808", "1.5",
	`"1"`,
	"true", "[]", "{}", "1e999",
}

func TestNumericFieldsRefuseWhatTheyMust(t *testing.T) {
	f := func(field, accepted string, body func(string) string) {
		t.Helper()
		decode := func(number string) *api.Error {
			b := []byte(body(fmt.Sprintf("%q:%s", field, number)))
			if _, _, err := DecodeChat(b, Call{}); strings.Contains(string(b), `"messages"`) {
				return err
			}
			_, _, err := DecodeCompletion(b, Call{})
			return err
		}
		ok := map[string]bool{}
		for _, a := range strings.Fields("null " + accepted) {
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
	for _, body := range []func(string) string{chatBody, textBody} {
		f("temperature", "0 1 1.5 2", body)
		f("top_p", "0 0.5 1", body)
		f("top_k", "-1 0 1 2147483647", body)
		f("min_p", "0 1", body)
		f("repetition_penalty", "1 1.5 100", body)
		f("presence_penalty", "-2 -1 0 1.5 2", body)
		f("frequency_penalty", "-2 -1 0 1.5 2", body)
		f("n", "1 128", body)
		f("max_tokens", "1 2147483647", body)
		f("seed", "-1 0 2147483648 -9223372036854775808", body)
	}
	f("max_completion_tokens", "1 2147483647", chatBody)
	f("top_logprobs", "0", chatBody)
	f("logprobs", "0 1 20", textBody)
}

func FuzzDecodeChat(f *testing.F) {
	f.Add([]byte(chatBody(`"n":2,"stop":"x","logprobs":true,"tools":[{"function":{"name":"f"}}]`)))
	f.Add([]byte(`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c",
		"function":{"name":"f"}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, codec, err := DecodeChat(body, Call{ID: "x"})
		if err != nil {
			if err.Message == "" {
				t.Fatal("an error without a message")
			}
			return
		}
		if len(req.Messages) == 0 || req.NumChoices < 1 || req.NumChoices > maxChoices {
			t.Fatalf("accepted %d messages, %d choices", len(req.Messages), req.NumChoices)
		}
		render(t, codec, script())
	})
}

func FuzzDecodeCompletion(f *testing.F) {
	f.Add([]byte(textBody(`"n":2,"stop":["x"],"logprobs":3`)))
	f.Add([]byte(`{"model":"m","prompt":[[1,2],[3]]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, codec, err := DecodeCompletion(body, Call{ID: "x"})
		if err != nil {
			return
		}
		if n := len(req.Prompts) * req.NumChoices; n < 1 || n > maxChoices {
			t.Fatalf("accepted %d choices", n)
		}
		render(t, codec, script())
	})
}
