package openai

import "basalt/server/api"

// Completion writes the answers of text completions. It implements api.Codec.
type Completion struct {
	frame    frame
	head     []byte
	usage    bool
	logprobs bool
}

// NewCompletion makes the codec of one request.
func NewCompletion(req *api.Request, call Call, includeUsage bool) *Completion {
	return &Completion{
		frame: serverSent(), usage: includeUsage, logprobs: req.Sampling.Logprobs.Set,
		head: appendHead(nil, "cmpl-"+call.ID, "text_completion", call.Created, req.Model),
	}
}

// Bare makes c write documents with a newline each instead of the frames of server-sent events. It
// returns c.
func (c *Completion) Bare() *Completion {
	c.frame = frame{after: "\n"}
	return c
}

// AppendEvent implements api.Codec.
func (c *Completion) AppendEvent(dst []byte, e *api.Event) []byte {
	switch e.Kind {
	case api.TextDelta, api.Finish:
		dst = append(dst, c.frame.before...)
		dst = append(dst, c.head...)
		dst = c.appendChoice(dst, e.Choice, e.Text, e.Logprobs, len(e.Logprobs) > 0, e.Reason)
		dst = append(dst, ']')
		if c.usage {
			dst = append(dst, `,"usage":null`...)
		}
		dst = append(dst, '}')
		return append(dst, c.frame.after...)
	case api.End:
		return c.end(dst, e)
	default:
		return dst
	}
}

func (c *Completion) end(dst []byte, e *api.Event) []byte {
	if c.usage {
		dst = append(dst, c.frame.before...)
		dst = append(append(dst, c.head...), `],`...)
		dst = append(appendUsage(dst, e.Usage), '}')
		dst = append(dst, c.frame.after...)
	}
	return append(dst, c.frame.last...)
}

func (c *Completion) appendChoice(dst []byte, index int, text []byte, tokens []api.TokenLogprob,
	logprobs bool, reason api.FinishReason,
) []byte {
	dst = append(dst, `{"index":`...)
	dst = api.AppendInt(dst, index)
	dst = append(dst, `,"text":`...)
	dst = api.AppendString(dst, text)
	dst = append(dst, ',')
	dst = appendTextLogprobs(dst, tokens, c.logprobs && logprobs)
	dst = append(dst, `,"finish_reason":`...)
	dst = append(dst, finishReason(reason)...)
	return append(dst, '}')
}

// AppendError implements api.Codec.
func (c *Completion) AppendError(dst []byte, err *api.Error) []byte {
	return c.frame.appendError(dst, err)
}

// AppendAnswer implements api.Codec.
func (c *Completion) AppendAnswer(dst []byte, a *api.Answer) []byte {
	dst = append(dst, c.head...)
	for i := range a.Choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		choice := &a.Choices[i]
		dst = c.appendChoice(dst, i, []byte(choice.Text()), choice.Logprobs, true, choice.Reason)
	}
	dst = append(dst, `],`...)
	return append(appendUsage(dst, a.Usage), '}')
}
