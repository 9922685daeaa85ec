package load

import (
	"encoding/json"
	"fmt"
)

// completions is OpenAI's /v1/completions; its prompt may be token ids.
func completions() dialect {
	return dialect{
		path:  func(string) string { return "/v1/completions" },
		body:  completionBody,
		split: splitSSE,
		read:  readCompletion,
	}
}

// chat is OpenAI's /v1/chat/completions.
func chat() dialect {
	return dialect{
		path:  func(string) string { return "/v1/chat/completions" },
		body:  chatBody,
		split: splitSSE,
		read:  readChat,
	}
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

func completionBody(o *Options, r *Request, past []Message) ([]byte, error) {
	prompt := any(r.Text)
	switch {
	case len(r.Tokens) > 0:
		prompt = r.Tokens
	case len(r.Messages)+len(past) > 0:
		prompt = transcript(append(past[:len(past):len(past)], r.Messages...))
	}
	return o.encode(map[string]any{
		"model": o.Model, "prompt": prompt, "max_tokens": r.OutputLen, "stream": true,
		"stream_options": streamOptions{IncludeUsage: true}, "temperature": o.Temperature,
		"ignore_eos": !o.StopAtEnd,
	})
}

// transcript is a conversation as plain text, for servers without a chat template.
func transcript(messages []Message) string {
	text := ""
	for _, m := range messages {
		text += m.Role + ": " + m.Content + "\n"
	}
	return text + "assistant:"
}

func chatBody(o *Options, r *Request, past []Message) ([]byte, error) {
	body := map[string]any{
		"model": o.Model, "messages": r.conversation(past), "max_tokens": r.OutputLen,
		"stream": true, "stream_options": streamOptions{IncludeUsage: true},
		"temperature": o.Temperature, "ignore_eos": !o.StopAtEnd,
	}
	if len(r.Tools) > 0 {
		tools := make([]any, 0, len(r.Tools))
		for _, t := range r.Tools {
			tools = append(tools, map[string]any{"type": "function", "function": map[string]any{
				"name": t.Name, "description": t.Description, "parameters": t.Schema,
			}})
		}
		body["tools"] = tools
	}
	return o.encode(body)
}

// encode adds the extra members that the caller asked for; null removes one of ours.
func (o *Options) encode(body map[string]any) ([]byte, error) {
	for key, value := range o.Extra {
		if body[key] = value; value == nil {
			delete(body, key)
		}
	}
	return json.Marshal(body)
}

// readCompletion reads one event. The last chunk of some servers says only why the stream ends; it
// is no token. An empty text without a reason to end is: a special token, or a part of a rune.
func readCompletion(event []byte) (chunk, error) {
	return readEvent(event, func(choice []byte) chunk {
		var c chunk
		reason := false
		for f := object(choice); f.next(); {
			switch string(f.key) {
			case "text":
				c.text = f.value
			case "finish_reason":
				reason = !isNull(f.value)
			}
		}
		c.token = !empty(c.text) || !reason
		return c
	})
}

// readChat reads one event; the first chunk of most servers says only who speaks.
func readChat(event []byte) (chunk, error) {
	return readEvent(event, func(choice []byte) chunk {
		var c chunk
		reason, role, other := false, false, false
		for f := object(choice); f.next(); {
			switch string(f.key) {
			case "finish_reason":
				reason = !isNull(f.value)
			case "delta":
				c.text, role, other = readDelta(f.value)
			}
		}
		c.token = !empty(c.text) || other || !reason && !role
		return c
	})
}

// readDelta gives the text, whether a role is named, and whether there is other output: a tool
// call, reasoning.
func readDelta(delta []byte) (text []byte, role, other bool) {
	for f := object(delta); f.next(); {
		switch string(f.key) {
		case "content":
			text = f.value
		case "role":
			role = true
		case "tool_calls", "reasoning_content", "reasoning":
			other = other || !empty(f.value)
		}
	}
	return text, role, other
}

func readEvent(event []byte, read func(choice []byte) chunk) (chunk, error) {
	if string(event) == "[DONE]" {
		return chunk{end: true}, nil
	}
	var c chunk
	f, members := object(event), 0
	for ; f.next(); members++ {
		switch string(f.key) {
		case "choices":
			if choice := firstElement(f.value); choice != nil {
				usage := c
				c = read(choice)
				c.input, c.output, c.cached = usage.input, usage.output, usage.cached
			}
		case "usage":
			c.input = number(find(f.value, "prompt_tokens"))
			c.output = number(find(f.value, "completion_tokens"))
			c.cached = number(find(find(f.value, "prompt_tokens_details"), "cached_tokens"))
		case "error":
			if !isNull(f.value) {
				return c, fmt.Errorf("error in the stream: %s", event)
			}
		}
	}
	if members == 0 {
		return c, fmt.Errorf("an event of the stream is no JSON object: %.200q", event)
	}
	return c, nil
}
