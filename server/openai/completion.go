package openai

import (
	"math"

	"basalt/server/api"
)

// defaultMaxTokens is the limit of a completion that names none, as OpenAI documents it.
const defaultMaxTokens = 16

// DecodeCompletion reads the body of a text completion.
func DecodeCompletion(body []byte, call Call) (*api.Request, *Completion, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{Operation: "Completions", Kind: api.Completion}
	usage := readCommon(o, req, call)
	req.Prompts = readPrompts(o)
	if v, ok := o.NotNull("echo"); ok && v.Bool() {
		v.Fail("is not supported; leave it out")
	}
	if v, ok := o.NotNull("best_of"); ok && int(v.Int(1, maxChoices)) != req.NumChoices {
		v.Fail("must equal n: choices are not ranked")
	}
	if n := len(req.Prompts) * req.NumChoices; n > maxChoices {
		o.Value().Fail("asks for %d choices (prompts times n); at most %d are allowed", n,
			maxChoices)
	}
	req.Sampling.Logprobs = whole(o, "logprobs", 0, maxLogprobs)
	if !req.Sampling.MaxTokens.Set {
		req.Sampling.MaxTokens = api.Some(defaultMaxTokens)
	}
	if err := finish(o, call); err != nil {
		return nil, nil, err
	}
	return req, NewCompletion(req, call, usage), nil
}

// readPrompts reads a string, an array of strings, an array of token ids or an array of those.
func readPrompts(o *api.Object) []api.Prompt {
	v, ok := o.Need("prompt")
	if !ok {
		return nil
	}
	if v.IsString() {
		return []api.Prompt{{Text: v.Str()}}
	}
	if !v.IsArray() {
		v.Fail("must be a string, an array of strings, or token ids")
		return nil
	}
	for _, first := range v.Elements() {
		if first.IsNumber() {
			return []api.Prompt{{Tokens: readIDs(v)}}
		}
		break
	}
	n := v.Len()
	if n == 0 || n > maxPrompts {
		v.Fail("must have 1 to %d prompts, not %d", maxPrompts, n)
		return nil
	}
	prompts := make([]api.Prompt, 0, n)
	for _, p := range v.Elements() {
		if p.IsArray() {
			prompts = append(prompts, api.Prompt{Tokens: readIDs(p)})
		} else {
			prompts = append(prompts, api.Prompt{Text: p.Str()})
		}
	}
	return prompts
}

// readIDs reads token ids; the server checks them against the vocabulary.
func readIDs(v api.Value) []int32 {
	ids := make([]int32, 0, v.Len())
	for _, id := range v.Elements() {
		ids = append(ids, int32(id.Int(0, math.MaxInt32)))
	}
	if len(ids) == 0 {
		v.Fail("must not be empty")
	}
	return ids
}
