package openai

import (
	"math"

	"basalt/server/api"
)

// Tokens is what /tokenize is asked beside the prompt.
type Tokens struct {
	Strings bool // tell the tokens' texts too
	// Special says whether the tokenizer's own beginning and end are added to a prompt.
	Special bool
}

// DecodeTokenize reads the body of /tokenize: a prompt, or a conversation. The model may be left
// out.
func DecodeTokenize(body []byte) (*api.Request, *Tokens, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{
		Operation: "Tokenize", NumChoices: 1, Model: readOptionalModel(o),
		TemplateArgs: map[string][]byte{},
	}
	t := &Tokens{Strings: readBool(o, "return_token_strs"), Special: true}
	if v, ok := o.NotNull("add_special_tokens"); ok {
		t.Special = v.Bool()
	}
	if o.Has("messages") {
		readTokenizeChat(o, req)
	} else if prompt, ok := o.Need("prompt"); ok {
		req.Kind = api.Completion
		req.Prompts = []api.Prompt{{Text: prompt.Str()}}
	}
	for _, v := range o.Unread() {
		v.Fail("is not supported; leave it out")
	}
	return req, t, root.Err()
}

func readOptionalModel(o *api.Object) string {
	if v, ok := o.NotNull("model"); ok {
		return v.Str()
	}
	return ""
}

func readTokenizeChat(o *api.Object, req *api.Request) {
	req.Kind = api.Chat
	req.Messages = readMessages(o)
	readTools(o, req)
	readTemplateArgsOf(o, req)
	if v, ok := o.NotNull("add_generation_prompt"); ok && !v.Bool() {
		v.Fail("must be true: prompts are made as they are for an answer")
	}
	if v, ok := o.NotNull("continue_final_message"); ok {
		req.Prefill = v.Bool()
	}
}

// AppendTokens appends the answer of /tokenize. strings is nil when they are not told.
func AppendTokens(dst []byte, ids []int32, texts []string, maxContext int) []byte {
	dst = api.AppendInt(append(dst, `{"count":`...), len(ids))
	dst = api.AppendInt(append(dst, `,"max_model_len":`...), maxContext)
	dst = append(dst, `,"tokens":[`...)
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = api.AppendInt(dst, int(id))
	}
	dst = append(dst, `],"token_strs":`...)
	if texts == nil {
		return append(dst, "null}"...)
	}
	dst = append(dst, '[')
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = api.AppendString(dst, text)
	}
	return append(dst, `]}`...)
}

// maxDetokenize bounds the ids of one call.
const maxDetokenize = 1 << 20

// DecodeDetokenize reads the body of /detokenize: token ids. The model may be left out.
func DecodeDetokenize(body []byte) (model string, ids []int32, err *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return "", nil, err
	}
	o := root.Object()
	model = readOptionalModel(o)
	if v, ok := o.Need("tokens"); ok {
		if n := v.Len(); n > maxDetokenize {
			v.Fail("has %d ids; at most %d are allowed", n, maxDetokenize)
		} else {
			for _, e := range v.Elements() {
				ids = append(ids, int32(e.Int(0, math.MaxInt32)))
			}
		}
	}
	for _, v := range o.Unread() {
		v.Fail("is not supported; leave it out")
	}
	return model, ids, root.Err()
}

// AppendText appends the answer of /detokenize.
func AppendText(dst []byte, text string) []byte {
	return append(api.AppendString(append(dst, `{"prompt":`...), text), '}')
}
