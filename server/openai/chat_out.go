package openai

import "basalt/server/api"

// Chat writes the answers of chat completions. It implements api.Codec.
type Chat struct {
	frame    frame
	head     []byte // of every chunk, up to the choice's index
	whole    []byte // of an answer that is not streamed
	usage    bool   // the client asked for usage in the stream
	logprobs bool
	tools    []int // tool calls begun, by choice
}

// NewChat makes the codec of one request.
func NewChat(req *api.Request, call Call, includeUsage bool) *Chat {
	c := &Chat{
		frame: serverSent(), usage: includeUsage, logprobs: req.Sampling.Logprobs.Set,
		tools: make([]int, max(1, req.NumChoices)),
	}
	id := "chatcmpl-" + call.ID
	c.head = appendHead(nil, id, "chat.completion.chunk", call.Created, req.Model)
	c.whole = appendHead(nil, id, "chat.completion", call.Created, req.Model)
	return c
}

// Bare makes c write documents with a newline each instead of the frames of server-sent events, for
// protocols with frames of their own. It returns c.
func (c *Chat) Bare() *Chat {
	c.frame = frame{after: "\n"}
	return c
}

// AppendEvent implements api.Codec.
func (c *Chat) AppendEvent(dst []byte, e *api.Event) []byte {
	switch e.Kind {
	case api.Start:
		dst = append(c.begin(dst, e), `"role":"assistant","content":""`...)
	case api.TextDelta:
		dst = append(c.begin(dst, e), `"content":`...)
		dst = api.AppendString(dst, e.Text)
	case api.ReasoningDelta:
		dst = append(c.begin(dst, e), `"reasoning_content":`...)
		dst = api.AppendString(dst, e.Text)
	case api.ToolStart:
		c.tools[e.Choice]++
		dst = appendToolStart(c.begin(dst, e), c.tools[e.Choice]-1, e)
	case api.ToolDelta:
		dst = append(c.begin(dst, e), `"tool_calls":[{"index":`...)
		dst = api.AppendInt(dst, c.tools[e.Choice]-1)
		dst = append(dst, `,"function":{"arguments":`...)
		dst = append(api.AppendString(dst, e.Text), `}}]`...)
	case api.Finish:
		dst = c.begin(dst, e)
	case api.End:
		return c.end(dst, e)
	default:
		return dst
	}
	return c.close(dst, e)
}

// begin appends a chunk up to the fields of its delta.
func (c *Chat) begin(dst []byte, e *api.Event) []byte {
	dst = append(dst, c.frame.before...)
	dst = append(dst, c.head...)
	dst = append(dst, `{"index":`...)
	dst = api.AppendInt(dst, e.Choice)
	return append(dst, `,"delta":{`...)
}

func (c *Chat) close(dst []byte, e *api.Event) []byte {
	dst = append(dst, `},`...)
	dst = appendChatLogprobs(dst, e.Logprobs, c.logprobs && len(e.Logprobs) > 0)
	dst = append(dst, `,"finish_reason":`...)
	dst = append(dst, finishReason(e.Reason)...)
	dst = append(dst, `}]`...)
	if c.usage {
		dst = append(dst, `,"usage":null`...)
	}
	dst = append(dst, '}')
	return append(dst, c.frame.after...)
}

func appendToolStart(dst []byte, index int, e *api.Event) []byte {
	dst = append(dst, `"tool_calls":[{"index":`...)
	dst = api.AppendInt(dst, index)
	dst = append(dst, `,"id":`...)
	dst = api.AppendString(dst, e.ToolID)
	dst = append(dst, `,"type":"function","function":{"name":`...)
	dst = api.AppendString(dst, e.ToolName)
	return append(dst, `,"arguments":""}}]`...)
}

func (c *Chat) end(dst []byte, e *api.Event) []byte {
	if c.usage {
		dst = append(dst, c.frame.before...)
		dst = append(dst, c.head...)
		dst = append(dst, `],`...)
		dst = append(appendUsage(dst, e.Usage), '}')
		dst = append(dst, c.frame.after...)
	}
	return append(dst, c.frame.last...)
}

// AppendError implements api.Codec.
func (c *Chat) AppendError(dst []byte, err *api.Error) []byte {
	return c.frame.appendError(dst, err)
}

func (f frame) appendError(dst []byte, err *api.Error) []byte {
	dst = append(dst, f.before...)
	dst = AppendError(dst, err)
	dst = append(dst, f.after...)
	return append(dst, f.last...)
}

// AppendAnswer implements api.Codec.
func (c *Chat) AppendAnswer(dst []byte, a *api.Answer) []byte {
	dst = append(dst, c.whole...)
	for i := range a.Choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"index":`...)
		dst = api.AppendInt(dst, i)
		dst = append(dst, `,"message":`...)
		dst = appendMessage(dst, &a.Choices[i])
		dst = append(dst, ',')
		dst = appendChatLogprobs(dst, a.Choices[i].Logprobs, c.logprobs)
		dst = append(dst, `,"finish_reason":`...)
		dst = append(dst, finishReason(a.Choices[i].Reason)...)
		dst = append(dst, '}')
	}
	dst = append(dst, `],`...)
	return append(appendUsage(dst, a.Usage), '}')
}

func appendMessage(dst []byte, c *api.Choice) []byte {
	dst = append(dst, `{"role":"assistant","content":`...)
	calls, reasoning := 0, ""
	for i := range c.Content {
		switch c.Content[i].Kind {
		case api.BlockToolUse:
			calls++
		case api.BlockReasoning:
			reasoning += c.Content[i].Text
		default: // text is joined below
		}
	}
	if text := c.Text(); text != "" || calls == 0 {
		dst = api.AppendString(dst, text)
	} else {
		dst = append(dst, "null"...)
	}
	if reasoning != "" {
		dst = append(dst, `,"reasoning_content":`...)
		dst = api.AppendString(dst, reasoning)
	}
	if calls > 0 {
		dst = appendToolCalls(dst, c.Content)
	}
	return append(dst, `,"refusal":null}`...)
}

func appendToolCalls(dst []byte, blocks []api.Block) []byte {
	dst = append(dst, `,"tool_calls":[`...)
	first := true
	for i := range blocks {
		b := &blocks[i]
		if b.Kind != api.BlockToolUse {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, `{"id":`...)
		dst = api.AppendString(dst, b.ToolID)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = api.AppendString(dst, b.ToolName)
		dst = append(dst, `,"arguments":`...)
		dst = api.AppendString(dst, b.Input)
		dst = append(dst, `}}`...)
	}
	return append(dst, ']')
}
