package bedrock

import "basalt/server/api"

// commandR writes the answers of Command R bodies. It implements api.Codec.
type commandR struct {
	text  []byte
	calls []byte // JSON, joined by commas
	name  string // of the call that is being written
	args  []byte
}

// AppendEvent implements api.Codec.
func (c *commandR) AppendEvent(dst []byte, e *api.Event) []byte {
	switch e.Kind {
	case api.TextDelta:
		c.text = append(c.text, e.Text...)
		dst = append(dst, `{"is_finished":false,"event_type":"text-generation","text":`...)
		return append(api.AppendString(dst, e.Text), "}\n"...)
	case api.ToolStart:
		c.name, c.args = e.ToolName, c.args[:0]
	case api.ToolDelta:
		c.args = append(c.args, e.Text...)
	case api.ToolStop:
		c.calls = appendCohereCall(c.calls, c.name, c.args)
	case api.Finish:
		if len(c.calls) > 0 {
			dst = append(dst, `{"is_finished":false,"event_type":"tool-calls-generation",`...)
			dst = append(append(append(dst, `"tool_calls":[`...), c.calls...), "]}\n"...)
		}
		dst = append(dst, `{"is_finished":true,"event_type":"stream-end","finish_reason":`...)
		dst = append(append(dst, cohereReason(e.Reason)...), `,"response":`...)
		dst = appendCohere(dst, c.text, c.calls, e.Reason, e.Usage)
		return append(dst, "}\n"...)
	default: // the others bring nothing
	}
	return dst
}

func appendCohereCall(dst []byte, name string, args []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = api.AppendString(append(dst, `{"name":`...), name)
	return append(appendDocument(append(dst, `,"parameters":`...), args), '}')
}

func appendCohere(dst, text, calls []byte, r api.FinishReason, u api.Usage) []byte {
	dst = append(api.AppendString(append(dst, `{"text":`...), text), `,"finish_reason":`...)
	dst = append(dst, cohereReason(r)...)
	if len(calls) > 0 {
		dst = append(append(append(dst, `,"tool_calls":[`...), calls...), ']')
	}
	dst = api.AppendInt(append(dst, `,"meta":{"billed_units":{"input_tokens":`...), u.Input)
	return append(api.AppendInt(append(dst, `,"output_tokens":`...), u.Output), `}}}`...)
}

// AppendError implements api.Codec; Invoke frames errors itself.
func (c *commandR) AppendError(dst []byte, err *api.Error) []byte { return AppendError(dst, err) }

// AppendAnswer implements api.Codec.
func (c *commandR) AppendAnswer(dst []byte, a *api.Answer) []byte {
	choice := &a.Choices[0]
	var calls []byte
	for i := range choice.Content {
		if b := &choice.Content[i]; b.Kind == api.BlockToolUse {
			calls = appendCohereCall(calls, b.ToolName, b.Input)
		}
	}
	return appendCohere(dst, []byte(choice.Text()), calls, choice.Reason, a.Usage)
}
