package bedrock

import (
	"bytes"

	"basalt/server/api"
)

// Family is one form of InvokeModel's native bodies.
type Family struct {
	Name  string // in configuration and logs
	Title string // in messages
	// Keys are fields of which a body of the family has all.
	Keys []string
	// Fits, where it is set, tells bodies that have the Keys from those of other families.
	Fits   func(o *api.Object) bool
	Decode func(body []byte, call Call) (*api.Request, api.Codec, *api.Error)
	// MetricsLast is set for families whose streams end with a document of their own: it has the
	// service's metrics. For the others the document with the last stop reason has them, because
	// their clients stop reading there.
	MetricsLast bool
}

// fits reports a body that can be the family's.
func (f *Family) fits(o *api.Object) bool {
	for _, key := range f.Keys {
		if !o.Has(key) {
			return false
		}
	}
	return f.Fits == nil || f.Fits(o)
}

// GuardrailKey is the field with which any native body may set a guardrail's work.
const GuardrailKey = "amazon-bedrock-guardrailConfig"

// InvokeHeaders are the headers that set what Converse has in its body.
type InvokeHeaders struct {
	Accept                             string
	GuardrailID, GuardrailVersion      string
	Trace, Latency, Tier, MetadataJSON string
}

// DecodeInvoke reads the body of InvokeModel and InvokeModelWithResponseStream by the first family
// that it fits. Codecs of families write bare JSON documents, each with a newline; a stream's
// become chunk frames here.
func DecodeInvoke(body []byte, call Call, families []Family) (*api.Request, *Invoke, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	if err := root.Err(); err != nil {
		return nil, nil, err
	}
	for i := range families {
		f := &families[i]
		if !f.fits(o) {
			continue
		}
		req, codec, err := f.Decode(body, call)
		if err != nil {
			return nil, nil, err
		}
		req.Model, req.Stream, req.Operation = call.Model, call.Stream, operation(call)
		out := &Invoke{
			inner: codec, chunk: eventHeaders("chunk"), open: req.NumChoices, last: f.MetricsLast,
		}
		if err := out.configure(o, req, &call.Headers); err != nil {
			return nil, nil, err
		}
		return req, out, nil
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
		for j, key := range families[i].Keys {
			if j > 0 {
				list += " and "
			}
			list += `"` + key + `"`
		}
		list += ` (` + families[i].Title + `)`
	}
	return list
}

// Invoke frames the documents of a family's codec as chunk events and adds the metrics that the
// service puts into the last one. It implements api.Codec.
type Invoke struct {
	inner   api.Codec
	chunk   headers
	open    int  // choices that have not finished
	last    bool // the metrics go into the last document
	guarded bool
	headers [][2]string
	buf     []byte
}

// Headers are what the answer's HTTP header repeats of the request's.
func (c *Invoke) Headers() [][2]string { return c.headers }

// AppendEvent implements api.Codec.
func (c *Invoke) AppendEvent(dst []byte, e *api.Event) []byte {
	c.buf = c.inner.AppendEvent(c.buf[:0], e)
	if e.Kind == api.Finish {
		c.open--
	}
	final := e.Kind == api.End && c.last || e.Kind == api.Finish && c.open == 0 && !c.last
	rest := c.buf
	for len(rest) > 0 {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			panic("BUG: a document without its newline")
		}
		doc := rest[:n-1]
		rest = rest[n:]
		dst = c.appendChunk(dst, doc, e, final && len(rest) == 0)
	}
	return dst
}

// appendChunk appends a document as a frame, the final one with the metrics. The base64 must cover
// document and metrics together, so that those go into the buffer first.
func (c *Invoke) appendChunk(dst, doc []byte, e *api.Event, final bool) []byte {
	if final {
		doc = appendMetrics(c.appendAction(doc[:len(doc)-1:len(doc)-1], e.Trace), e)
	}
	start := len(dst)
	dst = append(c.chunk.begin(dst), `{"bytes":"`...)
	dst = api.AppendBase64(dst, doc)
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

// appendAction appends what the guardrail did, as members after a comma.
func (c *Invoke) appendAction(dst []byte, t *api.GuardTrace) []byte {
	if !c.guarded || t == nil {
		return dst
	}
	action := "NONE"
	if t.Intervened {
		action = "INTERVENED"
	}
	dst = append(append(dst, `,"amazon-bedrock-guardrailAction":"`...), action...)
	dst = append(dst, '"')
	if t.Mode == api.TraceOff {
		return dst
	}
	dst = append(dst, `,"amazon-bedrock-trace":{"guardrail":`...)
	return append(appendGuardTrace(dst, t), '}')
}

// AppendError implements api.Codec.
func (c *Invoke) AppendError(dst []byte, err *api.Error) []byte {
	return appendException(dst, err)
}

// AppendAnswer implements api.Codec.
func (c *Invoke) AppendAnswer(dst []byte, a *api.Answer) []byte {
	dst = c.inner.AppendAnswer(dst, a)
	if !c.guarded || a.Trace == nil {
		return dst
	}
	return append(c.appendAction(dst[:len(dst)-1], a.Trace), '}')
}
