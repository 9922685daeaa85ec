package bedrock

import (
	"math"
	"strings"

	"basalt/server/api"
)

// Limits of the service model; those of samplers are the house's.
const (
	maxPaths        = 10
	maxPathLen      = 256
	maxMetadata     = 16
	maxMetadataText = 256
	maxRepetition   = 100
	minRepetition   = 0.01
	maxPenalty      = 2
	maxAnyText      = 64 // of words that are handed to chat templates
)

// readExtras reads the fields that models add to Converse: the house's samplers and variables of
// the chat template.
func readExtras(o *api.Object, req *api.Request) {
	v, ok := o.Get("additionalModelRequestFields")
	if !ok {
		return
	}
	f := v.Object()
	s := &req.Sampling
	s.TopK = f.Int("top_k", 0, math.MaxInt32)
	s.MinP = f.Float("min_p", 0, 1)
	s.RepetitionPenalty = f.Float("repetition_penalty", minRepetition, maxRepetition)
	s.PresencePenalty = f.Float("presence_penalty", -maxPenalty, maxPenalty)
	s.FrequencyPenalty = f.Float("frequency_penalty", -maxPenalty, maxPenalty)
	if seed, ok := f.Get("seed"); ok {
		s.Seed = api.Some(uint64(seed.Int(math.MinInt64, math.MaxInt64)))
	}
	if effort, ok := f.Get("reasoning_effort"); ok {
		setEffort(req, word(effort))
	}
	if thinking, ok := f.Get("thinking"); ok {
		readThinking(thinking.Object(), req)
	}
	if c, ok := f.Get("inferenceConfig"); ok {
		readTopK(c.Object(), s)
	}
	if c, ok := f.Get("reasoningConfig"); ok {
		readReasoningConfig(c.Object(), req)
	}
	if args, ok := f.Get("chat_template_kwargs"); ok {
		for name, arg := range args.Object().Fields() {
			req.TemplateArgs[name] = arg.Raw()
		}
	}
	refuse(f)
}

// readTopK reads topK where Amazon's models have it.
func readTopK(o *api.Object, s *api.Sampling) {
	if k := o.Int("topK", 0, math.MaxInt32); k.Set {
		s.TopK = k
	}
	refuse(o)
}

func word(v api.Value) string {
	s := v.Str()
	if len(s) > maxAnyText {
		v.Fail("must have at most %d bytes, not %d", maxAnyText, len(s))
	}
	return s
}

// readThinking reads Anthropic's switch. Templates that know a budget get it by its usual name.
func readThinking(o *api.Object, req *api.Request) {
	kind := o.OneOf("type", "enabled", "disabled", "adaptive")
	if !o.Has("type") {
		o.Missing("type")
	}
	if budget := o.Int("budget_tokens", 1, math.MaxInt32); budget.Set {
		req.TemplateArgs["thinking_budget"] = api.AppendInt(nil, budget.Value)
	}
	refuse(o)
	setThinking(req, kind != "disabled")
}

func setThinking(req *api.Request, on bool) {
	req.TemplateArgs["enable_thinking"] = []byte("false")
	if on {
		req.TemplateArgs["enable_thinking"] = []byte("true")
	}
}

// readReasoningConfig reads Amazon's switch.
func readReasoningConfig(o *api.Object, req *api.Request) {
	kind := o.OneOf("type", "enabled", "disabled")
	if !o.Has("type") {
		o.Missing("type")
	}
	if effort := o.OneOf("maxReasoningEffort", "low", "medium", "high"); effort != "" {
		setEffort(req, effort)
	}
	refuse(o)
	setThinking(req, kind != "disabled")
}

// readEchoes reads what comes back in the answer: performanceConfig and serviceTier. It returns
// them as JSON members, each after a comma.
func readEchoes(o *api.Object, req *api.Request) []byte {
	var echo []byte
	if v, ok := o.Get("performanceConfig"); ok {
		c := v.Object()
		c.OneOf("latency", "standard", "optimized")
		refuse(c)
		echo = append(append(echo, `,"performanceConfig":`...), v.Raw()...)
	}
	if v, ok := o.Get("serviceTier"); ok {
		c := v.Object()
		tier := c.OneOf("type", "priority", "default", "flex", "reserved")
		if !c.Has("type") {
			c.Missing("type")
		}
		refuse(c)
		req.Background = tier == "flex"
		echo = append(append(echo, `,"serviceTier":`...), v.Raw()...)
	}
	if v, ok := o.Get("requestMetadata"); ok {
		req.Metadata = readMetadata(v)
	}
	return echo
}

func readMetadata(v api.Value) [][2]string {
	o := v.Object()
	if n := o.Len(); v.IsObject() && (n == 0 || n > maxMetadata) {
		v.Fail("must have 1 to %d entries, not %d", maxMetadata, n)
		return nil
	}
	var marks [][2]string
	for name, e := range o.Fields() {
		s := e.Str()
		if name == "" || len(name) > maxMetadataText || len(s) > maxMetadataText {
			v.Fail("must have keys of 1 to %d and values of at most %d bytes", maxMetadataText,
				maxMetadataText)
		} else if !metadataText(name) || !metadataText(s) {
			v.Fail("may have letters, digits, spaces and \":_@$#=/+,-.\" alone")
		}
		marks = append(marks, [2]string{name, s})
	}
	return marks
}

func metadataText(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && !strings.ContainsRune(" \t\n\v\f\r:_@$#=/+,-.", rune(s[i])) {
			return false
		}
	}
	return true
}

// readPaths reads JSON pointers (RFC 6901) into the model's native answer.
func readPaths(o *api.Object) []string {
	v, ok := o.Get("additionalModelResponseFieldPaths")
	if !ok {
		return nil
	}
	if n := v.Len(); n > maxPaths {
		v.Fail("has %d paths; at most %d are allowed", n, maxPaths)
	}
	var paths []string
	for _, e := range v.Elements() {
		p := e.Str()
		if e.IsString() && (len(p) < 2 || len(p) > maxPathLen || !isPointer(p)) {
			e.Fail("must be a JSON pointer of at most %d bytes, such as \"/stop_sequence\"",
				maxPathLen)
		}
		paths = append(paths, p)
	}
	return paths
}

func isPointer(p string) bool {
	for i := range len(p) {
		if p[i] == '~' && (i+1 == len(p) || p[i+1] != '0' && p[i+1] != '1') {
			return false
		}
	}
	return p[0] == '/'
}
