package bedrock

import "basalt/server/api"

// frames are the header blocks of a ConverseStream.
type frames struct {
	messageStart, blockStart, blockDelta, blockStop, messageStop, metadata headers
}

func converseFrames() *frames { return framesOf(eventHeaders) }

func novaFrames() *frames { return framesOf(documentHeaders) }

func framesOf(of func(event string) headers) *frames {
	return &frames{
		messageStart: of("messageStart"),
		blockStart:   of("contentBlockStart"),
		blockDelta:   of("contentBlockDelta"),
		blockStop:    of("contentBlockStop"),
		messageStop:  of("messageStop"),
		metadata:     of("metadata"),
	}
}

// Converse writes the answers of Converse and ConverseStream. It implements api.Codec.
type Converse struct {
	frames *frames
	echo   []byte // members of the answer that repeat the request
	paths  []string
	block  int // index of the open or next content block
	open   api.EventKind
	isOpen bool
}

func newConverse(echo []byte) *Converse {
	return &Converse{frames: converseFrames(), echo: echo}
}

// AppendEvent implements api.Codec.
func (c *Converse) AppendEvent(dst []byte, e *api.Event) []byte {
	start := len(dst)
	switch e.Kind {
	case api.Start:
		h := c.frames.messageStart
		return h.end(append(h.begin(dst), `{"role":"assistant"}`...), start)
	case api.TextDelta:
		return c.appendDelta(dst, e, `"text":`, "")
	case api.ReasoningDelta:
		return c.appendDelta(dst, e, `"reasoningContent":{"text":`, "}")
	case api.ToolDelta:
		return c.appendDelta(dst, e, `"toolUse":{"input":`, "}")
	case api.ToolStart:
		return c.appendToolStart(dst, e)
	case api.ToolStop:
		return c.closeBlock(dst)
	case api.Finish:
		return c.appendStop(c.closeBlock(dst), e)
	case api.End:
		h := c.frames.metadata
		dst = append(h.begin(dst), '{')
		dst = appendTrace(appendUsage(dst, e.Usage, e.Timing), e.Trace)
		return h.end(append(append(dst, c.echo...), '}'), start)
	}
	return dst
}

// appendDelta appends a delta, closing a block of another kind first. Text and reasoning have no
// start event: their union has no such member, and clients that check unions end the stream there.
func (c *Converse) appendDelta(dst []byte, e *api.Event, before, after string) []byte {
	kind := e.Kind
	if kind == api.ToolDelta {
		kind = api.ToolStart
	}
	if c.isOpen && c.open != kind {
		dst = c.closeBlock(dst)
	}
	c.isOpen, c.open = true, kind
	h := c.frames.blockDelta
	start := len(dst)
	dst = append(h.begin(dst), `{"contentBlockIndex":`...)
	dst = api.AppendInt(dst, c.block)
	dst = append(dst, `,"delta":{`...)
	dst = append(dst, before...)
	dst = api.AppendString(dst, e.Text)
	dst = append(dst, after...)
	return h.end(append(dst, `}}`...), start)
}

func (c *Converse) appendToolStart(dst []byte, e *api.Event) []byte {
	dst = c.closeBlock(dst)
	c.isOpen, c.open = true, api.ToolStart
	h := c.frames.blockStart
	start := len(dst)
	dst = append(h.begin(dst), `{"contentBlockIndex":`...)
	dst = api.AppendInt(dst, c.block)
	dst = append(dst, `,"start":{"toolUse":{"toolUseId":`...)
	dst = api.AppendString(dst, e.ToolID)
	dst = append(dst, `,"name":`...)
	dst = api.AppendString(dst, e.ToolName)
	return h.end(append(dst, `}}}`...), start)
}

func (c *Converse) closeBlock(dst []byte) []byte {
	if !c.isOpen {
		return dst
	}
	c.isOpen = false
	h := c.frames.blockStop
	start := len(dst)
	dst = append(h.begin(dst), `{"contentBlockIndex":`...)
	dst = api.AppendInt(dst, c.block)
	c.block++
	return h.end(append(dst, '}'), start)
}

func (c *Converse) appendStop(dst []byte, e *api.Event) []byte {
	h := c.frames.messageStop
	start := len(dst)
	dst = append(h.begin(dst), `{"stopReason":"`...)
	dst = append(dst, stopReason(e.Reason)...)
	dst = append(dst, '"')
	dst = c.appendFields(dst, &native{e.Reason, e.StopString, e.Seed})
	return h.end(append(dst, '}'), start)
}

func stopReason(r api.FinishReason) string {
	switch r {
	case api.FinishStopString:
		return "stop_sequence"
	case api.FinishToolUse:
		return "tool_use"
	case api.FinishBadTool:
		return "malformed_tool_use"
	case api.FinishLength:
		return "max_tokens"
	case api.FinishContext:
		return "model_context_window_exceeded"
	case api.FinishGuard:
		return "guardrail_intervened"
	default:
		return "end_turn"
	}
}

func appendUsage(dst []byte, u api.Usage, t api.Timing) []byte {
	dst = append(dst, `"usage":{"inputTokens":`...)
	dst = api.AppendInt(dst, u.Input)
	dst = append(dst, `,"outputTokens":`...)
	dst = api.AppendInt(dst, u.Output)
	dst = append(dst, `,"totalTokens":`...)
	dst = api.AppendInt(dst, u.Total())
	dst = append(dst, `,"cacheReadInputTokens":`...)
	dst = api.AppendInt(dst, u.CacheRead)
	dst = append(dst, `,"cacheWriteInputTokens":`...)
	dst = api.AppendInt(dst, u.CacheWrite)
	dst = append(dst, `},"metrics":{"latencyMs":`...)
	dst = api.AppendInt(dst, int(t.Latency.Milliseconds()))
	return append(dst, '}')
}

// AppendError implements api.Codec.
func (c *Converse) AppendError(dst []byte, err *api.Error) []byte {
	return appendException(dst, err)
}

// AppendAnswer implements api.Codec.
func (c *Converse) AppendAnswer(dst []byte, a *api.Answer) []byte {
	choice := &a.Choices[0]
	dst = append(dst, `{"output":{"message":{"role":"assistant","content":[`...)
	for i := range choice.Content {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendBlockOut(dst, &choice.Content[i])
	}
	if len(choice.Content) == 0 {
		dst = append(dst, `{"text":""}`...)
	}
	dst = append(dst, `]}},"stopReason":"`...)
	dst = append(dst, stopReason(choice.Reason)...)
	dst = append(dst, `",`...)
	dst = appendUsage(dst, a.Usage, a.Timing)
	dst = c.appendFields(dst, &native{choice.Reason, choice.StopString, a.Seed})
	dst = appendTrace(dst, a.Trace)
	return append(append(dst, c.echo...), '}')
}

func appendBlockOut(dst []byte, b *api.Block) []byte {
	switch b.Kind {
	case api.BlockToolUse:
		dst = append(dst, `{"toolUse":{"toolUseId":`...)
		dst = api.AppendString(dst, b.ToolID)
		dst = append(dst, `,"name":`...)
		dst = api.AppendString(dst, b.ToolName)
		dst = append(dst, `,"input":`...)
		dst = appendDocument(dst, b.Input)
		return append(dst, `}}`...)
	case api.BlockReasoning:
		dst = append(dst, `{"reasoningContent":{"reasoningText":{"text":`...)
		return append(api.AppendString(dst, b.Text), `}}}`...)
	default:
		dst = append(dst, `{"text":`...)
		return append(api.AppendString(dst, b.Text), '}')
	}
}

// appendDocument appends arguments as JSON. Clients take objects alone, so that what the model
// wrote badly is the member of one; the stop reason says that it is no argument.
func appendDocument(dst, input []byte) []byte {
	if len(input) == 0 {
		return append(dst, `{}`...)
	}
	if v, err := api.ParseJSON(input); err != nil || !v.IsObject() {
		return append(api.AppendString(append(dst, `{"INVALID_JSON":`...), input), '}')
	}
	return append(dst, input...)
}
