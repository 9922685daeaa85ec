package load

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
)

// converse is Bedrock's ConverseStream. Bedrock's APIs cannot ask for answers of a certain length,
// so that a model may end early.
func converse() dialect {
	return dialect{
		path: func(model string) string {
			return "/model/" + url.PathEscape(model) + "/converse-stream"
		},
		body:  converseBody,
		split: splitFrames,
		read:  readConverse,
	}
}

// invoke is Bedrock's InvokeModelWithResponseStream with the body of Meta's Llama models.
func invoke() dialect {
	return dialect{
		path: func(model string) string {
			return "/model/" + url.PathEscape(model) + "/invoke-with-response-stream"
		},
		body:  invokeBody,
		split: splitFrames,
		read:  readInvoke,
	}
}

func converseBody(o *Options, r *Request, past []Message) ([]byte, error) {
	type block struct {
		Text string `json:"text"`
	}
	type message struct {
		Role    string  `json:"role"`
		Content []block `json:"content"`
	}
	var messages []message
	for _, m := range r.conversation(past) {
		messages = append(messages, message{m.Role, []block{{m.Content}}})
	}
	body := map[string]any{
		"messages":        messages,
		"inferenceConfig": map[string]any{"maxTokens": r.OutputLen, "temperature": o.Temperature},
	}
	if len(r.Tools) > 0 {
		tools := make([]any, 0, len(r.Tools))
		for _, t := range r.Tools {
			tools = append(tools, map[string]any{"toolSpec": map[string]any{
				"name": t.Name, "description": t.Description,
				"inputSchema": map[string]any{"json": t.Schema},
			}})
		}
		body["toolConfig"] = map[string]any{"tools": tools}
	}
	return o.encode(body)
}

func invokeBody(o *Options, r *Request, past []Message) ([]byte, error) {
	prompt := r.Text
	if len(r.Messages)+len(past) > 0 {
		prompt = transcript(append(past[:len(past):len(past)], r.Messages...))
	}
	return o.encode(map[string]any{
		"prompt": prompt, "max_gen_len": r.OutputLen, "temperature": o.Temperature,
	})
}

func readConverse(frame []byte) (chunk, error) {
	message, event, payload, err := frameParts(frame)
	if err != nil {
		return chunk{}, err
	}
	if string(message) != "event" {
		return chunk{}, fmt.Errorf("%s %s: %.200s", message, event, payload)
	}
	var c chunk
	switch string(event) {
	case "contentBlockDelta":
		c.token = true
		c.text = find(find(payload, "delta"), "text")
	case "metadata":
		usage := find(payload, "usage")
		c.input, c.output = number(find(usage, "inputTokens")), number(find(usage, "outputTokens"))
		c.cached = number(find(usage, "cacheReadInputTokens"))
		c.end = true
	}
	return c, nil
}

func readInvoke(frame []byte) (chunk, error) {
	message, event, payload, err := frameParts(frame)
	if err != nil {
		return chunk{}, err
	}
	if string(message) != "event" {
		return chunk{}, fmt.Errorf("%s %s: %.200s", message, event, payload)
	}
	inner, err := base64.StdEncoding.DecodeString(unquoted(find(payload, "bytes")))
	if err != nil {
		return chunk{}, fmt.Errorf("cannot read a frame's payload: %w", err)
	}
	var c chunk
	for f := object(inner); f.next(); {
		switch string(f.key) {
		case "generation":
			c.text = f.value
			c.token = !empty(f.value)
		case "prompt_token_count":
			c.input = number(f.value)
		case "generation_token_count":
			c.output = number(f.value)
		case "stop_reason":
			c.end = !isNull(f.value)
		case "amazon-bedrock-invocationMetrics":
			c.input = number(find(f.value, "inputTokenCount"))
			c.output = number(find(f.value, "outputTokenCount"))
		}
	}
	return c, nil
}

// Tool is a function that a model may call.
type Tool struct {
	Name, Description string
	Schema            json.RawMessage
}
