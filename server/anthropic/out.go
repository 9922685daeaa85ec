package anthropic

import "basalt/server/api"

// Messages writes the answers of the Messages API. It implements api.Codec.
type Messages struct {
	head   []byte // of the message, up to its content
	events bool   // server-sent events; else documents with a newline each
	block  int    // index of the open or next content block
	open   api.EventKind
	isOpen bool
}

func newMessages(req *api.Request, call Call) *Messages {
	head := api.AppendString([]byte(`{"id":`), "msg_"+call.ID)
	head = append(head, `,"type":"message","role":"assistant","model":`...)
	head = api.AppendString(head, req.Model)
	return &Messages{head: append(head, `,"content":[`...), events: true}
}

// Bare makes c write documents with a newline each instead of server-sent events, for protocols
// with frames of their own. It returns c.
func (c *Messages) Bare() *Messages {
	c.events = false
	return c
}

// begin appends an event up to the members after its type.
func (c *Messages) begin(dst []byte, event string) []byte {
	if c.events {
		dst = append(append(dst, "event: "...), event...)
		dst = append(dst, "\ndata: "...)
	}
	return append(append(append(dst, `{"type":"`...), event...), '"')
}

func (c *Messages) end(dst []byte) []byte {
	if c.events {
		return append(dst, "}\n\n"...)
	}
	return append(dst, "}\n"...)
}

// AppendEvent implements api.Codec.
func (c *Messages) AppendEvent(dst []byte, e *api.Event) []byte {
	switch e.Kind {
	case api.Start:
		dst = append(c.begin(dst, "message_start"), `,"message":`...)
		dst = append(append(dst, c.head...), `],"stop_reason":null,"stop_sequence":null,`...)
		return c.end(append(appendUsage(dst, e.Usage), '}'))
	case api.TextDelta:
		return c.delta(dst, e, `"type":"text_delta","text":`, `"type":"text","text":""`)
	case api.ReasoningDelta:
		return c.delta(dst, e, `"type":"thinking_delta","thinking":`,
			`"type":"thinking","thinking":"","signature":""`)
	case api.ToolStart:
		dst = c.closeBlock(dst)
		dst = append(c.openBlock(dst, api.ToolDelta), `"type":"tool_use","id":`...)
		dst = append(api.AppendString(dst, e.ToolID), `,"name":`...)
		return c.end(append(api.AppendString(dst, e.ToolName), `,"input":{}}`...))
	case api.ToolDelta:
		return c.delta(dst, e, `"type":"input_json_delta","partial_json":`, "")
	case api.ToolStop:
		return c.closeBlock(dst)
	case api.Finish:
		dst = c.begin(c.closeBlock(dst), "message_delta")
		dst = append(dst, `,"delta":{`...)
		dst = append(appendStop(dst, e.Reason, e.StopString), `},`...)
		return c.end(appendUsage(dst, e.Usage))
	case api.End:
		return c.end(c.begin(dst, "message_stop"))
	}
	return dst
}

// openBlock appends the start of a content block up to its members.
func (c *Messages) openBlock(dst []byte, kind api.EventKind) []byte {
	c.isOpen, c.open = true, kind
	dst = append(c.begin(dst, "content_block_start"), `,"index":`...)
	return append(api.AppendInt(dst, c.block), `,"content_block":{`...)
}

// delta appends a delta, opening a block of its kind first where none is open.
func (c *Messages) delta(dst []byte, e *api.Event, before, block string) []byte {
	if c.isOpen && c.open != e.Kind {
		dst = c.closeBlock(dst)
	}
	if !c.isOpen {
		dst = append(c.openBlock(dst, e.Kind), block...)
		dst = c.end(append(dst, '}'))
	}
	dst = append(c.begin(dst, "content_block_delta"), `,"index":`...)
	dst = append(api.AppendInt(dst, c.block), `,"delta":{`...)
	dst = append(dst, before...)
	return c.end(append(api.AppendString(dst, e.Text), '}'))
}

func (c *Messages) closeBlock(dst []byte) []byte {
	if !c.isOpen {
		return dst
	}
	c.isOpen = false
	dst = append(c.begin(dst, "content_block_stop"), `,"index":`...)
	dst = api.AppendInt(dst, c.block)
	c.block++
	return c.end(dst)
}

func appendStop(dst []byte, r api.FinishReason, stop string) []byte {
	dst = append(append(dst, `"stop_reason":"`...), stopReason(r)...)
	dst = append(dst, `","stop_sequence":`...)
	if r == api.FinishStopString {
		return api.AppendString(dst, stop)
	}
	return append(dst, "null"...)
}

func stopReason(r api.FinishReason) string {
	switch r {
	case api.FinishStopString:
		return "stop_sequence"
	case api.FinishToolUse, api.FinishBadTool:
		return "tool_use"
	case api.FinishLength:
		return "max_tokens"
	case api.FinishContext:
		return "model_context_window_exceeded"
	case api.FinishGuard:
		return "refusal"
	default:
		return "end_turn"
	}
}

// appendUsage appends the usage. Tokens read from the cache are told beside the others.
func appendUsage(dst []byte, u api.Usage) []byte {
	dst = append(dst, `"usage":{"input_tokens":`...)
	dst = api.AppendInt(dst, u.Input-u.CacheRead-u.CacheWrite)
	dst = append(dst, `,"cache_creation_input_tokens":`...)
	dst = api.AppendInt(dst, u.CacheWrite)
	dst = append(dst, `,"cache_read_input_tokens":`...)
	dst = api.AppendInt(dst, u.CacheRead)
	dst = append(dst, `,"output_tokens":`...)
	return append(api.AppendInt(dst, u.Output), '}')
}

// AppendError implements api.Codec.
func (c *Messages) AppendError(dst []byte, err *api.Error) []byte {
	if c.events {
		dst = append(dst, "event: error\ndata: "...)
	}
	return append(AppendError(dst, err, ""), "\n\n"...)
}

// AppendAnswer implements api.Codec.
func (c *Messages) AppendAnswer(dst []byte, a *api.Answer) []byte {
	choice := &a.Choices[0]
	dst = append(dst, c.head...)
	for i := range choice.Content {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendBlockOut(dst, &choice.Content[i])
	}
	dst = appendStop(append(dst, `],`...), choice.Reason, choice.StopString)
	return append(appendUsage(append(dst, ','), a.Usage), '}')
}

func appendBlockOut(dst []byte, b *api.Block) []byte {
	switch b.Kind {
	case api.BlockToolUse:
		dst = append(api.AppendString(append(dst, `{"type":"tool_use","id":`...), b.ToolID),
			`,"name":`...)
		dst = append(api.AppendString(dst, b.ToolName), `,"input":`...)
		return append(appendInput(dst, b.Input), '}')
	case api.BlockReasoning:
		dst = append(dst, `{"type":"thinking","thinking":`...)
		return append(api.AppendString(dst, b.Text), `,"signature":""}`...)
	default:
		dst = append(dst, `{"type":"text","text":`...)
		return append(api.AppendString(dst, b.Text), '}')
	}
}

// appendInput appends arguments as JSON; what the model wrote badly travels as a string.
func appendInput(dst, input []byte) []byte {
	if len(input) == 0 {
		return append(dst, `{}`...)
	}
	if v, err := api.ParseJSON(input); err != nil || !v.IsObject() {
		return append(api.AppendString(append(dst, `{"INVALID_JSON":`...), input), '}')
	}
	return append(dst, input...)
}
