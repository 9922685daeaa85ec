package bedrock

import "basalt/server/api"

// Payload frames the bytes of another codec, as they are, as events of a stream that SageMaker
// shares with Bedrock. It implements api.Codec.
type Payload struct {
	inner api.Codec
	part  headers
	fail  func(err *api.Error) (name string, payload []byte)
	buf   []byte
}

// NewPayload makes the codec of one request. fail names the exception that ends a stream with an
// error, and gives its payload.
func NewPayload(inner api.Codec, fail func(err *api.Error) (string, []byte)) *Payload {
	return &Payload{inner: inner, fail: fail, part: makeHeaders(":event-type", "PayloadPart",
		":content-type", "application/octet-stream", ":message-type", "event")}
}

// AppendEvent implements api.Codec.
func (c *Payload) AppendEvent(dst []byte, e *api.Event) []byte {
	c.buf = c.inner.AppendEvent(c.buf[:0], e)
	if len(c.buf) == 0 {
		return dst
	}
	start := len(dst)
	return c.part.end(append(c.part.begin(dst), c.buf...), start)
}

// AppendError implements api.Codec.
func (c *Payload) AppendError(dst []byte, err *api.Error) []byte {
	name, payload := c.fail(err)
	h := exceptionHeaders(name)
	start := len(dst)
	return h.end(append(h.begin(dst), payload...), start)
}

// AppendAnswer implements api.Codec.
func (c *Payload) AppendAnswer(dst []byte, a *api.Answer) []byte {
	return c.inner.AppendAnswer(dst, a)
}
