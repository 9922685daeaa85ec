package bedrock

import "basalt/server/api"

// Application is a call of ApplyGuardrail: texts to look at, no model.
type Application struct {
	Output bool // the texts are a model's
	Full   bool // tell also what was not acted on
	Texts  []string
	// Guarded marks the texts to look at, where any is marked; else all are.
	Guarded []bool
}

const maxApplyTexts = 1024

// DecodeApply reads the body of ApplyGuardrail.
func DecodeApply(body []byte) (*Application, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	o := root.Object()
	a := &Application{Output: o.OneOf("source", "INPUT", "OUTPUT") == "OUTPUT"}
	if !o.Has("source") {
		o.Missing("source")
	}
	a.Full = o.OneOf("outputScope", "INTERVENTIONS", "FULL") == "FULL"
	if content, ok := o.Need("content"); ok {
		if n := content.Len(); n > maxApplyTexts {
			content.Fail("has %d blocks; at most %d are allowed", n, maxApplyTexts)
		}
		for _, e := range content.Elements() {
			a.read(e)
		}
	}
	refuse(o)
	return a, root.Err()
}

func (a *Application) read(v api.Value) {
	o := union(v)
	text, ok := o.Get("text")
	refuse(o)
	if !ok {
		return
	}
	t := text.Object()
	a.Texts = append(a.Texts, t.NeedString("text"))
	guarded := false
	if q, ok := t.Get("qualifiers"); ok {
		for _, e := range q.Elements() {
			if s := e.Str(); s != "guard_content" && e.IsString() {
				e.Fail("must be \"guard_content\": answers are not checked against sources")
			}
			guarded = true
		}
	}
	refuse(t)
	a.Guarded = append(a.Guarded, guarded)
}

// AppendApplied appends the answer of ApplyGuardrail. outputs are the texts that the client is to
// use instead of its own; there are none when the guardrail did not step in.
func AppendApplied(dst []byte, t *api.GuardTrace, outputs []string) []byte {
	a := t.Input
	dst = appendGuardUsage(append(dst, `{"usage":`...), a)
	if t.Intervened {
		dst = append(dst, `,"action":"GUARDRAIL_INTERVENED","actionReason":`...)
	} else {
		dst = append(dst, `,"action":"NONE","actionReason":`...)
	}
	dst = append(api.AppendString(dst, t.Reason), `,"outputs":[`...)
	for i, text := range outputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(api.AppendString(append(dst, `{"text":`...), text), '}')
	}
	dst = append(dst, `],"assessments":[`...)
	if !a.Empty() || t.Mode == api.TraceFull {
		dst = appendAssessment(dst, t, a)
	}
	dst = append(dst, `],"guardrailCoverage":`...)
	return append(appendCoverage(dst, a), '}')
}
