package bedrock

import (
	"math"

	"basalt/server/api"
)

// Limits of the service model, as the error messages state them.
const (
	maxStops        = 2500
	maxStopLen      = 1024 // the house's
	maxPaths        = 10
	maxMetadata     = 16
	maxMetadataText = 256
	maxRepetition   = 100 // the house's
	minRepetition   = 0.01
	maxPenalty      = 2
)

// Call is what the server knows of a request before its body is read.
type Call struct {
	Model  string // from the path, decoded
	Stream bool
}

// DecodeConverse reads the body of Converse and ConverseStream.
func DecodeConverse(body []byte, call Call) (*api.Request, *Converse, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{
		Operation: "Converse", Kind: api.Chat, Model: call.Model, NumChoices: 1,
		Stream: call.Stream, TemplateArgs: map[string][]byte{},
	}
	if call.Stream {
		req.Operation = "ConverseStream"
	}
	req.Messages = append(readSystem(o), readMessages(o)...)
	readInference(o, req)
	readToolConfig(o, req)
	readExtras(o, req)
	codec := newConverse(readEchoes(o))
	codec.paths = readPaths(o)
	refuse(o)
	return req, codec, root.Err()
}

// refuse reports the first field that was not read: nothing is dropped silently.
func refuse(o *api.Object) {
	for _, v := range o.Unread() {
		v.Fail("is not supported; leave it out")
	}
}

func readSystem(o *api.Object) []api.Message {
	v, ok := o.Get("system")
	if !ok {
		return nil
	}
	var blocks []api.Block
	for _, e := range v.Elements() {
		b := e.Object()
		if b.Len() != 1 {
			e.Fail("must have exactly one member")
		}
		if text, ok := b.Get("text"); ok {
			blocks = append(blocks, readText(text))
		} else if point, ok := b.Get("cachePoint"); ok {
			readCachePoint(point)
		}
		refuse(b)
	}
	if len(blocks) == 0 {
		return nil // some clients always send an empty list
	}
	return []api.Message{{Role: "system", Content: blocks}}
}

func readText(v api.Value) api.Block {
	s := v.Str()
	if v.IsString() && s == "" {
		v.Fail("must not be empty")
	}
	return api.Block{Kind: api.BlockText, Text: s}
}

func readInference(o *api.Object, req *api.Request) {
	v, ok := o.Get("inferenceConfig")
	if !ok {
		return
	}
	c := v.Object()
	req.Sampling.MaxTokens = c.Int("maxTokens", 1, math.MaxInt32)
	req.Sampling.MaxTokensField = "inferenceConfig.maxTokens"
	req.Sampling.Temperature = c.Float("temperature", 0, 1)
	req.Sampling.TopP = c.Float("topP", 0, 1)
	if stops, ok := c.Get("stopSequences"); ok {
		if n := stops.Len(); n > maxStops {
			stops.Fail("has %d strings; at most %d are allowed", n, maxStops)
		} else {
			req.Stop = readStops(stops)
		}
	}
	refuse(c)
}

func readStops(v api.Value) []string {
	var stops []string
	for _, e := range v.Elements() {
		s := e.Str()
		if e.IsString() && (s == "" || len(s) > maxStopLen) {
			e.Fail("must have 1 to %d bytes, not %d", maxStopLen, len(s))
		}
		stops = append(stops, s)
	}
	return stops
}

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
		req.TemplateArgs["reasoning_effort"] = api.AppendString(nil, effort.Str())
	}
	if thinking, ok := f.Get("thinking"); ok {
		readThinking(thinking.Object(), req)
	}
	if args, ok := f.Get("chat_template_kwargs"); ok {
		for name, arg := range args.Object().Fields() {
			req.TemplateArgs[name] = arg.Raw()
		}
	}
	refuse(f)
}

func readThinking(o *api.Object, req *api.Request) {
	kind := o.OneOf("type", "enabled", "disabled", "adaptive")
	if !o.Has("type") {
		o.Missing("type")
	}
	o.Int("budget_tokens", 1, math.MaxInt32)
	refuse(o)
	on := "true"
	if kind == "disabled" {
		on = "false"
	}
	req.TemplateArgs["enable_thinking"] = []byte(on)
}

// readEchoes reads fields that only come back in the answer: performanceConfig and serviceTier. It
// returns them as JSON members, each after a comma.
func readEchoes(o *api.Object) []byte {
	var echo []byte
	if v, ok := o.Get("performanceConfig"); ok {
		c := v.Object()
		c.OneOf("latency", "standard", "optimized") //nolint:misspell // the service's word
		refuse(c)
		echo = append(append(echo, `,"performanceConfig":`...), v.Raw()...)
	}
	if v, ok := o.Get("serviceTier"); ok {
		c := v.Object()
		c.OneOf("type", "priority", "default", "flex", "reserved")
		refuse(c)
		echo = append(append(echo, `,"serviceTier":`...), v.Raw()...)
	}
	if v, ok := o.Get("requestMetadata"); ok {
		checkMetadata(v)
	}
	return echo
}

func checkMetadata(v api.Value) {
	o := v.Object()
	if o.Len() > maxMetadata {
		v.Fail("has %d entries; at most %d are allowed", o.Len(), maxMetadata)
	}
	for name, e := range o.Fields() {
		s := e.Str()
		if name == "" || len(name) > maxMetadataText || len(s) > maxMetadataText {
			v.Fail("must have keys of 1 to %d and values of at most %d bytes", maxMetadataText,
				maxMetadataText)
		}
	}
}

// readPaths reads JSON pointers into the model's native answer. A pointer that names nothing is
// ignored, as the service does; a malformed one is refused.
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
		if e.IsString() && (len(p) < 2 || p[0] != '/' || len(p) > maxMetadataText) {
			e.Fail("must be a JSON pointer such as \"/stop_sequence\"")
		}
		paths = append(paths, p)
	}
	return paths
}
