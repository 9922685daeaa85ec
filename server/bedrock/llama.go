package bedrock

import (
	"math"

	"basalt/server/api"
)

// Defaults of Meta Llama bodies, as the service documents them.
const (
	llamaMaxGenLen   = 512
	llamaTemperature = 0.5
	llamaTopP        = 0.9
)

// Llama is the family of Meta Llama bodies: a raw prompt that the model continues.
func Llama() Family {
	return Family{Name: "Meta Llama", Key: "prompt", Decode: decodeLlama}
}

func decodeLlama(body []byte, call Call) (*api.Request, api.Codec, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{Kind: api.Completion, NumChoices: 1}
	prompt, ok := o.Need("prompt")
	if ok {
		req.Prompts = []api.Prompt{{Text: prompt.Str()}}
	}
	s := &req.Sampling
	s.MaxTokens = api.Some(o.Int("max_gen_len", 1, math.MaxInt32).Or(llamaMaxGenLen))
	s.MaxTokensField = "max_gen_len"
	s.Temperature = api.Some(o.Float("temperature", 0, 1).Or(llamaTemperature))
	s.TopP = api.Some(o.Float("top_p", 0, 1).Or(llamaTopP))
	for name, v := range o.Unread() {
		v.Fail("is not permitted: extraneous key of a Meta Llama body (%q)", name)
	}
	return req, &llama{}, root.Err()
}

// llama writes the native answers of Meta Llama models.
type llama struct{ begun bool }

// AppendEvent implements api.Codec.
func (c *llama) AppendEvent(dst []byte, e *api.Event) []byte {
	if e.Kind != api.TextDelta && e.Kind != api.Finish {
		return dst
	}
	dst = append(dst, `{"generation":`...)
	dst = api.AppendString(dst, e.Text)
	dst = append(dst, `,"prompt_token_count":`...)
	if c.begun {
		dst = append(dst, "null"...)
	} else {
		dst = api.AppendInt(dst, e.Usage.Input)
	}
	c.begun = true
	dst = append(dst, `,"generation_token_count":`...)
	dst = api.AppendInt(dst, e.Usage.Output)
	dst = append(dst, `,"stop_reason":`...)
	return append(append(dst, llamaStop(e.Reason)...), '}')
}

func llamaStop(r api.FinishReason) string {
	switch r {
	case api.FinishNone:
		return "null"
	case api.FinishLength, api.FinishContext:
		return `"length"`
	default:
		return `"stop"`
	}
}

// AppendError implements api.Codec; Invoke frames errors itself.
func (c *llama) AppendError(dst []byte, err *api.Error) []byte { return AppendError(dst, err) }

// AppendAnswer implements api.Codec.
func (c *llama) AppendAnswer(dst []byte, a *api.Answer) []byte {
	choice := &a.Choices[0]
	dst = append(dst, `{"generation":`...)
	dst = api.AppendString(dst, choice.Text())
	dst = append(dst, `,"prompt_token_count":`...)
	dst = api.AppendInt(dst, a.Usage.Input)
	dst = append(dst, `,"generation_token_count":`...)
	dst = api.AppendInt(dst, a.Usage.Output)
	dst = append(dst, `,"stop_reason":`...)
	return append(append(dst, llamaStop(choice.Reason)...), '}')
}
