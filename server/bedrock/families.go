package bedrock

import (
	"math"

	"basalt/server/api"
)

// textFamily describes native bodies that are a raw prompt with settings, as data: what the fields
// are called, their ranges and the defaults that the service documents.
type textFamily struct {
	name, title string
	prompt      string
	config      string // the object that holds the settings; empty: the body itself
	limit       string // of generated tokens
	limitOr     int    // 0: what the context holds
	temperature float64
	hottest     float64 // the greatest temperature
	topPName    string
	topP        float64
	topKName    string // empty: there is none
	topK        int    // -1: the model's own
	maxTopK     int
	stop        string // empty: there is none
	maxStops    int
	choices     string // the number of answers; empty: there is none
	maxChoices  int
	only        map[string]string // fields that are taken with one value alone, as JSON
	chunk       func(dst []byte, e *api.Event, begun bool) []byte
	answer      func(dst []byte, a *api.Answer) []byte
}

// llamaLimit is a field that tells Meta's bodies from all others.
const llamaLimit = "max_gen_len"

// models is a setting that the model's own defaults decide.
const models = -1

// Llama is the family of Meta Llama bodies, and of custom models' BedrockCompletion. A prompt with
// max_tokens is of another family.
func Llama() Family {
	f := textFamily{
		name: "llama", title: "Meta Llama", prompt: "prompt", limit: llamaLimit, limitOr: 512,
		temperature: 0.5, hottest: 1, topPName: "top_p", topP: 0.9,
		chunk: llamaChunk, answer: llamaAnswer,
	}.family("prompt")
	f.Fits = func(o *api.Object) bool { return !o.Has("max_tokens") }
	return f
}

// MistralText is the family of Mistral AI's instruct bodies.
func MistralText() Family {
	return textFamily{
		name: "mistral-text", title: "Mistral AI text", prompt: "prompt", limit: "max_tokens",
		limitOr: 512, temperature: 0.5, hottest: 1, topPName: "top_p", topP: 0.9,
		topKName: "top_k", topK: 50, maxTopK: 200, stop: "stop", maxStops: 10,
		chunk: mistralTextChunk, answer: mistralTextAnswer,
	}.family("prompt")
}

// DeepSeek is the family of DeepSeek-R1's text bodies.
func DeepSeek() Family {
	return textFamily{
		name: "deepseek", title: "DeepSeek text", prompt: "prompt", limit: "max_tokens",
		temperature: models, hottest: 1, topPName: "top_p", topP: models, stop: "stop",
		maxStops: 10, chunk: deepSeekChunk, answer: deepSeekAnswer,
	}.family("prompt")
}

// TitanText is the family of Amazon Titan's text bodies.
func TitanText() Family {
	return textFamily{
		name: "titan-text", title: "Amazon Titan text", prompt: "inputText",
		config: "textGenerationConfig", limit: "maxTokenCount", limitOr: 512, temperature: 0.7,
		hottest: 1, topPName: "topP", topP: 0.9, stop: "stopSequences", maxStops: 64,
		chunk: titanChunk, answer: titanAnswer,
	}.family("inputText")
}

// CohereCommand is the family of Cohere Command's bodies from before Command R.
func CohereCommand() Family {
	return textFamily{
		name: "cohere-command", title: "Cohere Command", prompt: "prompt", limit: "max_tokens",
		limitOr: 20, temperature: 0.9, hottest: 5, topPName: "p", topP: 0.75, topKName: "k",
		topK: 0, maxTopK: 500, stop: "stop_sequences", maxStops: 64,
		choices: "num_generations", maxChoices: 5,
		only:  map[string]string{"return_likelihoods": `"NONE"`, "truncate": `"NONE"`},
		chunk: commandChunk, answer: commandAnswer,
	}.family("prompt")
}

func (f textFamily) family(keys ...string) Family {
	return Family{
		Name: f.name, Title: f.title, Keys: keys,
		Fits: func(o *api.Object) bool { return f.limit == llamaLimit || !o.Has(llamaLimit) },
		Decode: func(body []byte, call Call) (*api.Request, api.Codec, *api.Error) {
			return f.decode(body, call)
		},
	}
}

func (f *textFamily) decode(body []byte, call Call) (*api.Request, api.Codec, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	o := root.Object()
	req := &api.Request{Kind: api.Completion, NumChoices: 1}
	if prompt, ok := o.Need(f.prompt); ok {
		req.Prompts = []api.Prompt{{Text: prompt.Str()}}
	}
	settings := o
	if v, ok := o.Get(f.config); f.config != "" && ok {
		settings = v.Object()
		f.settings(settings, req)
		f.refuse(settings)
	} else {
		f.settings(settings, req)
	}
	o.Get(GuardrailKey)
	if f.name == "cohere-command" {
		o.Bool("stream") // the operation says it already
	}
	f.refuse(o)
	return req, &textCodec{family: f}, root.Err()
}

func (f *textFamily) settings(o *api.Object, req *api.Request) {
	s := &req.Sampling
	s.MaxTokens, s.MaxTokensField = o.Int(f.limit, 1, math.MaxInt32), f.limit
	if !s.MaxTokens.Set && f.limitOr > 0 {
		s.MaxTokens = api.Some(f.limitOr)
	}
	s.Temperature = orDefault(o.Float("temperature", 0, f.hottest), f.temperature)
	s.TopP = orDefault(o.Float(f.topPName, 0, 1), f.topP)
	if f.topKName != "" {
		s.TopK = orDefault(o.Int(f.topKName, 0, f.maxTopK), f.topK)
	}
	if v, ok := o.Get(f.stop); f.stop != "" && ok {
		req.Stop = v.Strings(f.maxStops, maxStopLen)
	}
	if f.choices != "" {
		req.NumChoices = o.Int(f.choices, 1, f.maxChoices).Or(1)
	}
	for name, want := range f.only {
		if v, ok := o.Get(name); ok && string(v.Raw()) != want {
			v.Fail("must be %s", want)
		}
	}
}

func orDefault[T int | float64](v api.Opt[T], def T) api.Opt[T] {
	if v.Set || def == models {
		return v
	}
	return api.Some(def)
}

func (f *textFamily) refuse(o *api.Object) {
	for name, v := range o.Unread() {
		v.Fail("is not permitted: extraneous key of a %s body (%q)", f.title, name)
	}
}

// textCodec writes the native answers of a textFamily. It implements api.Codec.
type textCodec struct {
	family *textFamily
	begun  bool
}

// AppendEvent implements api.Codec.
func (c *textCodec) AppendEvent(dst []byte, e *api.Event) []byte {
	if e.Kind != api.TextDelta && e.Kind != api.Finish {
		return dst
	}
	dst = c.family.chunk(dst, e, c.begun)
	c.begun = true
	return append(dst, '\n')
}

// AppendError implements api.Codec; Invoke frames errors itself.
func (c *textCodec) AppendError(dst []byte, err *api.Error) []byte { return AppendError(dst, err) }

// AppendAnswer implements api.Codec.
func (c *textCodec) AppendAnswer(dst []byte, a *api.Answer) []byte {
	return c.family.answer(dst, a)
}
