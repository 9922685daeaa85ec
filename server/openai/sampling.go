package openai

import (
	"math"
	"strconv"

	"basalt/server/api"
)

// Limits of the fields, as the error messages state them. Temperature, penalties, logit bias, n and
// top_logprobs are OpenAI's; the others are the house's.
const (
	maxTemperature = 2
	maxPenalty     = 2
	maxRepetition  = 100
	minRepetition  = 0.01
	maxBias        = 100
	maxBiasTokens  = 1024
	maxChoices     = 128
	maxLogprobs    = 20
	maxStops       = 64
	maxStopLen     = 1024
	maxPrompts     = 128
)

// readCommon reads what chat and completion requests share.
func readCommon(o *api.Object, req *api.Request, call Call) (includeUsage bool) {
	req.Model = readModel(o, call)
	readSampling(o, &req.Sampling)
	req.Stop = readStop(o)
	req.NumChoices = whole(o, "n", 1, maxChoices).Or(1)
	req.Stream = readBool(o, "stream")
	includeUsage = readStreamOptions(o, req.Stream)
	refuseFields(o)
	acceptFields(o)
	readMarks(o, req)
	readFormat(o)
	return includeUsage
}

func readModel(o *api.Object, call Call) string {
	if call.Model != "" {
		o.String("model")
		return call.Model
	}
	name := o.NeedString("model")
	if v, ok := o.Get("model"); ok && name == "" {
		v.Fail("must not be empty")
	}
	return name
}

func readSampling(o *api.Object, s *api.Sampling) {
	s.Temperature = number(o, "temperature", 0, maxTemperature)
	s.TopP = number(o, "top_p", 0, 1)
	s.TopK = whole(o, "top_k", -1, math.MaxInt32)
	s.MinP = number(o, "min_p", 0, 1)
	s.RepetitionPenalty = number(o, "repetition_penalty", minRepetition, maxRepetition)
	s.PresencePenalty = number(o, "presence_penalty", -maxPenalty, maxPenalty)
	s.FrequencyPenalty = number(o, "frequency_penalty", -maxPenalty, maxPenalty)
	if v, ok := o.NotNull("seed"); ok {
		s.Seed = api.Some(uint64(v.Int(math.MinInt64, math.MaxInt64)))
	}
	s.MaxTokens, s.MaxTokensField = whole(o, "max_tokens", 1, math.MaxInt32), "max_tokens"
	s.IgnoreEOS = readBool(o, "ignore_eos")
	if v, ok := o.NotNull("stop_token_ids"); ok {
		for _, id := range v.Elements() {
			s.StopIDs = append(s.StopIDs, int32(id.Int(0, math.MaxInt32)))
		}
	}
	readBias(o, s)
}

func readBias(o *api.Object, s *api.Sampling) {
	v, ok := o.NotNull("logit_bias")
	if !ok {
		return
	}
	biases := v.Object()
	if biases.Len() > maxBiasTokens {
		v.Fail("has %d tokens; at most %d are allowed", biases.Len(), maxBiasTokens)
		return
	}
	for name, bias := range biases.Fields() {
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil || id < 0 {
			v.Fail("must be keyed by token ids")
			return
		}
		s.LogitBias = append(s.LogitBias, api.LogitBias{
			ID: int32(id), Bias: float32(bias.Float(-maxBias, maxBias)),
		})
	}
}

// readBool reads a switch; null is off, as in OpenAI's schema.
func readBool(o *api.Object, name string) bool {
	v, ok := o.NotNull(name)
	return ok && v.Bool()
}

func readStop(o *api.Object) []string {
	v, ok := o.NotNull("stop")
	if !ok {
		return nil
	}
	if v.IsString() {
		return appendStop(nil, v)
	}
	if !v.IsArray() {
		v.Fail("must be a string or an array of strings")
		return nil
	}
	return v.Strings(maxStops, maxStopLen)
}

func appendStop(stops []string, v api.Value) []string {
	s := v.Str()
	if v.IsString() && (s == "" || len(s) > maxStopLen) {
		v.Fail("must have 1 to %d bytes, not %d", maxStopLen, len(s))
	}
	return append(stops, s)
}

func readFormat(o *api.Object) {
	v, ok := o.NotNull("response_format")
	if !ok {
		return
	}
	refuseFormat(v)
}

// finish gives the first fault that reading the body found.
func finish(o *api.Object, call Call) *api.Error {
	if call.Known != "" {
		o.Get(call.Known)
	}
	refuseRest(o)
	return o.Value().Err()
}
