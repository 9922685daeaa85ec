package openai

import "basalt/server/api"

// Response writes the answers of the Responses API. It implements api.Codec.
type Response struct {
	id     string
	head   []byte // of the object, up to its status
	tail   []byte // what repeats the request, each member after a comma
	seq    int    // number of the next event
	items  [][]byte
	open   api.EventKind // of the item that is being written
	isOpen bool
	text   []byte // of the open item
	callID string
	name   string
}

func newResponse(o *api.Object, req *api.Request, call Call) *Response {
	head := api.AppendString([]byte(`{"id":`), "resp_"+call.ID)
	head = api.AppendInt(append(head, `,"object":"response","created_at":`...), int(call.Created))
	head = api.AppendString(append(head, `,"model":`...), req.Model)
	var tail []byte
	for _, f := range [][2]string{
		{"instructions", "null"},
		{"max_output_tokens", "null"},
		{"temperature", "null"},
		{"top_p", "null"},
		{"tool_choice", `"auto"`},
		{"tools", "[]"},
		{"metadata", "{}"},
		{"reasoning", `{"effort":null,"summary":null}`},
		{"text", `{"format":{"type":"text"}}`},
		{"user", "null"},
	} {
		tail = append(append(append(tail, `,"`...), f[0]...), `":`...)
		if v, ok := o.NotNull(f[0]); ok {
			tail = append(tail, v.Raw()...)
		} else {
			tail = append(tail, f[1]...)
		}
	}
	many := "true"
	if req.OneTool {
		many = "false"
	}
	tail = append(append(tail, `,"parallel_tool_calls":`...), many...)
	tail = append(tail, `,"previous_response_id":null,"store":false,"truncation":"disabled",`+
		`"background":false`...)
	return &Response{id: call.ID, head: head, tail: tail}
}

// begin appends an event up to the members after its number.
func (c *Response) begin(dst []byte, event string) []byte {
	dst = append(append(dst, "event: "...), event...)
	dst = append(append(append(dst, "\ndata: {\"type\":\""...), event...),
		`","sequence_number":`...)
	c.seq++
	return api.AppendInt(dst, c.seq-1)
}

func endEvent(dst []byte) []byte { return append(dst, "}\n\n"...) }

// AppendEvent implements api.Codec.
func (c *Response) AppendEvent(dst []byte, e *api.Event) []byte {
	switch e.Kind {
	case api.Start:
		for _, event := range []string{"response.created", "response.in_progress"} {
			dst = append(c.begin(dst, event), `,"response":`...)
			dst = endEvent(c.object(dst, "in_progress", api.FinishNone, nil))
		}
	case api.TextDelta:
		return c.delta(dst, e, api.TextDelta, "response.output_text.delta")
	case api.ReasoningDelta:
		return c.delta(dst, e, api.ReasoningDelta, "response.reasoning_text.delta")
	case api.ToolStart:
		dst = c.closeItem(dst, "completed")
		c.callID, c.name = e.ToolID, e.ToolName
		return c.openItem(dst, api.ToolDelta)
	case api.ToolDelta:
		return c.delta(dst, e, api.ToolDelta, "response.function_call_arguments.delta")
	case api.ToolStop:
		return c.closeItem(dst, "completed")
	case api.Finish:
		dst = c.closeItem(dst, itemStatus(e.Reason))
		status := responseStatus(e.Reason)
		dst = append(c.begin(dst, "response."+status), `,"response":`...)
		return endEvent(c.object(dst, status, e.Reason, &e.Usage))
	default: // End: the last event is out
	}
	return dst
}

func responseStatus(r api.FinishReason) string {
	if r == api.FinishLength || r == api.FinishContext || r == api.FinishGuard {
		return "incomplete"
	}
	return "completed"
}

func itemStatus(r api.FinishReason) string { return responseStatus(r) }

// object appends the response as it is now.
func (c *Response) object(dst []byte, status string, r api.FinishReason, u *api.Usage) []byte {
	dst = append(append(dst, c.head...), `,"status":"`...)
	dst = append(append(dst, status...), `","error":null,"incomplete_details":`...)
	switch {
	case status != "incomplete":
		dst = append(dst, "null"...)
	case r == api.FinishGuard:
		dst = append(dst, `{"reason":"content_filter"}`...)
	default:
		dst = append(dst, `{"reason":"max_output_tokens"}`...)
	}
	dst = append(dst, `,"output":[`...)
	for i := range c.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c.items[i]...)
	}
	dst = append(append(append(dst, ']'), c.tail...), `,"usage":`...)
	if u == nil {
		return append(dst, "null}"...)
	}
	return append(appendResponseUsage(dst, u), '}')
}

func appendResponseUsage(dst []byte, u *api.Usage) []byte {
	dst = api.AppendInt(append(dst, `{"input_tokens":`...), u.Input)
	dst = api.AppendInt(append(dst, `,"input_tokens_details":{"cached_tokens":`...), u.CacheRead)
	dst = api.AppendInt(append(dst, `},"output_tokens":`...), u.Output)
	dst = append(dst, `,"output_tokens_details":{"reasoning_tokens":`...)
	dst = api.AppendInt(dst, u.Reasoning)
	return append(api.AppendInt(append(dst, `},"total_tokens":`...), u.Total()), '}')
}

// itemID names the item that is being written.
func (c *Response) itemID(dst []byte) []byte {
	prefix := map[api.EventKind]string{
		api.TextDelta: "msg_", api.ReasoningDelta: "rs_", api.ToolDelta: "fc_",
	}[c.open]
	id := string(api.AppendInt([]byte(prefix+c.id+"_"), len(c.items)))
	return api.AppendString(dst, id)
}

// item appends the item that is being written.
func (c *Response) item(dst []byte, status string, text []byte) []byte {
	dst = c.itemID(append(dst, `{"id":`...))
	switch c.open {
	case api.ToolDelta:
		dst = append(append(dst, `,"type":"function_call","status":"`...), status...)
		dst = api.AppendString(append(dst, `","call_id":`...), c.callID)
		dst = api.AppendString(append(dst, `,"name":`...), c.name)
		return append(api.AppendString(append(dst, `,"arguments":`...), text), '}')
	case api.ReasoningDelta:
		dst = append(append(dst, `,"type":"reasoning","status":"`...), status...)
		dst = append(dst, `","summary":[],"content":[`...)
	default:
		dst = append(append(dst, `,"type":"message","status":"`...), status...)
		dst = append(dst, `","role":"assistant","content":[`...)
	}
	if text != nil {
		dst = c.part(dst, text)
	}
	return append(dst, `]}`...)
}

func (c *Response) part(dst, text []byte) []byte {
	if c.open == api.ReasoningDelta {
		return append(api.AppendString(append(dst, `{"type":"reasoning_text","text":`...), text),
			'}')
	}
	dst = api.AppendString(append(dst, `{"type":"output_text","text":`...), text)
	return append(dst, `,"annotations":[],"logprobs":[]}`...)
}

// place appends where an event of the open item belongs.
func (c *Response) place(dst []byte, part bool) []byte {
	dst = c.itemID(append(dst, `,"item_id":`...))
	dst = api.AppendInt(append(dst, `,"output_index":`...), len(c.items))
	if part {
		dst = append(dst, `,"content_index":0`...)
	}
	return dst
}

func (c *Response) openItem(dst []byte, kind api.EventKind) []byte {
	c.isOpen, c.open, c.text = true, kind, c.text[:0]
	dst = append(c.begin(dst, "response.output_item.added"), `,"output_index":`...)
	dst = append(api.AppendInt(dst, len(c.items)), `,"item":`...)
	dst = endEvent(c.item(dst, "in_progress", nil))
	if kind == api.ToolDelta {
		return dst
	}
	dst = c.place(c.begin(dst, "response.content_part.added"), true)
	return endEvent(c.part(append(dst, `,"part":`...), nil))
}

func (c *Response) delta(dst []byte, e *api.Event, kind api.EventKind, event string) []byte {
	if c.isOpen && c.open != kind {
		dst = c.closeItem(dst, "completed")
	}
	if !c.isOpen {
		dst = c.openItem(dst, kind)
	}
	c.text = append(c.text, e.Text...)
	dst = c.place(c.begin(dst, event), kind != api.ToolDelta)
	dst = api.AppendString(append(dst, `,"delta":`...), e.Text)
	if kind == api.TextDelta {
		dst = append(dst, `,"logprobs":[]`...)
	}
	return endEvent(dst)
}

func (c *Response) closeItem(dst []byte, status string) []byte {
	if !c.isOpen {
		return dst
	}
	switch c.open {
	case api.ToolDelta:
		dst = c.place(c.begin(dst, "response.function_call_arguments.done"), false)
		dst = api.AppendString(append(dst, `,"name":`...), c.name)
		dst = endEvent(api.AppendString(append(dst, `,"arguments":`...), c.text))
	case api.ReasoningDelta:
		dst = c.place(c.begin(dst, "response.reasoning_text.done"), true)
		dst = endEvent(api.AppendString(append(dst, `,"text":`...), c.text))
	default:
		dst = c.place(c.begin(dst, "response.output_text.done"), true)
		dst = api.AppendString(append(dst, `,"text":`...), c.text)
		dst = endEvent(append(dst, `,"logprobs":[]`...))
	}
	if c.open != api.ToolDelta {
		dst = c.place(c.begin(dst, "response.content_part.done"), true)
		dst = endEvent(c.part(append(dst, `,"part":`...), c.text))
	}
	item := c.item(nil, status, c.text)
	dst = append(c.begin(dst, "response.output_item.done"), `,"output_index":`...)
	dst = append(api.AppendInt(dst, len(c.items)), `,"item":`...)
	dst = endEvent(append(dst, item...))
	c.items = append(c.items, item)
	c.isOpen = false
	return dst
}

// AppendError implements api.Codec.
func (c *Response) AppendError(dst []byte, err *api.Error) []byte {
	_, code := kind(err.Code)
	dst = append(c.begin(dst, "error"), `,"code":`...)
	dst = appendOrNull(dst, code)
	dst = api.AppendString(append(dst, `,"message":`...), err.Message)
	return endEvent(appendOrNull(append(dst, `,"param":`...), err.Field))
}

// AppendAnswer implements api.Codec.
func (c *Response) AppendAnswer(dst []byte, a *api.Answer) []byte {
	choice := &a.Choices[0]
	for i := range choice.Content {
		b := &choice.Content[i]
		c.open = api.TextDelta
		text := []byte(b.Text)
		switch b.Kind {
		case api.BlockToolUse:
			c.open, c.callID, c.name, text = api.ToolDelta, b.ToolID, b.ToolName, b.Input
		case api.BlockReasoning:
			c.open = api.ReasoningDelta
		default: // text
		}
		status := "completed"
		if i == len(choice.Content)-1 {
			status = itemStatus(choice.Reason)
		}
		if text == nil {
			text = []byte{}
		}
		c.items = append(c.items, c.item(nil, status, text))
	}
	return c.object(dst, responseStatus(choice.Reason), choice.Reason, &a.Usage)
}
