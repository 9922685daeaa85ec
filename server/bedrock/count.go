package bedrock

import "basalt/server/api"

// DecodeCount reads the body of CountTokens: a request of Converse or the body of one of
// InvokeModel, of which nothing is generated.
func DecodeCount(body []byte, call Call, families []Family) (*api.Request, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	o := root.Object()
	req := &api.Request{Operation: "CountTokens", Model: call.Model, NumChoices: 1}
	if input, ok := o.Need("input"); ok {
		in := union(input)
		if converse, ok := in.Get("converse"); ok {
			req.Kind, req.TemplateArgs = api.Chat, map[string][]byte{}
			c := converse.Object()
			readConversation(c, req)
			refuse(c)
		} else if invoke, ok := in.Get("invokeModel"); ok {
			b := invoke.Object()
			if inner, ok := b.Need("body"); ok {
				req = decodeNative(inner, call, families)
			}
			refuse(b)
		}
		refuse(in)
	}
	refuse(o)
	return req, root.Err()
}

// decodeNative reads a family's body in base64. Its faults are the document's: the field at fault
// is one of the body inside.
func decodeNative(v api.Value, call Call, families []Family) *api.Request {
	data := decodeBytes(v)
	req, _, err := DecodeInvoke(data, call, families)
	if err != nil {
		v.FailWith(err)
		return &api.Request{}
	}
	req.Operation = "CountTokens"
	return req
}

// AppendCount appends the answer of CountTokens.
func AppendCount(dst []byte, tokens int) []byte {
	return append(api.AppendInt(append(dst, `{"inputTokens":`...), tokens), '}')
}
