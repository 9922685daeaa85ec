package bedrock

import "basalt/server/api"

// The chunks and answers of the text families. A chunk whose event is no Finish has no reason yet.

func stopWord(r api.FinishReason) string {
	switch r {
	case api.FinishNone:
		return "null"
	case api.FinishLength, api.FinishContext:
		return `"length"`
	default:
		return `"stop"`
	}
}

func llamaChunk(dst []byte, e *api.Event, begun bool) []byte {
	dst = api.AppendString(append(dst, `{"generation":`...), e.Text)
	dst = append(dst, `,"prompt_token_count":`...)
	if begun {
		dst = append(dst, "null"...)
	} else {
		dst = api.AppendInt(dst, e.Usage.Input)
	}
	return llamaEnd(dst, e.Usage.Output, e.Reason)
}

func llamaEnd(dst []byte, tokens int, r api.FinishReason) []byte {
	dst = api.AppendInt(append(dst, `,"generation_token_count":`...), tokens)
	return append(append(append(dst, `,"stop_reason":`...), stopWord(r)...), '}')
}

func llamaAnswer(dst []byte, a *api.Answer) []byte {
	c := &a.Choices[0]
	dst = api.AppendString(append(dst, `{"generation":`...), c.Text())
	dst = api.AppendInt(append(dst, `,"prompt_token_count":`...), a.Usage.Input)
	return llamaEnd(dst, a.Usage.Output, c.Reason)
}

func mistralTextChunk(dst []byte, e *api.Event, _ bool) []byte {
	dst = api.AppendString(append(dst, `{"outputs":[{"text":`...), e.Text)
	return append(append(append(dst, `,"stop_reason":`...), stopWord(e.Reason)...), `}]}`...)
}

func mistralTextAnswer(dst []byte, a *api.Answer) []byte {
	c := &a.Choices[0]
	dst = api.AppendString(append(dst, `{"outputs":[{"text":`...), c.Text())
	return append(append(append(dst, `,"stop_reason":`...), stopWord(c.Reason)...), `}]}`...)
}

func deepSeekChunk(dst []byte, e *api.Event, _ bool) []byte {
	dst = api.AppendString(append(dst, `{"choices":[{"text":`...), e.Text)
	return append(append(append(dst, `,"stop_reason":`...), stopWord(e.Reason)...), `}]}`...)
}

func deepSeekAnswer(dst []byte, a *api.Answer) []byte {
	c := &a.Choices[0]
	dst = api.AppendString(append(dst, `{"choices":[{"text":`...), c.Text())
	return append(append(append(dst, `,"stop_reason":`...), stopWord(c.Reason)...), `}]}`...)
}

func titanReason(r api.FinishReason) string {
	switch r {
	case api.FinishNone:
		return "null"
	case api.FinishLength, api.FinishContext:
		return `"LENGTH"`
	case api.FinishStopString:
		return `"STOP_CRITERIA_MET"`
	case api.FinishGuard:
		return `"CONTENT_FILTERED"`
	default:
		return `"FINISH"`
	}
}

func titanChunk(dst []byte, e *api.Event, begun bool) []byte {
	dst = api.AppendString(append(dst, `{"index":0,"outputText":`...), e.Text)
	dst = append(dst, `,"inputTextTokenCount":`...)
	if begun {
		dst = append(dst, "null"...)
	} else {
		dst = api.AppendInt(dst, e.Usage.Input)
	}
	dst = append(dst, `,"totalOutputTextTokenCount":`...)
	if e.Kind == api.Finish {
		dst = api.AppendInt(dst, e.Usage.Output)
	} else {
		dst = append(dst, "null"...)
	}
	return append(append(append(dst, `,"completionReason":`...), titanReason(e.Reason)...), '}')
}

func titanAnswer(dst []byte, a *api.Answer) []byte {
	c := &a.Choices[0]
	dst = api.AppendInt(append(dst, `{"inputTextTokenCount":`...), a.Usage.Input)
	dst = api.AppendInt(append(dst, `,"results":[{"tokenCount":`...), a.Usage.Output)
	dst = api.AppendString(append(dst, `,"outputText":`...), c.Text())
	dst = append(append(dst, `,"completionReason":`...), titanReason(c.Reason)...)
	return append(dst, `}]}`...)
}

// cohereReason is Cohere's word, quoted.
func cohereReason(r api.FinishReason) string {
	switch r {
	case api.FinishLength:
		return `"MAX_TOKENS"`
	case api.FinishContext:
		return `"ERROR_LIMIT"`
	case api.FinishGuard:
		return `"ERROR_TOXIC"`
	default:
		return `"COMPLETE"`
	}
}

func commandChunk(dst []byte, e *api.Event, _ bool) []byte {
	finished := e.Kind == api.Finish
	dst = append(dst, `{"is_finished":`...)
	if finished {
		dst = append(append(dst, `true,"finish_reason":`...), cohereReason(e.Reason)...)
	} else {
		dst = append(dst, "false"...)
	}
	dst = api.AppendInt(append(dst, `,"index":`...), e.Choice)
	return append(api.AppendString(append(dst, `,"text":`...), e.Text), '}')
}

func commandAnswer(dst []byte, a *api.Answer) []byte {
	dst = append(dst, `{"generations":[`...)
	for i := range a.Choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = api.AppendInt(append(dst, `{"id":"generation-`...), i)
		dst = append(append(dst, `","finish_reason":`...), cohereReason(a.Choices[i].Reason)...)
		dst = append(api.AppendString(append(dst, `,"text":`...), a.Choices[i].Text()), '}')
	}
	return append(dst, `],"id":"generations"}`...)
}
