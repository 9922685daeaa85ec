package bedrock

import "basalt/server/api"

// Family is one form of InvokeModel's native bodies.
type Family struct {
	Name string
	// Key is the field by whose presence a body of the family is known.
	Key    string
	Decode func(body []byte, call Call) (*api.Request, api.Codec, *api.Error)
}

// DecodeInvoke reads the body of InvokeModel and InvokeModelWithResponseStream by the first family
// that it fits. The families' codecs write bare JSON documents; a stream's become chunk frames
// here.
func DecodeInvoke(body []byte, call Call, families []Family) (*api.Request, api.Codec, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	if err := root.Err(); err != nil {
		return nil, nil, err
	}
	for i := range families {
		if !o.Has(families[i].Key) {
			continue
		}
		req, codec, err := families[i].Decode(body, call)
		if err != nil {
			return nil, nil, err
		}
		req.Model, req.Stream, req.Operation = call.Model, call.Stream, operation(call)
		return req, &Invoke{inner: codec, chunk: eventHeaders("chunk"), open: req.NumChoices}, nil
	}
	return nil, nil, api.Errorf(api.Invalid, "the body fits no family of models: it must have %s",
		keys(families))
}

func operation(call Call) string {
	if call.Stream {
		return "InvokeModelWithResponseStream"
	}
	return "InvokeModel"
}

func keys(families []Family) string {
	list := ""
	for i := range families {
		if i > 0 {
			list += " or "
		}
		list += `"` + families[i].Key + `" (` + families[i].Name + `)`
	}
	return list
}

// Invoke frames the documents of a family's codec as chunk events and adds the metrics that the
// service puts into the last one. It implements api.Codec.
type Invoke struct {
	inner api.Codec
	chunk headers
	open  int // choices that have not finished
	buf   []byte
}

// AppendEvent implements api.Codec.
func (c *Invoke) AppendEvent(dst []byte, e *api.Event) []byte {
	c.buf = c.inner.AppendEvent(c.buf[:0], e)
	if len(c.buf) == 0 {
		return dst
	}
	if e.Kind == api.Finish {
		// In the same chunk as the stop reason: clients stop reading there.
		if c.open--; c.open == 0 {
			c.buf = appendMetrics(c.buf[:len(c.buf)-1], e)
		}
	}
	start := len(dst)
	dst = append(c.chunk.begin(dst), `{"bytes":"`...)
	dst = api.AppendBase64(dst, c.buf)
	return c.chunk.end(append(dst, `"}`...), start)
}

// appendMetrics appends the service's metrics as an object's last member.
func appendMetrics(dst []byte, e *api.Event) []byte {
	dst = append(dst, `,"amazon-bedrock-invocationMetrics":{"inputTokenCount":`...)
	dst = api.AppendInt(dst, e.Usage.Input)
	dst = append(dst, `,"outputTokenCount":`...)
	dst = api.AppendInt(dst, e.Usage.Output)
	dst = append(dst, `,"cacheReadInputTokenCount":`...)
	dst = api.AppendInt(dst, e.Usage.CacheRead)
	dst = append(dst, `,"cacheWriteInputTokenCount":`...)
	dst = api.AppendInt(dst, e.Usage.CacheWrite)
	dst = append(dst, `,"invocationLatency":`...)
	dst = api.AppendInt(dst, int(e.Timing.Latency.Milliseconds()))
	dst = append(dst, `,"firstByteLatency":`...)
	dst = api.AppendInt(dst, int(e.Timing.FirstByte.Milliseconds()))
	return append(dst, `}}`...)
}

// AppendError implements api.Codec.
func (c *Invoke) AppendError(dst []byte, err *api.Error) []byte {
	return appendException(dst, err)
}

// AppendAnswer implements api.Codec.
func (c *Invoke) AppendAnswer(dst []byte, a *api.Answer) []byte {
	return c.inner.AppendAnswer(dst, a)
}
