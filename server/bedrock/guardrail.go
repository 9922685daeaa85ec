package bedrock

import (
	"strings"

	"basalt/server/api"
)

// Limits of the service model.
const (
	maxGuardrailID      = 2048
	maxGuardrailVersion = 8
)

func readGuardrailConfig(o *api.Object, req *api.Request) {
	v, ok := o.Get("guardrailConfig")
	if !ok {
		return
	}
	c := v.Object()
	g := &api.Guardrail{}
	if id, ok := c.Need("guardrailIdentifier"); ok {
		g.ID = id.Str()
		if !ValidGuardrailID(g.ID) {
			id.Fail("must be a guardrail's id or ARN")
		}
	}
	if version, ok := c.Need("guardrailVersion"); ok {
		g.Version = version.Str()
		if !ValidGuardrailVersion(g.Version) {
			version.Fail("must be \"DRAFT\" or a number")
		}
	}
	g.Trace = traceMode(c.OneOf("trace", "enabled", "disabled", "enabled_full"))
	if req.Stream {
		g.Async = c.OneOf("streamProcessingMode", "sync", "async") == "async"
	}
	refuse(c)
	req.Guardrail = g
}

// ValidGuardrailID reports an id or an ARN as the service model allows it.
func ValidGuardrailID(id string) bool {
	if strings.HasPrefix(id, "arn:aws") {
		_, rest, ok := strings.Cut(id, ":guardrail/")
		return ok && len(id) <= maxGuardrailID && lowerID(rest)
	}
	return len(id) <= maxGuardrailID && lowerID(id)
}

func lowerID(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) || s[i] >= 'A' && s[i] <= 'Z' {
			return false
		}
	}
	return s != ""
}

// ValidGuardrailVersion reports "DRAFT" or a number from 1 of at most 8 digits.
func ValidGuardrailVersion(v string) bool {
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return v == "DRAFT"
		}
	}
	return v != "" && v[0] != '0' && len(v) <= maxGuardrailVersion
}

// traceMode reads a switch of either API: "enabled_full" of bodies, "ENABLED_FULL" of headers.
func traceMode(s string) api.TraceMode {
	switch strings.ToLower(s) {
	case "enabled":
		return api.TraceOn
	case "enabled_full":
		return api.TraceFull
	}
	return api.TraceOff
}

// appendTrace appends the trace member of a Converse answer, after a comma.
func appendTrace(dst []byte, t *api.GuardTrace) []byte {
	if t == nil || t.Mode == api.TraceOff {
		return dst
	}
	return append(appendGuardTrace(append(dst, `,"trace":{"guardrail":`...), t), '}')
}

// appendGuardTrace appends a GuardrailTraceAssessment.
func appendGuardTrace(dst []byte, t *api.GuardTrace) []byte {
	dst = append(dst, '{')
	if len(t.ModelOutput) > 0 {
		dst = append(dst, `"modelOutput":[`...)
		for i, text := range t.ModelOutput {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = api.AppendString(dst, text)
		}
		dst = append(dst, `],`...)
	}
	if t.Input != nil {
		dst = append(dst, `"inputAssessment":{`...)
		dst = append(api.AppendString(dst, t.ID), ':')
		dst = append(appendAssessment(dst, t, t.Input), `},`...)
	}
	if len(t.Outputs) > 0 {
		dst = append(dst, `"outputAssessments":{`...)
		dst = append(api.AppendString(dst, t.ID), `:[`...)
		for i := range t.Outputs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendAssessment(dst, t, &t.Outputs[i])
		}
		dst = append(dst, `]},`...)
	}
	dst = append(dst, `"actionReason":`...)
	return append(api.AppendString(dst, t.Reason), '}')
}

// appendAssessment appends a GuardrailAssessment: the policies that found something, and what the
// check cost.
func appendAssessment(dst []byte, t *api.GuardTrace, a *api.Assessment) []byte {
	dst = append(dst, '{')
	if len(a.Topics) > 0 {
		dst = appendFindings(append(dst, `"topicPolicy":{`...), "topics", a.Topics, appendTopic)
		dst = append(dst, `},`...)
	}
	if len(a.Words)+len(a.Profanity) > 0 {
		dst = appendFindings(append(dst, `"wordPolicy":{`...), "customWords", a.Words, appendWord)
		dst = appendFindings(append(dst, ','), "managedWordLists", a.Profanity, appendProfanity)
		dst = append(dst, `},`...)
	}
	if len(a.Personal)+len(a.Regexes) > 0 {
		dst = append(dst, `"sensitiveInformationPolicy":{`...)
		dst = appendFindings(dst, "piiEntities", a.Personal, appendPersonal)
		dst = appendFindings(append(dst, ','), "regexes", a.Regexes, appendRegex)
		dst = append(dst, `},`...)
	}
	dst = append(dst, `"invocationMetrics":{"guardrailProcessingLatency":`...)
	dst = api.AppendInt(dst, int(a.Latency.Milliseconds()))
	dst = append(dst, `,"usage":`...)
	dst = appendGuardUsage(dst, a)
	dst = append(dst, `,"guardrailCoverage":`...)
	dst = append(appendCoverage(dst, a), `},"appliedGuardrailDetails":{"guardrailId":`...)
	dst = api.AppendString(dst, t.ID)
	dst = append(dst, `,"guardrailVersion":`...)
	dst = api.AppendString(dst, t.Version)
	dst = append(dst, `,"guardrailArn":`...)
	dst = api.AppendString(dst, t.ARN)
	return append(dst, `,"guardrailOrigin":["REQUEST"],"guardrailOwnership":"SELF"}}`...)
}

func appendFindings(dst []byte, name string, list []api.Finding,
	one func(dst []byte, f *api.Finding) []byte,
) []byte {
	dst = append(append(append(dst, '"'), name...), `":[`...)
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(one(append(dst, '{'), &list[i]), `,"detected":true}`...)
	}
	return append(dst, ']')
}

func appendTopic(dst []byte, f *api.Finding) []byte {
	dst = api.AppendString(append(dst, `"name":`...), f.Name)
	return appendAction(append(dst, `,"type":"DENY"`...), f.Action)
}

func appendWord(dst []byte, f *api.Finding) []byte {
	return appendAction(api.AppendString(append(dst, `"match":`...), f.Match), f.Action)
}

func appendProfanity(dst []byte, f *api.Finding) []byte {
	dst = api.AppendString(append(dst, `"match":`...), f.Match)
	return appendAction(append(dst, `,"type":"PROFANITY"`...), f.Action)
}

func appendPersonal(dst []byte, f *api.Finding) []byte {
	dst = api.AppendString(append(dst, `"match":`...), f.Match)
	return appendAction(api.AppendString(append(dst, `,"type":`...), f.Type), f.Action)
}

func appendRegex(dst []byte, f *api.Finding) []byte {
	dst = api.AppendString(append(dst, `"name":`...), f.Name)
	dst = api.AppendString(append(dst, `,"match":`...), f.Match)
	return appendAction(api.AppendString(append(dst, `,"regex":`...), f.Regex), f.Action)
}

func appendAction(dst []byte, a api.GuardAction) []byte {
	switch a {
	case api.GuardBlock:
		return append(dst, `,"action":"BLOCKED"`...)
	case api.GuardMask:
		return append(dst, `,"action":"ANONYMIZED"`...)
	}
	return append(dst, `,"action":"NONE"`...)
}

func appendGuardUsage(dst []byte, a *api.Assessment) []byte {
	units := func(has bool) int {
		if has {
			return a.Units
		}
		return 0
	}
	dst = api.AppendInt(append(dst, `{"topicPolicyUnits":`...), units(a.HasTopics))
	dst = append(dst, `,"contentPolicyUnits":0,"wordPolicyUnits":`...)
	dst = api.AppendInt(dst, units(a.HasWords))
	dst = append(dst, `,"sensitiveInformationPolicyUnits":`...)
	dst = api.AppendInt(dst, units(a.HasFilter))
	return append(dst, `,"sensitiveInformationPolicyFreeUnits":0,`+
		`"contextualGroundingPolicyUnits":0}`...)
}

func appendCoverage(dst []byte, a *api.Assessment) []byte {
	dst = api.AppendInt(append(dst, `{"textCharacters":{"guarded":`...), a.Guarded)
	return append(api.AppendInt(append(dst, `,"total":`...), a.Total), `}}`...)
}
