package anthropic

import (
	"math"

	"basalt/server/api"
)

const minBudget = 1024 // tokens of thinking, as the API documents it

func readSettings(o *api.Object, req *api.Request) {
	s := &req.Sampling
	s.MaxTokens, s.MaxTokensField = whole(o, "max_tokens", 1), "max_tokens"
	s.Temperature = number(o, "temperature", 0, 1)
	s.TopP = number(o, "top_p", 0, 1)
	s.TopK = whole(o, "top_k", 0)
	if v, ok := o.NotNull("stop_sequences"); ok {
		req.Stop = v.Strings(maxStops, maxStopLen)
	}
	if v, ok := o.NotNull("stream"); ok {
		req.Stream = v.Bool()
	}
	if v, ok := o.NotNull("metadata"); ok {
		readMetadata(v.Object(), req)
	}
	if _, ok := o.NotNull("service_tier"); ok {
		o.OneOf("service_tier", "auto", "standard_only")
	}
	if _, ok := o.NotNull("speed"); ok {
		o.OneOf("speed", "standard", "fast")
	}
	readOutputConfig(o, req)
	if v, ok := o.NotNull("thinking"); ok && s.MaxTokens.Set && v.IsObject() {
		budget, ok := v.Object().Get("budget_tokens")
		if ok && budget.IsNumber() && budget.Int(0, math.MaxInt32) >= int64(s.MaxTokens.Value) {
			budget.Fail("must be less than max_tokens, %d", s.MaxTokens.Value)
		}
	}
}

func readMetadata(m *api.Object, req *api.Request) {
	if user, ok := m.NotNull("user_id"); ok {
		id := user.Str()
		if len(id) > maxUserID {
			user.Fail("must have at most %d bytes, not %d", maxUserID, len(id))
		}
		req.Metadata = [][2]string{{"user_id", id}}
	}
	refuse(m)
}

// readThinking reads the switch of thinking. Templates that know a budget get it by its usual name.
func readThinking(o *api.Object, req *api.Request) {
	v, ok := o.NotNull("thinking")
	if !ok {
		return
	}
	t := v.Object()
	kind := t.OneOf("type", "enabled", "disabled", "adaptive", "between_tools")
	if !t.Has("type") {
		t.Missing("type")
	}
	if budget := whole(t, "budget_tokens", minBudget); budget.Set {
		req.TemplateArgs["thinking_budget"] = api.AppendInt(nil, budget.Value)
	} else if kind == "enabled" {
		t.Missing("budget_tokens")
	}
	if display, ok := t.NotNull("display"); ok && t.OneOf("display", "summarized", "omitted") ==
		"omitted" {
		display.Fail("must be \"summarized\": thinking is never hidden")
	}
	refuse(t)
	req.TemplateArgs["enable_thinking"] = []byte("true")
	if kind == "disabled" {
		req.TemplateArgs["enable_thinking"] = []byte("false")
	}
}

// readOutputConfig reads the effort, a variable of chat templates that know it.
func readOutputConfig(o *api.Object, req *api.Request) {
	v, ok := o.NotNull("output_config")
	if !ok {
		return
	}
	c := v.Object()
	if _, ok := c.NotNull("effort"); ok {
		effort := c.OneOf("effort", "low", "medium", "high", "xhigh", "max")
		req.TemplateArgs["reasoning_effort"] = api.AppendString(nil, effort)
	}
	if format, ok := c.NotNull("format"); ok {
		format.Fail("is not supported: output cannot be constrained to a schema; leave it out " +
			"and describe the form in the prompt, or give a tool with the schema and choose it")
	}
	refuse(c)
}
