package openai

import (
	"math"

	"basalt/server/api"
)

// DecodeEmbeddings checks the body of embeddings and gives the model that it names. Nothing here
// makes embeddings.
func DecodeEmbeddings(body []byte) (model string, err *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return "", err
	}
	o := root.Object()
	model = o.NeedString("model")
	if v, ok := o.Need("input"); ok {
		readEmbedded(v)
	}
	whole(o, "dimensions", 1, math.MaxInt32)
	if _, ok := o.NotNull("encoding_format"); ok {
		o.OneOf("encoding_format", "float", "base64")
	}
	if v, ok := o.NotNull("user"); ok {
		v.Str()
	}
	for _, v := range o.Unread() {
		v.Fail("is not supported; leave it out")
	}
	return model, root.Err()
}

// readEmbedded checks a text, texts, the ids of a text, or those of texts.
func readEmbedded(v api.Value) {
	if v.IsString() {
		if v.Str() == "" {
			v.Fail("must not be empty")
		}
		return
	}
	if n := v.Len(); n < 1 || n > maxEmbedded {
		v.Fail("must have 1 to %d elements, not %d", maxEmbedded, n)
		return
	}
	for _, e := range v.Elements() {
		switch {
		case e.IsString():
			e.Str()
		case e.IsArray():
			for _, id := range e.Elements() {
				id.Int(0, math.MaxInt32)
			}
		default:
			e.Int(0, math.MaxInt32)
		}
	}
}

// maxEmbedded is OpenAI's limit of the elements of an input.
const maxEmbedded = 2048
