package bedrock

import "basalt/server/api"

// MistralChat writes the answers of Mistral AI's chat bodies, whose requests are OpenAI's in other
// respects. It implements api.Codec. A tool call is written as a whole, when its arguments are
// complete.
type MistralChat struct {
	id, name string // of the call that is being written
	args     []byte
}

// AppendEvent implements api.Codec.
func (c *MistralChat) AppendEvent(dst []byte, e *api.Event) []byte {
	switch e.Kind {
	case api.TextDelta:
		dst = mistralMessage(dst, e.Choice)
		dst = api.AppendString(append(dst, `,"content":`...), e.Text)
	case api.ToolStart:
		c.id, c.name, c.args = e.ToolID, e.ToolName, c.args[:0]
		return dst
	case api.ToolDelta:
		c.args = append(c.args, e.Text...)
		return dst
	case api.ToolStop:
		dst = mistralMessage(dst, e.Choice)
		dst = append(dst, `,"content":"","tool_calls":[`...)
		dst = append(mistralCall(dst, c.id, c.name, c.args), ']')
	case api.Finish:
		dst = append(mistralMessage(dst, e.Choice), `,"content":""`...)
	default:
		return dst
	}
	dst = append(append(dst, `},"stop_reason":`...), mistralReason(e.Reason)...)
	return append(dst, "}]}\n"...)
}

func mistralMessage(dst []byte, choice int) []byte {
	dst = api.AppendInt(append(dst, `{"choices":[{"index":`...), choice)
	return append(dst, `,"message":{"role":"assistant"`...)
}

func mistralCall(dst []byte, id, name string, args []byte) []byte {
	dst = api.AppendString(append(dst, `{"id":`...), id)
	dst = append(dst, `,"type":"function","function":{"name":`...)
	dst = api.AppendString(dst, name)
	return append(api.AppendString(append(dst, `,"arguments":`...), args), `}}`...)
}

func mistralReason(r api.FinishReason) string {
	if r == api.FinishToolUse || r == api.FinishBadTool {
		return `"tool_calls"`
	}
	return stopWord(r)
}

// AppendError implements api.Codec; Invoke frames errors itself.
func (c *MistralChat) AppendError(dst []byte, err *api.Error) []byte {
	return AppendError(dst, err)
}

// AppendAnswer implements api.Codec.
func (c *MistralChat) AppendAnswer(dst []byte, a *api.Answer) []byte {
	dst = append(dst, `{"choices":[`...)
	for i := range a.Choices {
		choice := &a.Choices[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = api.AppendInt(append(dst, `{"index":`...), i)
		dst = append(dst, `,"message":{"role":"assistant","content":`...)
		dst = api.AppendString(dst, choice.Text())
		calls := 0
		for j := range choice.Content {
			b := &choice.Content[j]
			if b.Kind != api.BlockToolUse {
				continue
			}
			if calls++; calls == 1 {
				dst = append(dst, `,"tool_calls":[`...)
			} else {
				dst = append(dst, ',')
			}
			dst = mistralCall(dst, b.ToolID, b.ToolName, b.Input)
		}
		if calls > 0 {
			dst = append(dst, ']')
		}
		dst = append(append(dst, `},"stop_reason":`...), mistralReason(choice.Reason)...)
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}
