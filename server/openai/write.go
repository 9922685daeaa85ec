package openai

import (
	"math"

	"basalt/server/api"
)

// frame is how documents are set apart: as server-sent events, or bare where another protocol
// frames them.
type frame struct {
	before, after string
	last          string // ends the stream
}

func serverSent() frame {
	return frame{before: "data: ", after: "\n\n", last: "data: [DONE]\n\n"}
}

// appendHead appends the fields that begin every document, up to the choices.
func appendHead(dst []byte, id, object string, created int64, model string) []byte {
	dst = append(dst, `{"id":`...)
	dst = api.AppendString(dst, id)
	dst = append(dst, `,"object":"`...)
	dst = append(dst, object...)
	dst = append(dst, `","created":`...)
	dst = api.AppendInt(dst, int(created))
	dst = append(dst, `,"model":`...)
	dst = api.AppendString(dst, model)
	return append(dst, `,"choices":[`...)
}

func appendUsage(dst []byte, u api.Usage) []byte {
	dst = append(dst, `"usage":{"prompt_tokens":`...)
	dst = api.AppendInt(dst, u.Input)
	dst = append(dst, `,"completion_tokens":`...)
	dst = api.AppendInt(dst, u.Output)
	dst = append(dst, `,"total_tokens":`...)
	dst = api.AppendInt(dst, u.Total())
	dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":`...)
	dst = api.AppendInt(dst, u.CacheRead)
	return append(dst, `}}`...)
}

// finishReason is OpenAI's word, quoted.
func finishReason(r api.FinishReason) string {
	switch r {
	case api.FinishLength, api.FinishContext:
		return `"length"`
	case api.FinishToolUse, api.FinishBadTool:
		return `"tool_calls"`
	case api.FinishStop, api.FinishStopString:
		return `"stop"`
	default:
		return "null"
	}
}

// appendLogprob appends a log-probability; JSON has no infinity, and OpenAI writes -9999.
func appendLogprob(dst []byte, x float32) []byte {
	if math.IsInf(float64(x), 0) || x != x {
		return append(dst, "-9999.0"...)
	}
	return api.AppendFloat32(dst, x)
}

// appendChatLogprobs appends the logprobs object of a chat choice, or null.
func appendChatLogprobs(dst []byte, tokens []api.TokenLogprob, wanted bool) []byte {
	if !wanted {
		return append(dst, `"logprobs":null`...)
	}
	dst = append(dst, `"logprobs":{"content":[`...)
	for i := range tokens {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendChatToken(dst, &tokens[i])
		dst = append(dst, `,"top_logprobs":[`...)
		for j := range tokens[i].Top {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendChatToken(dst, &tokens[i].Top[j]), '}')
		}
		dst = append(dst, `]}`...)
	}
	return append(dst, `],"refusal":null}`...)
}

func appendChatToken(dst []byte, t *api.TokenLogprob) []byte {
	dst = append(dst, `{"token":`...)
	dst = api.AppendString(dst, t.Token)
	dst = append(dst, `,"logprob":`...)
	dst = appendLogprob(dst, t.Logprob)
	dst = append(dst, `,"bytes":[`...)
	for i, b := range t.Bytes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = api.AppendInt(dst, int(b))
	}
	return append(dst, ']')
}

// appendTextLogprobs appends the logprobs object of a text completion, or null.
func appendTextLogprobs(dst []byte, tokens []api.TokenLogprob, wanted bool) []byte {
	if !wanted {
		return append(dst, `"logprobs":null`...)
	}
	list := func(name string, one func(dst []byte, t *api.TokenLogprob) []byte) {
		dst = append(append(dst, name...), '[')
		for i := range tokens {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = one(dst, &tokens[i])
		}
		dst = append(dst, ']')
	}
	list(`"logprobs":{"tokens":`, func(dst []byte, t *api.TokenLogprob) []byte {
		return api.AppendString(dst, t.Token)
	})
	list(`,"token_logprobs":`, func(dst []byte, t *api.TokenLogprob) []byte {
		return appendLogprob(dst, t.Logprob)
	})
	list(`,"top_logprobs":`, appendTopMap)
	list(`,"text_offset":`, func(dst []byte, t *api.TokenLogprob) []byte {
		return api.AppendInt(dst, t.Offset)
	})
	return append(dst, '}')
}

// appendTopMap appends the alternatives as an object. Two tokens may spell the same replacement
// character; the first, more likely one is kept, as keys must differ.
func appendTopMap(dst []byte, t *api.TokenLogprob) []byte {
	dst = append(dst, '{')
	for j := range t.Top {
		if repeated(t.Top[:j], t.Top[j].Token) {
			continue
		}
		if j > 0 {
			dst = append(dst, ',')
		}
		dst = api.AppendString(dst, t.Top[j].Token)
		dst = append(dst, ':')
		dst = appendLogprob(dst, t.Top[j].Logprob)
	}
	return append(dst, '}')
}

func repeated(tokens []api.TokenLogprob, token string) bool {
	for i := range tokens {
		if tokens[i].Token == token {
			return true
		}
	}
	return false
}
